"""``pgmel compare``: run a matrix of systems, data sets and seeds under equal budgets, and test the differences."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pgmel.errors import SettingError

if TYPE_CHECKING:
    from pgmel.evaluation import Comparison, ComparisonCell, ComparisonTable

__all__ = ["EPILOG", "compare"]

EPILOG: Final = "Example: pgmel compare experiments/negatives.toml --data-root DATA --out runs/negatives --jobs 3"


def compare(
    matrix: Annotated[Path, typer.Argument(help="TOML file: systems, data sets, seeds, budgets.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the runs and the tables.", show_default=False)],
    data_root: Annotated[
        Path | None, typer.Option("--data-root", help="Folder that the data sets' paths are relative to.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Runs side by side, each in a process of its own.")] = 1,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run SYSTEM/DATA only; * stands for any; may be repeated.", show_default=False)
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Seeds instead of the file's, separated by commas: 0,1,2.", show_default=False)
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting of all runs, as group.key=value; may be repeated.", show_default=False),
    ] = None,
    report_only: Annotated[bool, typer.Option("--report-only", help="Run nothing; write the tables of what is there.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Evaluate the finished runs on the test split: once, at the very end.")] = False,
    again: Annotated[bool, typer.Option("--again", help="With --test: do so though it was done before.")] = False,
) -> None:
    """Compare systems: train each on each data set with each seed under equal budgets, and test the differences.

    Finished runs are kept; after Ctrl-C, or a kill, the same command goes on where it stopped.
    """
    numbers = _read_seeds(seeds)
    from pgmel.workflows.compare import RunsFailedError
    from pgmel.workflows.compare import compare as run_comparison

    result = run_comparison(
        matrix,
        out,
        data_root,
        jobs=jobs,
        only=only or (),
        seeds=numbers,
        overrides=overrides or (),
        report_only=report_only,
        test=test,
        again=again,
    )
    console = Console()
    for table in result.comparison.tables:
        console.print(_render(result.comparison, table))
    for caution in result.comparison.cautions:
        console.print(f"note: {caution}", style="yellow", markup=False, highlight=False)
    console.print(f"{result.comparison.progress}; tables: {result.files[0]}", soft_wrap=True, markup=False, highlight=False)
    if result.failures:
        raise RunsFailedError(f"{len(result.failures)} runs failed; the others are in the tables. Run the same command to try them again")


def _read_seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) < 1 << 31 for part in parts) or len(set(parts)) < len(parts):
        raise SettingError(f"--seeds must be different whole numbers from 0, separated by commas, such as 0,1,2; got {text!r}")
    return [int(part) for part in parts]


def _render(comparison: "Comparison", table: "ComparisonTable") -> Table:
    shown = Table(
        title=escape(f"{comparison.title}: {table.title.lower()}, {comparison.split}"),
        title_justify="left",
        caption=f"▲ better, ▼ worse than {escape(comparison.reference_label)} (adjusted p < 0.05); H@1 / MRR"
        + (", means over seeds" if table.num_seeds > 1 else ", one seed")
        + ("; †: see the notes in the written tables" if table.notes else ""),
        caption_justify="left",
    )
    shown.add_column("system")
    with_mean = any(row.mean for row in table.rows)
    for label in [*(["mean"] if with_mean else []), *comparison.data.values()]:
        shown.add_column(escape(label), justify="right")
    for row in table.rows:
        cells = [*([row.mean] if with_mean else []), *(row.cells.get(data) for data in comparison.data)]
        shown.add_row(escape(row.label), *(_cell(cell) for cell in cells))
    return shown


def _cell(cell: "ComparisonCell | None") -> str:
    from pgmel.evaluation.comparison_tables import NOTED, mark_of

    if cell is None:
        return ""
    figures = " / ".join(f"{cell.scores[metric].value:.3f}{mark_of(cell, metric)}" for metric in ("h_at_1", "mrr"))
    return figures + NOTED * bool(cell.flags)
