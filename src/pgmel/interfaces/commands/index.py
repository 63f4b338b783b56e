"""``pgmel index``: put a trained model to work on another knowledge base."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from pgmel.files import encode_json
from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption

__all__ = ["EPILOG", "index"]

EPILOG: Final = "Example: pgmel index --model runs/wikimel/bundle --kb data/products --out bundles/products"


def index(
    model: Annotated[Path, typer.Option("--model", "-m", help="Bundle whose model is used.", show_default=False)],
    kb: Annotated[Path, typer.Option("--kb", help="What `pgmel kb build` wrote, or a data set folder.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new bundle.", show_default=False)],
    layout: Annotated[str, typer.Option(help="Layout of the data set.")] = "auto",
    on_error: Annotated[Literal["stop", "skip"], typer.Option(help="At a faulty record: stop, or skip and count it.")] = "stop",
    kind: Annotated[
        Literal["auto", "exact", "ivfpq"] | None,
        typer.Option(help="Kind of index; auto compresses large ones. By default as the bundle's settings say.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="Where encoders and model run: auto, cpu, cuda.")] = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Encode and index the entities of a knowledge base with a bundle's model, into a new bundle; nothing is trained.

    The NIL threshold stays that of the old bundle, fitted on its own data; the card says so.
    """
    from pgmel.workflows.build_index import build_bundle

    about = build_bundle(
        model,
        kb,
        out,
        layout=layout,
        on_error=on_error,
        kind=kind,
        device=device,
        text_encoder=text_encoder,
        image_encoder=image_encoder,
    )
    if as_json:
        typer.echo(encode_json(about))
        return
    typer.echo(f"{about['entities']:,} entities indexed ({about['kind']}); bundle: {out}")
    pictures = about["pictures"]
    if pictures["named"]:
        typer.echo(f"pictures: {pictures['named']:,} named, {pictures['missing']:,} missing, {pictures['broken']:,} unusable")
