"""``pgmel evaluate``: measure a bundle's model on a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.console import Console

from pgmel.files import encode_json
from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption

if TYPE_CHECKING:
    from pgmel.evaluation import Interval, NilMetrics

__all__ = ["EPILOG", "evaluate"]

EPILOG: Final = "Example: pgmel evaluate --bundle runs/wikimel/bundle --data data/wikimel --split dev"


def evaluate(
    bundle: Annotated[Path, typer.Option("--bundle", "-b", help="Folder that training wrote.", show_default=False)],
    data: Annotated[Path, typer.Option("--data", help="Folder of the data set.", show_default=False)],
    split: Annotated[str, typer.Option(help="Split to measure on.")] = "dev",
    layout: Annotated[str, typer.Option(help="Layout of the data set.")] = "auto",
    protocol: Annotated[
        Literal["kb", "candidates"] | None,
        typer.Option(
            help="Rank against the data set's whole KB, or each mention's candidate list; by default the bundle's evaluation.protocol.",
            show_default=False,
        ),
    ] = None,
    on_error: Annotated[Literal["stop", "skip"], typer.Option(help="At a faulty record: stop, or skip and count it.")] = "stop",
    device: Annotated[str, typer.Option(help="Where encoders and model run: auto, cpu, cuda.")] = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the result as JSON to this file too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Measure a bundle's model on a split: ranks with ties told apart, intervals, slices, and the NIL decision."""
    from pgmel.evaluation import render_slices, render_table
    from pgmel.workflows.evaluate import evaluate_bundle

    result = evaluate_bundle(
        bundle,
        data,
        split,
        layout=layout,
        protocol=protocol,
        on_error=on_error,
        device=device,
        text_encoder=text_encoder,
        image_encoder=image_encoder,
    )
    if out is not None:
        result.save(out)
    if as_json:
        typer.echo(encode_json(result.to_dict()))
        return
    console = Console()
    console.print(render_table({result.system: result.overall}, f"{result.data['name']}, {split}, {result.num_entities:,} entities"))
    console.print(render_slices({result.system: result.slices}))
    if result.nil is not None:
        console.print(_sentence(result.nil), highlight=False)
    if result.candidate_recall is not None:
        console.print(f"the candidate lists hold the gold entity for {result.candidate_recall:.1%} of the mentions")
    for reason, count in result.excluded.items():
        console.print(f"{count:,} mentions were not ranked: {reason}")
    ties = result.overall.variants
    console.print("H@1 by rule for ties: " + ", ".join(f"{rule} {values['h_at_1']:.4f}" for rule, values in ties.items()))


def _sentence(nil: "NilMetrics") -> str:
    threshold = "" if nil.threshold is None else f" below a probability of {nil.threshold:.3f}"
    figures = f"precision {_value(nil.precision)}, recall {_value(nil.recall)}, F1 {_value(nil.f1)}"
    return f"NIL{threshold}: {figures}; {nil.accuracy.value:.1%} of {nil.num_mentions:,} mentions decided rightly, NIL or not"


def _value(interval: "Interval | None") -> str:
    return "undefined" if interval is None else f"{interval.value:.3f}"
