"""What to know about a cell of the tables before comparing it."""

from collections.abc import Sequence
from typing import Final

from pgmel.workflows.compare.found import Run
from pgmel.workflows.compare.plan import Plan
from pgmel.workflows.compare.wall import WallPlan, wall_flags

__all__ = ["cost_flags", "kept_from_pretraining", "origin_flags", "pairing_flag", "run_flags"]

_BUSY: Final = 1.3
"""Training that takes so many times its processor time was kept waiting."""


def run_flags(plan: Plan, runs: Sequence[Run], seconds: float, wall: WallPlan | None, budget_s: float) -> list[str]:
    """Say how the runs of a cell differ from what was planned for all: budget, seeds, time.

    Args:
        plan: What was asked for.
        runs: One per seed.
        seconds: Their training time, as the table shows it.
        wall: The plan of the wall budget; None under equal updates.
        budget_s: The reference's training time, as the table shows it.
    """
    cell = runs[0].cell
    flags = [cell.own_budget] if cell.own_budget else []
    wanted = len({one.seed for one in plan.cells if (one.data, one.system) == (cell.data, cell.system)})
    if len(runs) < wanted:
        flags.append(f"{len(runs)} of {wanted} seeds")
    return flags if wall is None else flags + wall_flags(seconds, wall, budget_s)


def kept_from_pretraining(run: Run) -> bool:
    """Whether the best dev epoch lies in pretraining by another rule than the system's own, which therefore had no part in the figures."""
    settings, record = run.cell.settings, run.record
    return (
        settings.training.epochs > 0
        and settings.pretrain_sampler != settings.negatives.sampler
        and 0 < record.best_updates <= record.pretrain_updates
    )


def origin_flags(runs: Sequence[Run]) -> list[str]:
    """Say in how many seeds the weights that were kept come from before the game."""
    kept = [run for run in runs if kept_from_pretraining(run)]
    untrained = sum(run.record.best_updates == 0 < run.record.updates for run in runs)
    flags = []
    if kept:
        rule = kept[0].cell.settings.pretrain_sampler
        flags.append(f"kept from pretraining in {_of(len(kept), runs)}: its negatives are those of {rule}, not the system's own")
    if untrained:
        flags.append(f"kept untrained in {_of(untrained, runs)}: no epoch of training made dev better")
    return flags


def pairing_flag(reference: str, seeds: Sequence[int], theirs: Sequence[int], paired: Sequence[int]) -> list[str]:
    """Say over which seeds a system was compared with the reference, where that is not all that are shown.

    Args:
        reference: Name of the reference.
        seeds: Those of the system.
        theirs: Those of the reference; none if it was not run.
        paired: Those that the difference is taken over.
    """
    if not theirs or set(seeds) == set(theirs) == set(paired):
        return []
    if not paired:
        return [f"not compared with {reference}: no seed in common"]
    named = f"seed {paired[0]}, the only one" if len(paired) == 1 else f"the {len(paired)} seeds ({', '.join(map(str, paired))})"
    return [f"its difference from {reference} is taken over {named} that both have"]


def cost_flags(runs: Sequence[Run]) -> list[str]:
    """Say in how many seeds training was kept waiting: its seconds then say more of the machine than of the system."""
    records = [run.record for run in runs]
    busy = sum(record.processor_s is not None and record.seconds > _BUSY * record.processor_s for record in records)
    if not busy:
        return []
    return [
        f"training took more than {_BUSY} times its processor time in {_of(busy, runs)}: the machine was busy, or a device or disk was "
        "waited for, so do not compare these seconds"
    ]


def _of(count: int, runs: Sequence[Run]) -> str:
    return f"{count} of {len(runs)} seed{'s' * (len(runs) != 1)}"
