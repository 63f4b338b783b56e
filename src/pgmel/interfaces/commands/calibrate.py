"""``pgmel calibrate``: fit the NIL decision of a bundle anew, without training."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.console import Console

from pgmel.files import encode_json
from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption
from pgmel.interfaces.showing import show_decision

__all__ = ["EPILOG", "calibrate"]

EPILOG: Final = "Example: pgmel calibrate --bundle runs/wikimel/bundle --data data/wikimel --link-precision 0.95"


def calibrate(
    bundle: Annotated[Path, typer.Option("--bundle", "-b", help="Folder that training wrote; its card is changed.", show_default=False)],
    data: Annotated[Path, typer.Option("--data", help="Folder of the data set.", show_default=False)],
    split: Annotated[str, typer.Option(help="Split to fit on; not the one that the model was trained on.")] = "dev",
    nil_precision: Annotated[
        float | None, typer.Option(help="Share of NIL answers that are to be right; by default as in the bundle.", show_default=False)
    ] = None,
    link_precision: Annotated[
        float | None,
        typer.Option(
            help="Share of links that are to be right: what is less sure is answered NIL; 0 asks for nothing; by default as in the bundle.",
            show_default=False,
        ),
    ] = None,
    nil_share: Annotated[
        float | None,
        typer.Option(help="Share of NIL mentions to assume where the split has none; by default as in the bundle.", show_default=False),
    ] = None,
    layout: Annotated[str, typer.Option(help="Layout of the data set.")] = "auto",
    on_error: Annotated[Literal["stop", "skip"], typer.Option(help="At a faulty record: stop, or skip and count it.")] = "stop",
    device: Annotated[str, typer.Option(help="Where encoders and model run: auto, cpu, cuda.")] = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision as one JSON object instead of text.")] = False,
) -> None:
    """Fit probabilities and thresholds of a bundle anew: for other precisions, or on mentions that look more like yours.

    Model, knowledge base and indexes stay as they are. A bundle that was never trained gets its probabilities this way.
    """
    from pgmel.workflows.calibrate import PrecisionChanges, calibrate_bundle

    decision = calibrate_bundle(
        bundle,
        data,
        split,
        PrecisionChanges(nil_precision, link_precision, nil_share),
        layout=layout,
        on_error=on_error,
        device=device,
        text_encoder=text_encoder,
        image_encoder=image_encoder,
    )
    if as_json:
        typer.echo(encode_json(decision.to_dict()), nl=False)
    else:
        console = Console()
        console.print(f"calibrated on {split}, {decision.num_mentions:,} mentions: {bundle}", soft_wrap=True, markup=False, highlight=False)
        show_decision(console, decision, split)
