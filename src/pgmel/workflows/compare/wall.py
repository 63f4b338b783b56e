"""Equal wall time: how many epochs each system gets so that it trains as long as the reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, final

import msgspec

from pgmel.errors import DataError
from pgmel.files import hash_json, read_json, write_json
from pgmel.workflows.compare.plan import Cell
from pgmel.workflows.compare.record import PhaseTime, RunRecord

__all__ = ["WallPlan", "is_current", "plan_wall", "read_wall", "reference_time", "wall_cell", "wall_flags", "write_wall"]

_FILE: Final = "wall.json"


@final
@dataclass(frozen=True)
class WallPlan:
    """How long a system may train on a data set, and the epochs that this comes to.

    Attributes:
        budget_s: Training seconds of the reference, evaluation not counted: the median over its runs with equal updates.
        fixed_s: Seconds of this system's pretraining, the same way.
        epoch_s: Seconds of one of its adversarial epochs.
        epochs: Adversarial epochs it gets: as many as come nearest to the budget, at least one.
        basis: Digest of the runs that this was measured in.
    """

    budget_s: float
    fixed_s: float
    epoch_s: float
    epochs: int
    basis: str

    @property
    def planned_s(self) -> float:
        """Seconds that training is expected to take."""
        return self.fixed_s + self.epochs * self.epoch_s


def plan_wall(runs: Sequence[RunRecord], reference: Sequence[RunRecord]) -> WallPlan:
    """Work out the epochs of one system on one data set.

    Args:
        runs: Its runs with equal updates, one per seed.
        reference: The reference's.

    Raises:
        DataError: If there are no runs.
    """
    if not runs or not reference:
        raise DataError("the wall budget needs finished runs with equal updates, of the system and of the reference")
    budget = reference_time(reference)
    fixed = median(run.seconds - _game(run).seconds for run in runs)
    per_epoch = median(_epoch_seconds(run) for run in runs)
    epochs = max(1, round((budget - fixed) / max(per_epoch, 1e-9)))
    if {run.digest for run in runs} == {run.digest for run in reference}:
        epochs = _game(runs[0]).epochs  # the reference itself: what it took is its budget
    return WallPlan(budget, fixed, per_epoch, epochs, _basis(runs, reference))


def wall_cell(cell: Cell, plan: WallPlan) -> Cell:
    """Return the cell with as many epochs as its wall time allows."""
    training = cell.settings.training.model_copy(update={"epochs": plan.epochs})
    return Cell(cell.data, cell.system, cell.seed, "wall", cell.settings.model_copy(update={"training": training}))


def wall_flags(seconds: float, plan: WallPlan, budget_s: float) -> list[str]:
    """Say how far a cell's time is from the reference's as it is now, and why."""
    if _is_near(seconds, budget_s):
        return []
    missed = f"trained {seconds:.1f} s instead of {budget_s:.1f} s: "
    if _is_near(plan.budget_s, budget_s):
        return [missed + "whole epochs, and times that vary, come no nearer"]
    return [missed + f"its epochs were set when the reference took {plan.budget_s:.1f} s; delete wall.json and run again to set them anew"]


def read_wall(out: Path) -> dict[str, dict[str, WallPlan]]:
    """Return the plans that a comparison kept: data set to system to plan; none if there is no usable file."""
    try:
        return msgspec.convert(read_json(out / _FILE), dict[str, dict[str, WallPlan]])
    except (DataError, msgspec.ValidationError):
        return {}


def write_wall(out: Path, plans: Mapping[str, Mapping[str, WallPlan]]) -> None:
    """Keep the plans: measured again they would differ a little, and every run under the wall budget with them."""
    value: Any = msgspec.to_builtins(plans)
    write_json(out / _FILE, value)


def is_current(plan: WallPlan, runs: Sequence[RunRecord], reference: Sequence[RunRecord]) -> bool:
    """Whether a kept plan was measured in these runs; another time of the same runs leaves it standing."""
    return plan.basis == _basis(runs, reference)


def reference_time(reference: Sequence[RunRecord]) -> float:
    """Return the training seconds that the reference took: the median over its runs with equal updates."""
    return median(run.seconds for run in reference)


def _is_near(seconds: float, budget_s: float) -> bool:
    """Whether a time is the budget but for what varies from run to run: a tenth of it."""
    return abs(seconds - budget_s) <= 0.1 * budget_s


def _game(run: RunRecord) -> PhaseTime:
    return run.phases.get("adversarial", PhaseTime(0, 0.0))


def _epoch_seconds(run: RunRecord) -> float:
    game = _game(run)
    if game.epochs:
        return game.seconds / game.epochs
    return run.seconds / max(run.epochs, 1)


def _basis(runs: Sequence[RunRecord], reference: Sequence[RunRecord]) -> str:
    return hash_json([sorted(run.digest for run in runs), sorted(run.digest for run in reference)])
