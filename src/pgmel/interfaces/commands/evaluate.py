"""``pgmel evaluate``: measure a bundle's model on a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.console import Console

from pgmel.files import encode_json
from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption
from pgmel.interfaces.showing import describe_second_stage

if TYPE_CHECKING:
    from pgmel.evaluation import Interval, NilMetrics, RemovedGold

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
    remove_gold: Annotated[
        float | None,
        typer.Option(
            "--remove-gold",
            help="Take this share of the gold entities (0.2, say) out of the KB too, and measure when NIL is answered.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the result as JSON to this file too.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Measure a bundle on a split: ranks with ties told apart, intervals, slices, and the NIL decision.

    A bundle with a second stage is measured before it (single vector) and after it (re-ranked); the headline is what it does: re-ranked.
    """
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
        remove_gold=remove_gold,
    )
    if out is not None:
        result.save(out)
    if as_json:
        typer.echo(encode_json(result.to_dict()))
        return
    single = result.single_vector
    console = Console()
    systems = {result.system: result} if single is None else {"single vector": single, result.system: result}
    overall = {name: part.overall for name, part in systems.items()}
    console.print(render_table(overall, f"{result.data['name']}, {split}, {result.num_entities:,} entities"))
    console.print(render_slices({name: part.slices for name, part in systems.items()}))
    if result.second_stage is not None:
        console.print(describe_second_stage(result.second_stage), highlight=False)
        console.print(f"All figures below are of the system {result.system}.")
    if result.nil is not None:
        console.print(_sentence(result.nil), highlight=False)
    if result.candidate_recall is not None:
        console.print(f"the candidate lists hold the gold entity for {result.candidate_recall:.1%} of the mentions")
    if result.removed_gold is not None:
        for line in _describe_removed(result.removed_gold):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    for reason, count in result.excluded.items():
        console.print(f"{count:,} mentions were not ranked: {reason}")
    ties = result.overall.variants
    console.print("H@1 by rule for ties: " + ", ".join(f"{rule} {values['h_at_1']:.4f}" for rule, values in ties.items()))


_HOW: Final = {0: "", 1: " (in-sample: the decision was fitted on these very mentions, too few for cross-fitting; too good to be true)"}
_CROSS_FITTED: Final = " (cross-fitted: the decision was fitted on these mentions)"


def _describe_removed(found: "RemovedGold") -> list[str]:
    how = {0: "the bundle's own decision", 1: "the bundle's decision on the mentions that it was fitted on, which is too good to be true"}
    judged = how.get(found.num_folds, f"cross-fitted over {found.num_folds} parts, as the decision was fitted on them")
    risks = ", ".join(f"{one.risk.format()} at {one.coverage:.0%}" for one in found.risk.risks)
    return [
        f"With {found.share:.0%} of the gold entities ({found.num_removed:,}) removed from the KB, {judged}:",
        f"  {_sentence(found.nil)}",
        f"  Links by probability: area under the risk-coverage curve {found.risk.aurc.format()} (excess "
        f"{found.risk.excess_aurc.format()}); share of wrong ones {risks} coverage",
        f"  Expected calibration error {_value(found.reliability.error_interval)} over {len(found.reliability.bins)} bins of equal width "
        f"({found.reliability.chance_error:.3f} by chance alone)",
    ]


def _sentence(nil: "NilMetrics") -> str:
    threshold = "" if nil.threshold is None else f" from a probability of {nil.threshold:.3f} on"
    figures = f"precision {_value(nil.precision)}, recall {_value(nil.recall)}, F1 {_value(nil.f1)}"
    answers = f"{nil.true_nil + nil.false_nil:,} answers, {nil.num_nil:,} mentions without an entity"
    right = f"{nil.accuracy.value:.1%} of {nil.num_mentions:,} mentions decided rightly, NIL or not"
    return f"NIL{threshold}: {figures} ({answers}); {right}{_HOW.get(nil.num_folds, _CROSS_FITTED)}"


def _value(interval: "Interval | None") -> str:
    return "undefined" if interval is None else interval.format()
