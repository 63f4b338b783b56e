"""From finished runs to tables, tests and curves."""

from collections.abc import Callable, Mapping, Sequence
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
    Difference,
    Interval,
    PublishedFigures,
    contrast,
    metric_values,
    t_interval,
)
from pgmel.workflows.compare.found import Found, Run, count_states
from pgmel.workflows.compare.matrix import Budget
from pgmel.workflows.compare.plan import Plan
from pgmel.workflows.compare.record import RankTable, read_curve, read_ranks
from pgmel.workflows.compare.single import RANKS_FILE
from pgmel.workflows.compare.wall import WallPlan, reference_time, wall_flags

__all__ = ["FLIPS", "RESAMPLES", "RankSource", "dev_ranks", "summarise"]

RankSource = Callable[[Run], RankTable]
"""Gives the per-mention ranks of a run: those on dev, or those on test."""

RESAMPLES: Final = 10_000
"""Bootstrap resamples behind intervals of differences."""

FLIPS: Final = 100_000
"""Sign flips behind p-values: corrected for a hundred comparisons, the least one is still 0.001."""

_SEED: Final = 0
"""Of the bootstrap and the sign flips: the same runs give the same tables."""

_TITLES: Final[Mapping[Budget, str]] = {"updates": "Equal updates", "wall": "Equal wall time"}

_LEADS: Final[Mapping[Budget, str]] = {
    "updates": "On each data set every system takes the same number of discriminator updates; patience is off. They differ in time.",
    "wall": "Each system gets as many epochs as come nearest to the reference's training time under equal updates; evaluation is not "
    "counted.",
}

_NOTES: Final = (
    "H@1 and MRR rank the gold entity against the whole KB (or the candidate lists, where the settings ask for them), ties realistic. "
    "Each run counts with the weights of its best dev epoch, the untrained model among them.",
    "The interval of a mean is a t interval over seeds: it says how well the mean over these seeds stands for the system on these "
    "mentions. It does not say what other mentions would give.",
    "Tests average a system's seeds for each mention first, then compare mention by mention: p-values come from flipping the signs of "
    "whole sentences' differences, intervals of differences from resampling whole sentences. They say what other mentions of the same "
    "kind would give for these very runs. They do not cover the choice of seeds.",
    "The mean over data sets gives each data set the same weight, however many mentions it has; its test flips and resamples within "
    "data sets.",
    "Seconds are those of training steps, with refreshed tables, pools and neighbour lists; evaluation on dev and what is prepared once "
    "before training (encoding, projection, first pools and lists) are not counted.",
    "p-values are corrected by Holm's method for all comparisons of their table; the two budgets are two families.",
)

_DEV_NOTE: Final = (
    "Dev chose the best epoch of every run, and whoever designed the systems looked at it: figures on it are slightly too good for all."
)
_TEST_NOTE: Final = "Nothing was chosen on test: training and the choice of epochs saw train and dev only."


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
    tables = [_table(plan, kept, budget, wall, ranks_of, resamples, flips) for budget in matrix.budgets]
    said = [*cautions, *odd, *(f"failed: {failure}" for failure in failures), *_mixtures(kept)]
    said += [f"left out, since what it depends on has changed: {cell.name} ({changes})" for cell, changes in found.outdated]
    return Comparison(
        title=matrix.title,
        summary=matrix.summary,
        split=split,
        reference=matrix.reference,
        reference_label=matrix.systems[matrix.reference].label or matrix.reference,
        data={name: entry.label or name for name, entry in matrix.data.items()},
        tables=tuple(tables),
        curves=tuple(_curves(plan, kept)) if split != "test" else (),
        published=tuple(PublishedFigures(**row.model_dump()) for row in matrix.published),
        progress=count_states(found, failures),
        notes=(*_NOTES, _TEST_NOTE if split == "test" else _DEV_NOTE),
        cautions=tuple(said),
        facts=facts or {},
    )


def _on_same_mentions(plan: Plan, found: Found) -> tuple[Found, list[str]]:
    """Leave out runs that were measured on other mentions than the reference's: they cannot be paired."""
    kept = Found({budget: [] for budget in found.runs}, found.missing, found.outdated)
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
                differences = tests.found.get((key, name), {})
                kept = wall.get(name, {}).get(key) if budget == "wall" else None
                references = [run.record for run in found.of("updates", name, matrix.reference)]
                cells[name] = _cell(plan, runs, values, differences, kept, reference_time(references) if kept is not None else 0.0)
        mean = _mean_cell(cells, tests.found.get((key, MEAN), {})) if len(cells) == len(matrix.data) > 1 else None
        rows.append(ComparisonRow(key, system.label or key, system.group or "", cells, mean))
    return ComparisonTable(
        budget=budget,
        title=_TITLES[budget],
        lead=_LEADS[budget],
        rows=tuple(row for row in rows if row.cells),
        num_comparisons=tests.num_comparisons,
        family=_family(plan, tests),
    )


