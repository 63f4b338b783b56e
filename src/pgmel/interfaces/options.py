"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pgmel.datasets import LAYOUTS

__all__ = ["DataPath", "ImageEncoderOption", "JsonOption", "LayoutOption", "OnErrorOption", "TextEncoderOption"]

DataPath = Annotated[Path, typer.Argument(help="Folder of the data set.", show_default=False)]
LayoutOption = Annotated[str, typer.Option(help=f"auto, {', '.join(LAYOUTS)}.")]
OnErrorOption = Annotated[
    Literal["stop", "skip"], typer.Option(help="At a faulty record: stop, or skip it, and count and list what was skipped.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]

TextEncoderOption = Annotated[
    str | None, typer.Option("--text-encoder", help="Where the bundle's text encoder is, if it moved.", show_default=False)
]
ImageEncoderOption = Annotated[
    str | None, typer.Option("--image-encoder", help="Where the bundle's image encoder is, if it moved.", show_default=False)
]
