"""``pgmel index``: put a trained model to work on another knowledge base."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from pgmel.errors import SettingError
from pgmel.files import encode_json
from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption
from pgmel.settings import read_settings

__all__ = ["EPILOG", "index"]

EPILOG: Final = (
    "Examples: pgmel index --model runs/wikimel/bundle --kb kb/products --out bundles/products   |   "
    "pgmel index --zero-shot --kb kb/products --out bundles/products --set features.image_encoder=descriptor"
)


def index(
    kb: Annotated[Path, typer.Option("--kb", help="What `pgmel kb build` wrote, or a data set folder.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new bundle.", show_default=False)],
    model: Annotated[Path | None, typer.Option("--model", "-m", help="Bundle whose model is used.", show_default=False)] = None,
    zero_shot: Annotated[bool, typer.Option("--zero-shot", help="Use the untrained model; nothing need be annotated.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="With --zero-shot: TOML file with settings.", show_default=False)
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="With --zero-shot: override a setting; may be repeated.", show_default=False)
    ] = None,
    layout: Annotated[str, typer.Option(help="Layout of the data set.")] = "auto",
    on_error: Annotated[Literal["stop", "skip"], typer.Option(help="At a faulty record: stop, or skip and count it.")] = "stop",
    kind: Annotated[
        Literal["auto", "exact", "ivfpq"] | None,
        typer.Option(help="Kind of index; auto compresses large ones. By default as the bundle's settings say.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="Where encoders and model run: auto, cpu, cuda.")] = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    keep_second_stage: Annotated[
        bool, typer.Option(help="Take the bundle's second stage along: for a KB whose entries are written like those it was trained on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Encode and index the entities of a knowledge base with a bundle's model, into a new bundle; nothing is trained.

    The NIL threshold stays that of the old bundle, fitted on its own data; the card says so. The second stage stays behind, because over
    entries that are written otherwise it does harm; --keep-second-stage takes it along. With --zero-shot instead of --model the
    encoders' own similarities link: no probabilities, and no NIL, until `pgmel calibrate` fits them on annotated mentions.
    """
    if zero_shot:
        if model is not None or text_encoder is not None or image_encoder is not None:
            raise SettingError(
                "--zero-shot needs no --model; name encoders with --set features.text_encoder=... or features.image_encoder=..."
            )
        from pgmel.workflows.start_bundle import start_bundle

        settings = read_settings(config, overrides or [])
        about = start_bundle(kb, out, settings, layout=layout, on_error=on_error, kind=kind, device=device)
    elif model is None:
        raise SettingError("name the bundle whose model is used with --model, or pass --zero-shot to begin without a trained one")
    elif config is not None or overrides:
        raise SettingError("--config and --set go with --zero-shot; a trained model has the settings of its bundle")
    else:
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
            keep_second_stage=keep_second_stage,
        )
    if as_json:
        typer.echo(encode_json(about))
        return
    typer.echo(f"{about['entities']:,} entities indexed ({about['kind']}); bundle: {out}")
    pictures = about["pictures"]
    if pictures["named"]:
        typer.echo(f"pictures: {pictures['named']:,} named, {pictures['missing']:,} missing, {pictures['broken']:,} unusable")
