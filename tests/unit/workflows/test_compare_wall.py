"""Equal wall time."""

import pytest

from pgmel.errors import DataError
from pgmel.settings import Settings
from pgmel.workflows.compare import Cell
from pgmel.workflows.compare.record import PhaseTime, RunRecord
from pgmel.workflows.compare.wall import is_current, plan_wall, wall_cell, wall_flags


def record(system: str, seed: int, pretrain: float, game: float, epochs: int = 4, policy: float = 0.0) -> RunRecord:
    phases = {"pretrain_discriminator": PhaseTime(1, pretrain), "adversarial": PhaseTime(epochs, game)}
    phases |= {"pretrain_generator": PhaseTime(1, policy)} if policy else {}
    settings = {"seed": seed, "negatives": {"sampler": system}}
    scores = {"h_at_1": 0.5, "mrr": 0.5}
    return RunRecord("d", system, "updates", seed, settings, "f", "m", 3, 10, 5, scores, scores, phases, 1, 1, {}, "c", "now")


REFERENCE = [record("generator", seed, 2.0, game, policy=3.0) for seed, game in enumerate((8.0, 16.0, 12.0))]


def test_epochs_fill_the_reference_s_time() -> None:
    # 17 s of the reference (median), less 1 s of pretraining, at 0.5 s an epoch
    plan = plan_wall([record("uniform", seed, 1.0, 2.0) for seed in range(3)], REFERENCE)
    assert (plan.budget_s, plan.fixed_s, plan.epoch_s, plan.epochs) == (17.0, 1.0, 0.5, 32)
    assert plan.planned_s == 17.0


def test_one_slow_run_does_not_decide() -> None:
    runs = [record("uniform", 0, 1.0, 2.0), record("uniform", 1, 9.0, 200.0), record("uniform", 2, 1.0, 2.0)]
    assert plan_wall(runs, REFERENCE).epochs == 32


def test_a_system_dearer_than_the_reference_gets_fewer_epochs_but_one_at_least() -> None:
    assert plan_wall([record("hardest", 0, 1.0, 32.0)], REFERENCE).epochs == 2
    assert plan_wall([record("hardest", 0, 1.0, 400.0)], REFERENCE).epochs == 1


def test_the_reference_keeps_its_epochs() -> None:
    assert plan_wall(REFERENCE, REFERENCE).epochs == 4


def test_a_kept_plan_holds_for_the_runs_it_was_measured_in() -> None:
    runs = [record("uniform", 0, 1.0, 2.0)]
    plan = plan_wall(runs, REFERENCE)
    assert is_current(plan, [record("uniform", 0, 1.5, 9.0)], REFERENCE)  # the same run, timed again
    assert not is_current(plan, [*runs, record("uniform", 1, 1.0, 2.0)], REFERENCE)
    assert not is_current(plan, [], REFERENCE)
    assert not is_current(plan, runs, [])


@pytest.mark.parametrize(("seconds", "flagged"), [(17.0, False), (18.6, False), (15.4, False), (18.8, True), (15.2, True)])
def test_a_time_more_than_a_tenth_off_is_flagged(seconds: float, flagged: bool) -> None:
    plan = plan_wall([record("uniform", seed, 1.0, 2.0) for seed in range(3)], REFERENCE)
    flags = wall_flags(seconds, plan, 17.0)
    assert len(flags) == flagged
    assert not flagged or "whole epochs" in flags[0]


def test_a_time_that_was_right_once_is_flagged_by_what_it_was_set_for() -> None:
    plan = plan_wall([record("uniform", seed, 1.0, 2.0) for seed in range(3)], REFERENCE)
    [flag] = wall_flags(17.0, plan, 34.0)
    assert flag.startswith("trained 17.0 s instead of 34.0 s: its epochs were set when the reference took 17.0 s")


def test_the_cell_takes_over_the_epochs() -> None:
    plan = plan_wall([record("uniform", 0, 1.0, 2.0)], REFERENCE)
    cell = wall_cell(Cell("d", "uniform", 0, "updates", Settings()), plan)
    assert (cell.budget, cell.settings.training.epochs) == ("wall", 32)


def test_without_runs_there_is_no_plan() -> None:
    with pytest.raises(DataError, match="needs finished runs"):
        plan_wall([], REFERENCE)
