"""From finished runs to tables, tests and curves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from pgmel.evaluation import (
    MEAN,
    METRICS,
    Comparison,
    ComparisonCell,
    ComparisonRow,
    ComparisonTable,
    Contrasts,
    CurveSeries,
    DataRanks,
    Interval,
    PublishedFigures,
    contrast,
    metric_values,
    t_interval,
)
from pgmel.workflows.compare.flags import cost_flags, origin_flags, pairing_flag, run_flags
from pgmel.workflows.compare.found import Found, Run, count_states
from pgmel.workflows.compare.matrix import Budget
from pgmel.workflows.compare.plan import Plan
from pgmel.workflows.compare.record import RANKS_FILE, RankTable, read_curve, read_ranks
from pgmel.workflows.compare.texts import LEADS, TITLES, cautions_of, notes_of
from pgmel.workflows.compare.wall import WallPlan, reference_time

__all__ = ["FLIPS", "RESAMPLES", "RankSource", "dev_ranks", "summarise"]

RankSource = Callable[[Run], RankTable]
"""Gives the per-mention ranks of a run: those on dev, or those on test."""

RESAMPLES: Final = 10_000
"""Bootstrap resamples behind intervals of differences."""

FLIPS: Final = 100_000
"""Sign flips behind p-values: corrected for a hundred comparisons, the least one is still 0.001."""

_SEED: Final = 0
"""Of the bootstrap and the sign flips: the same runs give the same tables."""


def dev_ranks(run: Run) -> RankTable:
    """Return a run's ranks on dev."""
    return read_ranks(run.folder / RANKS_FILE)


def summarise(
    plan: Plan,
    found: Found,
    wall: Mapping[str, Mapping[str, WallPlan]],
    *,
    ranks_of: RankSource = dev_ranks,
    split: str = "dev",
    failures: Sequence[str] = (),
    cautions: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    resamples: int = RESAMPLES,
    flips: int = FLIPS,
) -> Comparison:
    """Work out everything that a comparison shows.

    Args:
        plan: What was asked for.
        found: Its finished runs.
        wall: Plans of the wall budget.
        ranks_of: Where the ranks of a run are.
        split: Split they are on.
        failures: Names and reasons of failed runs.
        cautions: What else to say at the top.
        facts: What else to say at the end.
        resamples: Bootstrap resamples.
        flips: Sign flips.
    """
    matrix = plan.matrix
    kept, odd = _on_same_mentions(plan, found)
    begun = [budget for budget in matrix.budgets if budget == "updates" or kept.runs[budget]]
    tables = [_table(plan, kept, budget, wall, ranks_of, resamples, flips) for budget in begun]
    return Comparison(
        title=matrix.title,
        summary=matrix.summary,
        split=split,
        reference=matrix.reference,
        reference_label=_reference_label(plan),
        data={name: entry.label or name for name, entry in matrix.data.items()},
        tables=tuple(tables),
        curves=tuple(_curves(plan, kept)) if split != "test" else (),
        published=tuple(PublishedFigures(**row.model_dump()) for row in matrix.published),
        progress=count_states(found, failures),
        notes=notes_of(kept, split),
        cautions=(*cautions, *odd, *cautions_of(kept, failures)),
        facts=facts or {},
    )


def _on_same_mentions(plan: Plan, found: Found) -> tuple[Found, list[str]]:
    """Leave out runs that were measured on other mentions than the reference's: they cannot be paired."""
    kept = Found({budget: [] for budget in found.runs}, found.missing, found.outdated, found.damaged)
    odd = []
    every = [run for runs in found.runs.values() for run in runs]
    for data in plan.matrix.data:
        here = [run for run in every if run.cell.data == data]
        first = next((run for run in here if run.cell.system == plan.matrix.reference), here[0] if here else None)
        for run in here:
            if first is not None and run.record.mentions == first.record.mentions:
                kept.runs[run.cell.budget].append(run)
            else:
                odd.append(f"left out, since it was measured on other mentions than the reference: {run.cell.name}")
    return kept, odd


