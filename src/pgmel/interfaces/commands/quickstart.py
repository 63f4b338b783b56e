"""``pgmel quickstart``: the whole main job on the built-in demo."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pgmel.files import encode_json
from pgmel.interfaces.showing import describe_second_stage, show_decision
from pgmel.records import NIL

if TYPE_CHECKING:
    from pgmel.evaluation import LinkExample
    from pgmel.workflows.quickstart import Quickstart

__all__ = ["EPILOG", "quickstart"]

EPILOG: Final = "Example: pgmel quickstart --out runs/quickstart"


def quickstart(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for data, runs and report.")] = Path("runs/quickstart"),
    seed: Annotated[int, typer.Option(min=0, help="Of the demo data and of training.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Build the demo KB, encode, train adversarially, evaluate, index, link three mentions, and write an HTML report; needs no network."""
    # The demo has missing and broken pictures on purpose; the table below counts them once.
    logger = logging.getLogger("pgmel")
    if not logger.isEnabledFor(logging.DEBUG):
        logger.setLevel(logging.ERROR)
    from pgmel.workflows.quickstart import run_quickstart

    result = run_quickstart(out, seed)
    if as_json:
        typer.echo(encode_json(_to_json(result)))
        return
    console = Console()
    dev = result.run.material.splits["dev"]
    report = dev.features.report
    console.print(
        f"[bold]Demo[/bold]: {len(result.run.material.entities):,} places, {len(dev.mentions):,} dev mentions; of their "
        f"{report.pictures_named:,} pictures {report.pictures_missing:,} are missing and {report.pictures_broken:,} broken, on purpose."
    )
    console.print(_modality_table(result))
    difference = result.comparison.difference
    console.print(
        f"Training gains {difference.value:+.3f} H@1 (95 % interval {difference.low:+.3f} to {difference.high:+.3f}) for the fused model."
    )
    if result.run.second_stage is not None:
        console.print(f"{describe_second_stage(result.run.second_stage)}. The links below are those of this stage.", highlight=False)
    console.print()
    for example in result.examples:
        _print_example(console, example)
    decision = result.run.decision
    if decision is not None:
        show_decision(console, decision)
    console.print(f"Done in {result.seconds:.0f} s. Bundle: {result.run.bundle}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"Report: {result.report.resolve()}", soft_wrap=True, markup=False, highlight=False)


def _modality_table(result: "Quickstart") -> Table:
    table = Table(title="H@1 on the demo's dev split, whole KB, 95 % intervals", title_justify="left")
    for heading, justify in (("model", "left"), ("zero-shot", "right"), ("trained", "right"), ("MRR trained", "right")):
        table.add_column(heading, justify="left" if justify == "left" else "right")
    for name, (before, after) in result.modalities.items():
        style = "bold" if name == "fused" else ""
        cells = [escape(part.result.overall.h_at_1.format(3)) for part in (before, after)]
        table.add_row(name, *cells, f"{after.result.overall.mrr.value:.3f}", style=style)
    return table


def _print_example(console: Console, example: "LinkExample") -> None:
    mention, link = example.mention, example.link
    start, end = mention.start or 0, mention.end or 0
    sentence = f"{escape(mention.context[:start])}[bold reverse]{escape(mention.context[start:end])}[/]{escape(mention.context[end:])}"
    console.print(sentence + (f"  [dim]({mention.image})[/dim]" if mention.image else "  [dim](no picture)[/dim]"), soft_wrap=True)
    gold = "NIL" if mention.entity_id is NIL else example.entities[str(mention.entity_id)].name
    answer = "NIL" if link.entity_id is NIL else next(c.name for c in link.candidates if c.entity_id == link.entity_id)
    verdict = "[green]right[/green]" if link.entity_id == mention.entity_id else f"[red]wrong, it is {escape(gold)}[/red]"
    console.print(f"  → [bold]{escape(answer)}[/bold]  {verdict}")
    for candidate in link.candidates[:3]:
        console.print(
            f"     {candidate.probability or 0:6.1%}  {escape(candidate.name)} [dim]({escape(candidate.entity_id)})[/dim]", highlight=False
        )
    console.print()


def _to_json(result: "Quickstart") -> dict[str, object]:
    return {
        "modalities": {
            name: {"zero_shot": before.result.overall.to_dict(), "trained": after.result.overall.to_dict()}
            for name, (before, after) in result.modalities.items()
        },
        "comparison": result.comparison.to_dict(),
        "second_stage": result.run.second_stage.to_dict() if result.run.second_stage else None,
        "examples": [
            {
                "mention": example.mention.surface,
                "context": example.mention.context,
                "answer": "NIL" if example.link.entity_id is NIL else example.link.entity_id,
                "gold": "NIL" if example.mention.entity_id is NIL else example.mention.entity_id,
            }
            for example in result.examples
        ],
        "bundle": str(result.run.bundle),
        "report": str(result.report),
        "seconds": result.seconds,
    }
