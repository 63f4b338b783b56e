"""A comparison as Markdown and as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from pgmel.evaluation.bootstrap import Interval
from pgmel.evaluation.comparison_data import (
    COMPARED,
    Comparison,
    ComparisonCell,
    ComparisonRow,
    ComparisonTable,
    Difference,
    PublishedFigures,
)

__all__ = ["BETTER", "NOTED", "WORSE", "describe_note", "describe_seeds", "format_p", "mark_of", "render_csv", "render_markdown"]

BETTER: Final = "▲"
WORSE: Final = "▼"
NOTED: Final = "†"
"""Behind a figure that there is something to know about; it stands below the table."""


def mark_of(cell: ComparisonCell, metric: str) -> str:
    """Return the mark of a figure that differs from the reference's, empty where it does not."""
    found = cell.differences.get(metric)
    if found is None or not found.differs():
        return ""
    return BETTER if found.value.value > 0 else WORSE


def format_p(value: float) -> str:
    """Return a p-value for a table."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.01 else f"{value:.3f}"


def describe_seeds(comparison: Comparison, table: ComparisonTable) -> str:
    """Say what a table's figures are, over seeds."""
    if table.num_seeds < 2:
        return "Figures of one seed: there is no interval over seeds."
    fewer = any(len(cell.seeds) < 2 for row in table.rows for _, cell in row.figures())
    return f"Mean over seeds with {comparison.confidence:.0%} t interval over the seeds{', where there are several' if fewer else ''}."


def describe_note(comparison: Comparison, row: ComparisonRow, data: str, text: str) -> str:
    """Return something to know about one figure, with its place."""
    return f"{row.label} on {comparison.data.get(data, data) if data else 'the mean over data sets'}: {text}"