def _table(
    plan: Plan,
    found: Found,
    budget: Budget,
    wall: Mapping[str, Mapping[str, WallPlan]],
    ranks_of: RankSource,
    resamples: int,
    flips: int,
) -> ComparisonTable:
    matrix = plan.matrix
    ranks = {
        (run.cell.data, run.cell.system, run.cell.seed): ranks_of(run) for run in found.runs[budget]
    }  # read once: scores, tests and the untrained model's row need them
    data = {name: one for name in matrix.data if (one := _data_ranks(matrix.systems, name, ranks)) is not None}
    tests = contrast(data, matrix.reference, np.random.default_rng(_SEED), resamples=resamples, flips=flips)
    rows = [_untrained_row(plan, found, budget, ranks)]
    for key, system in matrix.systems.items():
        cells = {}
        for name in matrix.data:
            runs = found.of(budget, name, key)
            if runs:
                values = {run.cell.seed: ranks[name, key, run.cell.seed].trained for run in runs}
                kept = wall.get(name, {}).get(key) if budget == "wall" else None
                references = [run.record for run in found.of("updates", name, matrix.reference)]
                cell = _cell(plan, runs, values, kept, reference_time(references) if kept is not None else 0.0)
                theirs = tuple(run.cell.seed for run in found.of(budget, name, matrix.reference))
                cells[name] = _compared(plan, cell, tests, (key, name), theirs)
        rows.append(ComparisonRow(key, system.label or key, system.group or "", cells, _mean_cell(plan, cells)))
    theirs = next((row.mean.seeds for row in rows if row.system == matrix.reference and row.mean is not None), ())
    rows = [row if row.mean is None else replace(row, mean=_compared(plan, row.mean, tests, (row.system, MEAN), theirs)) for row in rows]
    return ComparisonTable(
        budget=budget,
        title=TITLES[budget],
        lead=LEADS[budget],
        rows=tuple(row for row in rows if row.cells),
        num_comparisons=tests.num_comparisons,
        family=_family(plan, tests),
    )


def _reference_label(plan: Plan) -> str:
    return plan.matrix.systems[plan.matrix.reference].label or plan.matrix.reference


def _family(plan: Plan, tests: Contrasts) -> str:
    label = _reference_label(plan)
    systems = len({system for system, _ in tests.found})
    where = "on each data set and on the mean over data sets" if any(name == MEAN for _, name in tests.found) else "on each data set"
    return (
        f"The family that p-values are corrected for: all {tests.num_comparisons} comparisons of this table, {systems} "
        f"system{'s' * (systems != 1)} against {label}, {where}, by H@1 and by MRR."
    )


def _data_ranks(systems: Mapping[str, object], data: str, ranks: Mapping[tuple[str, str, int], RankTable]) -> DataRanks | None:
    found: dict[str, dict[int, npt.NDArray[np.float64]]] = {key: {} for key in systems}
    groups = None
    for (name, system, seed), table in ranks.items():
        if name == data:
            found[system][seed] = table.trained
            groups = table.groups if groups is None else groups
    return None if groups is None else DataRanks({key: tables for key, tables in found.items() if tables}, groups)


def _scores(values: Sequence[npt.NDArray[np.float64]]) -> tuple[dict[str, Interval], dict[str, tuple[float, ...]]]:
    """Return the mean over runs with its interval, and the values of the runs, per metric."""
    by_run = np.array([metric_values(ranks).mean(axis=0) for ranks in values])
    runs = {metric: tuple(float(value) for value in column) for metric, column in zip(METRICS, by_run.T, strict=True)}
    return {metric: t_interval(metric, column) for metric, column in runs.items()}, runs


