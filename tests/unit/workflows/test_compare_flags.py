"""What tables say of single figures: where the weights come from, which seeds are compared, whether the machine was busy."""

from pathlib import Path
from typing import Any

import pytest

from pgmel.settings import read_settings
from pgmel.workflows.compare import Cell
from pgmel.workflows.compare.flags import cost_flags, kept_from_pretraining, origin_flags, pairing_flag
from pgmel.workflows.compare.found import Run
from pgmel.workflows.compare.record import PhaseTime, RunRecord

SCORES = {"h_at_1": 0.5, "mrr": 0.5}
POLICY = ("negatives.sampler=kbgan",)


def run(
    best: int = 400, overrides: tuple[str, ...] = POLICY, game: int = 3, seconds: float = 8.0, used: float | None = None, seed: int = 0
) -> Run:
    """One epoch of pretraining with 100 updates, and ``game`` epochs as long."""
    settings = read_settings(None, [*overrides, f"training.epochs={game}", "training.pretrain_epochs=1"])
    halves = None if used is None else used / 2
    phases = {"pretrain_discriminator": PhaseTime(1, seconds / 2, halves), "pretrain_generator": PhaseTime(1, 0.0, 0.0)}
    phases |= {"adversarial": PhaseTime(game, seconds / 2, halves)} if game else {}
    updates = 100 * (1 + game)
    record = RunRecord("d", "s", "updates", seed, {}, "f", "m", 3, updates, best, SCORES, SCORES, phases, 1, 1, {}, "c", "now")
    return Run(Cell("d", "s", seed, "updates", settings), Path(), record)


@pytest.mark.parametrize(
    ("best", "overrides", "kept"),
    [
        (100, POLICY, True),
        (50, POLICY, True),
        (101, POLICY, False),
        (400, POLICY, False),
        (0, POLICY, False),
        (100, ("negatives.sampler=uniform",), False),  # pretraining draws by the system's own rule
        (100, ("negatives.sampler=uniform", "training.pretrain_sampler=softmax"), True),
        (100, (*POLICY, "training.pretrain_sampler=hardest"), True),
    ],
)
def test_a_best_epoch_in_pretraining_by_another_rule_is_not_the_system_s(best: int, overrides: tuple[str, ...], kept: bool) -> None:
    assert kept_from_pretraining(run(best, overrides)) == kept


def test_a_system_without_a_game_is_its_pretraining() -> None:
    assert not kept_from_pretraining(run(100, ("negatives.sampler=uniform", "training.pretrain_sampler=softmax"), game=0))


def test_it_is_said_in_how_many_seeds_and_by_which_rule() -> None:
    flags = origin_flags([run(100), run(100), run(300)])
    assert flags == ["kept from pretraining in 2 of 3 seeds: its negatives are those of softmax, not the system's own"]
    assert origin_flags([run(300), run(400)]) == []


def test_weights_that_no_training_made_better_are_told() -> None:
    assert origin_flags([run(0)]) == ["kept untrained in 1 of 1 seed: no epoch of training made dev better"]


@pytest.mark.parametrize(
    ("seeds", "theirs", "paired", "flag"),
    [
        ((0, 1), (0, 1), (0, 1), None),
        ((1, 0), (0, 1), (1, 0), None),
        ((0, 1, 2), (0, 1), (0, 1), "its difference from R is taken over the 2 seeds (0, 1) that both have"),
        ((2,), (0, 1, 2), (2,), "its difference from R is taken over seed 2, the only one that both have"),
        ((2,), (0, 1), (), "not compared with R: no seed in common"),
        ((2,), (), (), None),
    ],
)
def test_the_seeds_that_are_compared_are_told_where_they_are_not_all(
    seeds: tuple[int, ...], theirs: tuple[int, ...], paired: tuple[int, ...], flag: str | None
) -> None:
    assert pairing_flag("R", seeds, theirs, paired) == ([] if flag is None else [flag])


@pytest.mark.parametrize(("used", "busy"), [(8.0, False), (6.2, False), (6.1, True), (30.0, False), (None, False)])
def test_training_much_longer_than_its_processor_time_is_cautioned_against(used: float | None, busy: bool) -> None:
    flags = cost_flags([run(used=used), run(used=8.0)])
    assert flags == [] if not busy else "more than 1.3 times its processor time in 1 of 2 seeds: the machine was busy" in flags[0]


def test_processor_time_is_unknown_where_one_phase_lacks_it() -> None:
    record: Any = run(used=8.0).record
    assert record.processor_s == 8.0
    assert run(used=None).record.processor_s is None