def _family(plan: Plan, tests: Contrasts) -> str:
    label = plan.matrix.systems[plan.matrix.reference].label or plan.matrix.reference
    systems = len({system for system, _ in tests.found})
    where = "on each data set and on the mean over data sets" if any(name == MEAN for _, name in tests.found) else "on each data set"
    return (
        f"The family that p-values are corrected for: all {tests.num_comparisons} comparisons of this table, {systems} "
        f"system{'s' * (systems != 1)} against {label}, {where}, by H@1 and by MRR."
    )


def _data_ranks(systems: Mapping[str, object], data: str, ranks: Mapping[tuple[str, str, int], RankTable]) -> DataRanks | None:
    found = {key: [table for (name, system, _), table in ranks.items() if (name, system) == (data, key)] for key in systems}
    found = {key: tables for key, tables in found.items() if tables}
    if not found:
        return None
    groups = next(iter(found.values()))[0].groups
    return DataRanks({key: [table.trained for table in tables] for key, tables in found.items()}, groups)


def _scores(values: Sequence[npt.NDArray[np.float64]]) -> tuple[dict[str, Interval], dict[str, tuple[float, ...]]]:
    """Return the mean over runs with its interval, and the values of the runs, per metric."""
    by_run = np.array([metric_values(ranks).mean(axis=0) for ranks in values])
    runs = {metric: tuple(float(value) for value in column) for metric, column in zip(METRICS, by_run.T, strict=True)}
    return {metric: t_interval(metric, column) for metric, column in runs.items()}, runs


def _cell(
    plan: Plan,
    runs: Sequence[Run],
    values: Mapping[int, npt.NDArray[np.float64]],
    differences: Mapping[str, Difference],
    wall: WallPlan | None,
    budget_s: float,
) -> ComparisonCell:
    scores, by_run = _scores(list(values.values()))
    records = [run.record for run in runs]
    seconds = float(np.mean([record.seconds for record in records]))
    flags = [runs[0].cell.own_budget] if runs[0].cell.own_budget else []
    wanted = len({cell.seed for cell in plan.cells if (cell.data, cell.system) == (runs[0].cell.data, runs[0].cell.system)})
    if len(runs) < wanted:
        flags.append(f"{len(runs)} of {wanted} seeds")
    if wall is not None:
        flags += wall_flags(seconds, wall, budget_s)
    return ComparisonCell(
        scores=scores,
        runs=by_run,
        seeds=tuple(values),
        differences=differences,
        seconds=seconds,
        updates=float(np.mean([record.updates for record in records])),
        epochs=float(np.mean([record.epochs for record in records])),
        num_mentions=len(next(iter(values.values()))),
        flags=tuple(flags),
    )


def _mean_cell(cells: Mapping[str, ComparisonCell], differences: Mapping[str, Difference]) -> ComparisonCell | None:
    """Average data sets seed by seed, over the seeds that all of them have."""
    seeds = [seed for seed in next(iter(cells.values())).seeds if all(seed in cell.seeds for cell in cells.values())]
    if not seeds:
        return None
    runs = {
        metric: tuple(float(np.mean([cell.runs[metric][cell.seeds.index(seed)] for cell in cells.values()])) for seed in seeds)
        for metric in METRICS
    }
    scores = {metric: t_interval(metric, values) for metric, values in runs.items()}
    return ComparisonCell(scores, runs, tuple(seeds), differences, num_mentions=sum(cell.num_mentions for cell in cells.values()))


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
    mean = _mean_cell(cells, {}) if len(cells) == len(plan.matrix.data) > 1 else None
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


def _mixtures(found: Found) -> list[str]:
    """Say where runs were made under conditions that differ."""
    records = [run.record for runs in found.runs.values() for run in runs]
    said = []
    if len({record.code for record in records}) > 1:
        said.append("the runs were made by different states of the code; delete the older ones and run again for a clean table")
    if len({(record.jobs, record.threads) for record in records}) > 1:
        said.append("the runs were made with different numbers of processes or threads: their seconds are not comparable")
    if len({record.fingerprint for record in records}) > len({record.data for record in records}):
        said.append("the files of a data set changed between runs")
    return said
