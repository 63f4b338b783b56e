"""Options that several commands share."""

from typing import Annotated

import typer

__all__ = ["ImageEncoderOption", "TextEncoderOption"]

TextEncoderOption = Annotated[
    str | None, typer.Option("--text-encoder", help="Where the bundle's text encoder is, if it moved.", show_default=False)
]
ImageEncoderOption = Annotated[
    str | None, typer.Option("--image-encoder", help="Where the bundle's image encoder is, if it moved.", show_default=False)
]
