"""The whole comparison: plan, run what is missing, and keep the tables up to date."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, final

from pgmel.datasets.demo import write_demo
from pgmel.errors import DataError, PgmelError, SettingError
from pgmel.evaluation import Comparison
from pgmel.files import find_obstacle, hash_json
from pgmel.linking import package_versions
from pgmel.progress import Bar, progress_bar
from pgmel.training import TrainingInterruptedError
from pgmel.version import __version__
from pgmel.workflows.compare.alone import alone
from pgmel.workflows.compare.fingerprint import Fingerprint, fingerprint_data
from pgmel.workflows.compare.found import Found, Verdict, count_states, find_runs, judge
from pgmel.workflows.compare.matrix import read_matrix
from pgmel.workflows.compare.outputs import write_comparison
from pgmel.workflows.compare.plan import Cell, Plan, make_plan
from pgmel.workflows.compare.pool import Outcome, run_tasks
from pgmel.workflows.compare.record import portable
from pgmel.workflows.compare.single import Task
from pgmel.workflows.compare.splits import check_splits
from pgmel.workflows.compare.summary import FLIPS, RESAMPLES, summarise
from pgmel.workflows.compare.testing_split import check_test, evaluate_test, read_occasions
from pgmel.workflows.compare.wall import WallPlan, is_current, plan_wall, read_wall, wall_cell, write_wall

__all__ = ["CompareResult", "RunsFailedError", "compare"]

log = logging.getLogger("pgmel.workflows")

_INTERIM_DRAWS: Final = 2_000
"""Resamples and sign flips behind tables that are written while runs go on."""

_WRITING_SHARE: Final = 0.1
"""Writing tables in between may take so much of the time."""


class RunsFailedError(PgmelError):
    """Some runs of a comparison failed; the others are finished, and the tables are written."""


class CompareResult(NamedTuple):
    """What a comparison found.

    Attributes:
        comparison: Tables, tests and curves.
        files: What was written.
        failures: Names and reasons of failed runs.
    """

    comparison: Comparison
    files: tuple[Path, ...]
    failures: tuple[str, ...]


def compare(
    file: Path,
    out: Path,
    data_root: Path | None = None,
    *,
    jobs: int = 1,
    only: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    overrides: Sequence[str] = (),
    report_only: bool = False,
    test: bool = False,
    again: bool = False,
    show_progress: bool = True,
) -> CompareResult:
    """Run a matrix of systems x data sets x seeds, as far as it is not finished, and write tables, tests and curves.

    Args:
        file: The matrix file.
        out: Folder for the runs and the tables.
        data_root: Folder that the data sets' paths are relative to.
        jobs: Processes side by side.
        only: Patterns ``SYSTEM/DATA`` of the cells to run.
        seeds: Seeds instead of the matrix's own.
        overrides: Settings that go before all others.
        report_only: Run nothing, and write the tables of what is there.
        test: Evaluate the finished runs on the test split instead of running anything.
        again: Do so though it was done before.
        show_progress: Whether to show bars.

    Raises:
        SettingError: If matrix, settings or data sets are wrong; nothing was started then.
        TrainingInterruptedError: On Ctrl-C; the same call goes on.
    """
    matrix = read_matrix(file)
    plan = make_plan(matrix, file, data_root, only=only, seeds=seeds, overrides=overrides, need_data=not report_only)
    if jobs < 1:
        raise SettingError(f"--jobs must be at least 1, got {jobs}")
    if test and report_only:
        raise SettingError("--test and --report-only exclude each other")
    if obstacle := find_obstacle(out / "runs"):
        raise SettingError(f"--out {out} cannot be written: {obstacle}; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        job = _Job(plan, file, out, data_root, jobs, show_progress)
        if test:
            return job.test(again, _asked(file, only, seeds, overrides))
        if not report_only:
            job.run()
        return job.report()


def _asked(file: Path, only: Sequence[str], seeds: Sequence[int] | None, overrides: Sequence[str]) -> list[str]:
    """Return what was asked for as it is written on the command line."""
    options = [("--only", pattern) for pattern in only] + [("--set", text) for text in overrides]
    options += [("--seeds", ",".join(map(str, seeds)))] if seeds is not None else []
    return [str(file), *(part for option in options for part in option)]


@final
@dataclass
class _Job:
    """A comparison at work."""

    plan: Plan
    file: Path
    out: Path
    data_root: Path | None
    jobs: int
    show_progress: bool
    folders: dict[str, Path] = field(default_factory=dict)
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    wall: dict[str, dict[str, WallPlan]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    running: set[tuple[str, str]] = field(default_factory=set)
    written_at: float = 0.0
    writing_s: float = 0.0

    def __post_init__(self) -> None:
        self.wall = {data: dict(plans) for data, plans in read_wall(self.out).items()}

    def run(self) -> None:
        """Run all cells that are not finished."""
        self._look_at_data()
        tasks = self._first_tasks()
        check_splits(tasks, self.file)
        found = self._find()
        later = " Those under equal wall time follow when their epochs are known." if "wall" in self.plan.matrix.budgets else ""
        log.info("%s; %d to do now.%s", count_states(found, ()), len(tasks), later)
        try:
            done, total = self._count(found)
            with progress_bar("comparing", total, unit="runs", done=done, show=self.show_progress) as bar:
                run_tasks(tasks, self.jobs, lambda outcome: self._note(outcome, bar), self.show_progress)
        except (TrainingInterruptedError, KeyboardInterrupt):
            self._write(_INTERIM_DRAWS)
            state = count_states(self._find(), tuple(self.failures))
            raise TrainingInterruptedError(
                f"stopped: {state}. What was begun stands at a checkpoint; run the same command again to go on. Tables so far: "
                f"{self.out / 'comparison.md'}"
            ) from None

    def report(self) -> CompareResult:
        """Write the tables."""
        comparison, files = self._write(None)
        return CompareResult(comparison, tuple(files), tuple(f"{name}: {reason}" for name, reason in self.failures.items()))

    def test(self, again: bool, asked: Sequence[str]) -> CompareResult:
        """Evaluate on test, and write its tables; ``asked`` goes on record."""
        self._look_at_data()
        found = self._find()
        check_test(self.out, found, self.folders, again)
        ranks_of = evaluate_test(self.out, found, self.folders, asked, self.show_progress)
        occasions = read_occasions(self.out)
        cautions = [f"the test split was evaluated {len(occasions)} times"] * (len(occasions) > 1)
        comparison = summarise(self.plan, found, self.wall, ranks_of=ranks_of, split="test", cautions=cautions, facts=self._facts())
        return CompareResult(comparison, tuple(write_comparison(self.out, comparison, "comparison-test")), ())

    def _look_at_data(self) -> None:
        """Find the folders of the data sets, and take their fingerprints."""
        needed = {data for _, data in self.plan.chosen}
        for name, folder in self.plan.folders.items():
            if folder is None and not (self.out / "demo" / "about.json").exists():
                write_demo(self.out / "demo")
            self.folders[name] = folder or self.out / "demo"
            if name in needed:
                self.fingerprints[name] = fingerprint_data(self.folders[name])

    def _find(self) -> Found:
        return find_runs(self.plan, self.out, self.data_root, self.wall, self.fingerprints)

    def _first_tasks(self) -> list[Task]:
        tasks = self._unfinished(self.plan.to_run())
        self.running = {(task.cell.data, task.cell.name) for task in tasks}
        ready = [data for data in self.plan.matrix.data if not any(name == data for name, _ in self.running)]
        return tasks + [task for data in ready for task in self._wall_tasks(data)]

    def _unfinished(self, cells: Sequence[Cell]) -> list[Task]:
        """Return the cells that have to be run, and say of those that were run before why."""
        verdicts = [(cell, self._judge(cell)) for cell in cells]
        for cell, verdict in verdicts:
            if verdict.changes:
                log.warning("%s was run with other settings and is run again: %s", cell.name, verdict.changes)
            if verdict.damage:
                log.warning("%s is damaged and is run again: %s", cell.name, verdict.damage)
        return [self._task(cell) for cell, verdict in verdicts if verdict.record is None]

    def _judge(self, cell: Cell) -> Verdict:
        return judge(cell, cell.folder(self.out), self.data_root, self.fingerprints.get(cell.data))

    def _task(self, cell: Cell) -> Task:
        settings = portable(cell.settings, self.data_root)
        threads = cell.settings.training.threads or max(1, min(4, os.cpu_count() or 1) // self.jobs)
        return Task(
            cell,
            self.folders[cell.data],
            cell.folder(self.out),
            self.fingerprints[cell.data].of(cell.settings),
            settings,
            self.jobs,
            threads,
        )

    def _note(self, outcome: Outcome, bar: Bar) -> list[Task]:
        """Take down how a run ended; return those that it made possible."""
        cell = outcome.task.cell
        if outcome.reason:
            self.failures[cell.name] = outcome.reason
            log.warning("%s failed: %s", cell.name, outcome.reason)
        else:
            self.failures.pop(cell.name, None)
        bar.advance()
        bar.describe(f"comparing, last {cell.name}")
        more: list[Task] = []
        if cell.budget == "updates":
            self.running.discard((cell.data, cell.name))
            if not any(data == cell.data for data, _ in self.running):
                more = self._wall_tasks(cell.data)
        now = time.monotonic()
        if self.writing_s <= _WRITING_SHARE * (now - self.written_at):
            self._write(_INTERIM_DRAWS)
            self.written_at, self.writing_s = time.monotonic(), time.monotonic() - now
        return more

    def _wall_tasks(self, data: str) -> list[Task]:
        """Set the epochs of a data set's systems by the time they took; return the runs that follow."""
        if "wall" not in self.plan.matrix.budgets or data not in self.fingerprints:
            return []
        found = self._find()
        reference = [run.record for run in found.of("updates", data, self.plan.matrix.reference)]
        tasks = []
        for system in dict.fromkeys(cell.system for cell in self.plan.to_run() if cell.data == data):
            runs = [run.record for run in found.of("updates", data, system)]
            if not runs or not reference:
                missing = self.plan.matrix.reference if not reference else system
                log.warning("no wall budget for %s/%s: %s has no finished run with equal updates there", system, data, missing)
                continue
            kept = self.wall.get(data, {}).get(system)
            if kept is None or not is_current(kept, runs, reference):
                kept = plan_wall(runs, reference)
                self.wall.setdefault(data, {})[system] = kept
                write_wall(self.out, self.wall)
            twins = {cell.seed: cell for cell in self.plan.to_run() if (cell.data, cell.system) == (data, system)}
            cells = [wall_cell(twin, kept) for twin in twins.values()]
            tasks += self._unfinished([cell for cell in cells if cell.settings != twins[cell.seed].settings])
        return tasks

    def _count(self, found: Found) -> tuple[int, int]:
        """Return how many runs there are, and how many there will be at most."""
        done = {run.folder for runs in found.runs.values() for run in runs}
        cells = self.plan.to_run()
        folders = {cell.folder(self.out) for cell in cells}
        if "wall" in self.plan.matrix.budgets:
            others = [cell for cell in cells if cell.system != self.plan.matrix.reference]
            folders |= {Cell(cell.data, cell.system, cell.seed, "wall", cell.settings).folder(self.out) for cell in others}
        return len(done), len(done | folders)

    def _write(self, draws: int | None) -> tuple[Comparison, list[Path]]:
        cautions = [] if draws is None else ["written while runs go on: p-values and intervals of differences rest on few draws"]
        try:
            if occasions := read_occasions(self.out):
                date = occasions[-1]["date"]
                cautions.append(f"the test split of these runs was evaluated on {date}: what is tuned from here on knows it")
        except DataError as error:
            cautions.append(f"whether the test split of these runs was evaluated cannot be told: {error}")
        failures = [f"{name}: {reason}" for name, reason in self.failures.items()]
        comparison = summarise(
            self.plan,
            self._find(),
            self.wall,
            failures=failures,
            cautions=cautions,
            facts=self._facts(),
            resamples=draws or RESAMPLES,
            flips=draws or FLIPS,
        )
        return comparison, write_comparison(self.out, comparison)

    def _facts(self) -> Mapping[str, str]:
        versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
        return {
            "matrix": f"{self.file.name} ({hash_json(self.plan.matrix.model_dump(mode='json'))[:12]})",
            "pgmel": __version__,
            "versions": versions,
            "processor cores": str(os.cpu_count()),
        }
