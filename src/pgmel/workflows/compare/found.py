"""Which runs of a plan are finished, which are missing, and which were made with other settings or data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, final

from pgmel.errors import DataError
from pgmel.workflows.compare.damage import check_run
from pgmel.workflows.compare.fingerprint import Fingerprint
from pgmel.workflows.compare.matrix import Budget
from pgmel.workflows.compare.plan import Cell, Plan
from pgmel.workflows.compare.record import RunRecord, changed_settings, portable, read_record
from pgmel.workflows.compare.wall import WallPlan, is_current, wall_cell

__all__ = ["Found", "Run", "Verdict", "count_states", "find_runs", "judge", "planned_cells"]


@final
@dataclass(frozen=True)
class Run:
    """A finished run that is the one asked for.

    Attributes:
        cell: What it stands for.
        folder: Where its files are; a run under ``wall`` that equals the one under ``updates`` shares its folder.
        record: What was kept.
    """

    cell: Cell
    folder: Path
    record: RunRecord


class Verdict(NamedTuple):
    """What is there of a cell.

    Attributes:
        record: Its record, if it is finished, whole and the one asked for.
        changes: What changed since, if it is not the one asked for.
        damage: What cannot be read, and why.
    """

    record: RunRecord | None
    changes: str = ""
    damage: str = ""


@final
@dataclass
class Found:
    """The runs of a plan.

    Attributes:
        runs: Budget to finished runs, in the order of the plan.
        missing: Cells that were never finished.
        outdated: Cells that were run with other settings or data, or for another time, and what changed.
        damaged: Cells whose files cannot be used any more, and which file it is; they count as never finished.
    """

    runs: dict[Budget, list[Run]] = field(default_factory=dict)
    missing: list[Cell] = field(default_factory=list)
    outdated: list[tuple[Cell, str]] = field(default_factory=list)
    damaged: list[tuple[Cell, str]] = field(default_factory=list)

    def of(self, budget: Budget, data: str, system: str) -> list[Run]:
        """Return the runs of one system on one data set, by seed."""
        return [run for run in self.runs.get(budget, []) if (run.cell.data, run.cell.system) == (data, system)]


def planned_cells(plan: Plan, wall: Mapping[str, Mapping[str, WallPlan]]) -> Iterator[Cell]:
    """Yield all cells: those under ``updates``, then those under ``wall`` whose epochs are known."""
    yield from plan.cells
    if "wall" in plan.matrix.budgets:
        for cell in plan.cells:
            known = wall.get(cell.data, {}).get(cell.system)
            if known is not None:
                yield wall_cell(cell, known)


def judge(cell: Cell, folder: Path, data_root: Path | None, fingerprint: Fingerprint | None) -> Verdict:
    """Return the record of a cell if it is finished, whole and the one asked for; else what changed or is damaged, if anything is there.

    Args:
        cell: What is asked for.
        folder: Its folder.
        data_root: Whose place does not matter.
        fingerprint: Of the data set as it is now; None if nobody looked.
    """
    try:
        record = read_record(folder)
    except DataError as error:
        return Verdict(None, damage=str(error))
    if record is None:
        return Verdict(None)
    changes = changed_settings(record.settings, portable(cell.settings, data_root))
    if fingerprint is not None and fingerprint.of(cell.settings) != record.fingerprint:
        changes.append("the data set's files")
    if changes:
        return Verdict(None, ", ".join(changes))
    try:
        check_run(folder, record)
    except DataError as error:
        return Verdict(None, damage=str(error))
    return Verdict(record)


def find_runs(
    plan: Plan, out: Path, data_root: Path | None, wall: Mapping[str, Mapping[str, WallPlan]], fingerprints: Mapping[str, Fingerprint]
) -> Found:
    """Look through the folder of a comparison.

    Runs under ``wall`` count only as long as the runs under ``updates`` that set their epochs, the reference's above all, are there.
    """
    found = Found({budget: [] for budget in plan.matrix.budgets})
    stale: dict[tuple[str, str], bool] = {}
    shared = {(cell.data, cell.system, cell.seed): cell for cell in plan.cells}
    for cell in planned_cells(plan, wall):
        twin = shared[cell.data, cell.system, cell.seed]
        folder = (twin if twin.settings == cell.settings else cell).folder(out)
        record, changes, damage = judge(cell, folder, data_root, fingerprints.get(cell.data))
        if cell.budget == "wall" and record is not None:
            pair = cell.data, cell.system
            if pair not in stale:  # runs under equal updates come first, so all of them are known by now
                stale[pair] = _is_stale(found, wall[cell.data][cell.system], plan.matrix.reference, *pair)
            if stale[pair]:
                record, changes = None, "its epochs were set by the time of other runs under equal updates than there are now"
        if record is not None:
            found.runs[cell.budget].append(Run(cell, folder, record))
        elif changes:
            found.outdated.append((cell, changes))
        elif damage:
            found.damaged.append((cell, damage))
        else:
            found.missing.append(cell)
    return found


def _is_stale(found: Found, kept: WallPlan, reference: str, data: str, system: str) -> bool:
    """Whether the epochs of a system on a data set were worked out from other runs than there are now."""
    runs, references = ([run.record for run in found.of("updates", data, name)] for name in (system, reference))
    return not is_current(kept, runs, references)


def count_states(found: Found, failures: Sequence[str]) -> str:
    """Say in words how far the runs are."""
    done = sum(len(runs) for runs in found.runs.values())
    parts = [f"{done} of {done + len(found.missing) + len(found.outdated) + len(found.damaged)} runs finished"]
    parts += [f"{len(failures)} failed"] * bool(failures)
    parts += [f"{len(found.outdated)} made with other settings, data or times"] * bool(found.outdated)
    parts += [f"{len(found.damaged)} damaged"] * bool(found.damaged)
    return ", ".join(parts)