def render_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown."""
    parts = [f"# {comparison.title}", comparison.summary, f"Figures on **{comparison.split}**. {comparison.progress}"]
    parts += [f"> {caution}" for caution in comparison.cautions]
    for table in comparison.tables:
        parts += _table_parts(comparison, table)
    parts += _published(comparison.published)
    if comparison.notes:
        parts += ["## How to read this", "\n".join(f"- {note}" for note in comparison.notes)]
    if comparison.facts:
        parts += ["## What was run", "\n".join(f"- {name}: {value}" for name, value in comparison.facts.items())]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_csv(comparison: Comparison) -> str:
    """Return one row per budget, system and data set (and the mean over data sets), with all figures."""
    rows = [
        _csv_row(comparison, table, row, data or "mean", cell)
        for table in comparison.tables
        for row in table.rows
        for data, cell in row.figures()
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _table_parts(comparison: Comparison, table: ComparisonTable) -> list[str]:
    parts = [f"## {table.title}", table.lead, _score_table(comparison, table)]
    marks = f"{BETTER} better and {WORSE} worse than {comparison.reference_label}, adjusted p < 0.05."
    notes = [f"- {NOTED} {describe_note(comparison, *note)}" for note in table.notes]
    told = f" {NOTED}: see the notes below the table." if notes else ""
    parts += [f"{describe_seeds(comparison, table)} {marks}{told}", "\n".join(notes)]
    if table.num_comparisons:
        parts += [f"### Differences from {comparison.reference_label}", table.family]
        parts += [_difference_table(comparison, table, metric) for metric in COMPARED]
    parts += ["### Cost", _cost_table(comparison, table)]
    return [*parts, "\n".join(f"- {NOTED} {describe_note(comparison, *note)}" for note in table.cost_notes)]


def _score_table(comparison: Comparison, table: ComparisonTable) -> str:
    with_mean = any(row.mean for row in table.rows)
    labels = [*(["mean"] if with_mean else []), *comparison.data.values()]
    heads = [f"{label} {title}" for label in labels for title in COMPARED.values()]
    lines = []
    for row in table.rows:
        cells = [*([row.mean] if with_mean else []), *(row.cells.get(data) for data in comparison.data)]
        lines.append([_label(row), *(_score(cell, metric) for cell in cells for metric in COMPARED)])
    return _grid(["system", *heads], lines)


def _difference_table(comparison: Comparison, table: ComparisonTable, metric: str) -> str:
    with_mean = any(row.mean and row.mean.differences for row in table.rows)
    heads = [*(["mean"] if with_mean else []), *comparison.data.values()]
    lines = []
    for row in table.rows:
        cells = [*([row.mean] if with_mean else []), *(row.cells.get(data) for data in comparison.data)]
        found = [cell.differences.get(metric) if cell else None for cell in cells]
        if any(found):
            lines.append([_label(row), *("" if one is None else _difference(one) for one in found)])
    return _grid([f"{COMPARED[metric]}: system", *heads], lines)


def _cost_table(comparison: Comparison, table: ComparisonTable) -> str:
    heads = [f"{label}: {what}" for label in comparison.data.values() for what in ("training s", "processor s", "updates", "epochs")]
    lines = []
    for row in table.rows:
        shown = [part for data in comparison.data for part in _cost(row.cells.get(data))]
        if any(shown):
            lines.append([_label(row), *shown])
    return _grid(["system", *heads], lines)


def _cost(cell: ComparisonCell | None) -> list[str]:
    """Return seconds, processor seconds, updates and epochs as the table shows them; empty where they are not known."""
    if cell is None:
        return [""] * 4
    values = [(cell.seconds, ",.1f"), (cell.processor_s, ",.1f"), (cell.updates, ",.0f"), (cell.epochs, "g")]
    seconds, *others = ["" if value is None else format(value, form) for value, form in values]
    return [f"{seconds} {NOTED}" if cell.cost_flags else seconds, *others]


def _published(rows: Sequence[PublishedFigures]) -> list[str]:
    if not rows:
        return []
    lines = [[row.system, row.data, _figure(row.h_at_1), _figure(row.mrr), row.protocol, row.source, row.comparable] for row in rows]
    lead = "As their authors report them; nothing here was measured by us. Compare only what the last column allows."
    return ["## Published figures", lead, _grid(["system", "data", "H@1", "MRR", "protocol", "source", "what may be compared"], lines)]


def _csv_row(comparison: Comparison, table: ComparisonTable, row: ComparisonRow, data: str, cell: ComparisonCell) -> dict[str, object]:
    values: dict[str, object] = {
        "split": comparison.split,
        "budget": table.budget,
        "data": data,
        "system": row.system,
        "label": row.label,
        "group": row.group,
        "seeds": " ".join(map(str, cell.seeds)),
        "mentions": cell.num_mentions or "",
        "updates": _plain(cell.updates),
        "epochs": _plain(cell.epochs),
        "training_s": _plain(cell.seconds),
        "processor_s": _plain(cell.processor_s),
    }
    for metric, interval in cell.scores.items():
        values |= _interval_columns(metric, interval)
    for metric in COMPARED:
        found = cell.differences.get(metric)
        if found is not None:
            values |= _interval_columns(f"{metric}_difference", found.value)
            values |= {f"{metric}_p": f"{found.p_value:.6g}", f"{metric}_p_holm": f"{found.p_adjusted:.6g}"}
    for metric in COMPARED:
        values[f"{metric}_by_seed"] = " ".join(f"{value:.6f}" for value in cell.runs.get(metric, ()))
    return values | {"flags": "; ".join((*cell.flags, *cell.cost_flags))}


def _interval_columns(name: str, interval: Interval) -> dict[str, object]:
    return {name: _plain(interval.value), f"{name}_low": _plain(interval.low), f"{name}_high": _plain(interval.high)}


def _score(cell: ComparisonCell | None, metric: str) -> str:
    if cell is None:
        return ""
    return " ".join(part for part in (cell.scores[metric].format(), mark_of(cell, metric), NOTED * bool(cell.flags)) if part)


def _difference(found: Difference) -> str:
    low, high = found.value.low or 0.0, found.value.high or 0.0
    mark = "" if not found.differs() else f" {BETTER if found.value.value > 0 else WORSE}"
    return f"{found.value.value:+.4f} [{low:+.4f}, {high:+.4f}], p {format_p(found.p_value)}, Holm {format_p(found.p_adjusted)}{mark}"


def _label(row: ComparisonRow) -> str:
    return f"{row.group}: {row.label}" if row.group else row.label


def _figure(value: float | None) -> str:
    return "not available" if value is None else f"{value:.4f}"


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")


def _grid(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows)