def _cell(
    plan: Plan, runs: Sequence[Run], values: Mapping[int, npt.NDArray[np.float64]], wall: WallPlan | None, budget_s: float
) -> ComparisonCell:
    scores, by_run = _scores(list(values.values()))
    records = [run.record for run in runs]
    seconds = median(record.seconds for record in records)  # as the wall budget has it: one run on a busy machine does not decide
    used = [record.processor_s for record in records if record.processor_s is not None]
    return ComparisonCell(
        scores=scores,
        runs=by_run,
        seeds=tuple(values),
        seconds=seconds,
        updates=float(np.mean([record.updates for record in records])),
        epochs=float(np.mean([record.epochs for record in records])),
        num_mentions=len(next(iter(values.values()))),
        flags=(*run_flags(plan, runs, seconds, wall, budget_s), *origin_flags(runs)),
        processor_s=median(used) if used else None,
        cost_flags=tuple(cost_flags(runs)),
    )


def _compared(plan: Plan, cell: ComparisonCell, tests: Contrasts, key: tuple[str, str], theirs: Sequence[int]) -> ComparisonCell:
    """Add the difference from the reference, and say so where it is not over all seeds that are shown."""
    if key[0] in ("", plan.matrix.reference):
        return cell
    flags = pairing_flag(_reference_label(plan), cell.seeds, theirs, tests.seeds.get(key, ()))
    return replace(cell, differences=tests.found.get(key, {}), flags=(*cell.flags, *flags))


def _mean_cell(plan: Plan, cells: Mapping[str, ComparisonCell]) -> ComparisonCell | None:
    """Average data sets seed by seed, over the seeds that all of them have; None if there are none, one data set, or not all."""
    if not len(cells) == len(plan.matrix.data) > 1:
        return None
    seeds = [seed for seed in next(iter(cells.values())).seeds if all(seed in cell.seeds for cell in cells.values())]
    if not seeds:
        return None
    runs = {
        metric: tuple(float(np.mean([cell.runs[metric][cell.seeds.index(seed)] for cell in cells.values()])) for seed in seeds)
        for metric in METRICS
    }
    scores = {metric: t_interval(metric, values) for metric, values in runs.items()}
    flagged = [plan.matrix.data[name].label or name for name, cell in cells.items() if cell.flags]
    flags = (f"averages figures with notes of their own: {', '.join(flagged)}",) if flagged else ()
    return ComparisonCell(scores, runs, tuple(seeds), num_mentions=sum(cell.num_mentions for cell in cells.values()), flags=flags)


def _untrained_row(plan: Plan, found: Found, budget: Budget, ranks: Mapping[tuple[str, str, int], RankTable]) -> ComparisonRow:
    """Return the row of the reference's untrained model: what training adds to."""
    cells = {}
    for name in plan.matrix.data:
        runs = found.of(budget, name, plan.matrix.reference)
        if runs:
            values = [ranks[name, plan.matrix.reference, run.cell.seed].zero_shot for run in runs]
            scores, by_run = _scores(values)
            if all(len(set(column)) == 1 for column in by_run.values()):
                scores = {metric: Interval(interval.value) for metric, interval in scores.items()}  # no seed, no chance
            cells[name] = ComparisonCell(scores, by_run, tuple(run.cell.seed for run in runs), num_mentions=len(values[0]))
    mean = _mean_cell(plan, cells)
    if mean is not None and all(cell.scores["h_at_1"].low is None for cell in cells.values()):
        plain = {metric: Interval(interval.value) for metric, interval in mean.scores.items()}
        mean = ComparisonCell(plain, mean.runs, mean.seeds, num_mentions=mean.num_mentions)
    return ComparisonRow("", "untrained", "", cells, mean)


def _curves(plan: Plan, found: Found) -> list[CurveSeries]:
    """Average the learning curves of the seeds, epoch by epoch."""
    series = []
    for data in plan.matrix.data:
        for key, system in plan.matrix.systems.items():
            curves = [read_curve(run.folder, run.record.zero_shot) for run in found.of("updates", data, key)]
            length = min((len(curve) for curve in curves), default=0)
            if not length:
                continue
            mean = np.mean([np.array(curve[:length], np.float64) for curve in curves], axis=0).T
            updates, seconds, h_at_1, mrr = (tuple(float(value) for value in column) for column in mean)
            series.append(CurveSeries(data, key, system.label or key, system.group or "", updates, seconds, h_at_1, mrr))
    return series
