"""What several commands show: counts with their shares, and records that were left out."""

import textwrap
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from pgmel.datasets import Dataset

if TYPE_CHECKING:
    from pgmel.evaluation import PairedComparison
    from pgmel.linking import Decision

__all__ = ["counted", "describe_second_stage", "faults_to_json", "share", "show_decision", "show_faults"]

NUM_FAULTS = 10


def counted(count: int, noun: str) -> str:
    """Return a number of things in words: 1 row, 2,000 rows."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def faults_to_json(dataset: Dataset) -> dict[str, Any]:
    """Return how many records were left out, by rule, and the first of them."""
    rules: dict[str, int] = {}
    for fault in dataset.faults:
        rules[fault.rule] = rules.get(fault.rule, 0) + 1
    return {"count": len(dataset.faults), "by_rule": rules, "first": [str(fault) for fault in dataset.faults[:NUM_FAULTS]]}


def show_faults(console: Console, dataset: Dataset) -> None:
    """Print the records that were left out, if any."""
    if not dataset.faults:
        return
    found = faults_to_json(dataset)
    table = Table("records left out", "count")
    for rule, count in sorted(found["by_rule"].items(), key=lambda item: -item[1]):
        table.add_row(rule, f"{count:,}")
    console.print(table)
    for text in found["first"]:
        console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)
    if found["count"] > len(found["first"]):
        console.print(f"  and {found['count'] - len(found['first']):,} more", highlight=False)


def share(count: int, whole: int | None) -> str:
    """Return a count with its share of a whole."""
    return f"{count:,} ({count / whole:.1%})" if whole else f"{count:,}"


def show_decision(console: Console, decision: "Decision", split: str = "dev") -> None:
    """Print when NIL is answered, and below it, a line each, what came of it on a split."""
    from pgmel.linking import decision_lines

    first, *others = decision_lines(decision, split)
    console.print(first, markup=False, highlight=False)
    for other in others:
        shown = textwrap.fill(other, console.width, initial_indent="  ", subsequent_indent="  ")
        console.print(shown, markup=False, highlight=False)


def describe_second_stage(found: "PairedComparison") -> str:
    """Return one sentence on what the second stage does to H@1, mention by mention."""
    change = found.difference
    interval = "" if change.low is None else f" [{change.low:+.3f}, {change.high:+.3f}]"
    counts = f"{found.only_b:,} mentions right only after it, {found.only_a:,} only before"
    return f"Second stage: H@1 {found.mean_a:.3f} -> {found.mean_b:.3f}, {change.value:+.3f}{interval}, p = {found.p_value:.2g}; {counts}"
