"""Phases, batches and step lengths as functions of the step's number."""

import itertools
import math

import pytest
import torch

from pgmel.training import Schedule
from pgmel.training.schedule import batch_rows, learning_rate_factor, rng_for

PLAIN = Schedule(num_mentions=10, batch_size=4, pretrain_discriminator=2, pretrain_generator=1, adversarial=2)


def with_bound(bound: int) -> Schedule:
    return Schedule(10, 4, 2, 1, 2, bound)


def test_phases_follow_one_another_in_whole_epochs() -> None:
    assert PLAIN.total == 15
    stands = [PLAIN.at(step) for step in range(15)]
    assert [stand.phase for stand in stands] == ["pretrain_discriminator"] * 6 + ["pretrain_generator"] * 3 + ["adversarial"] * 6
    assert [stand.epoch for stand in stands] == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    assert [stand.position for stand in stands] == [0, 1, 2] * 5
    assert [stand.last for stand in stands] == [False, False, True] * 5


@pytest.mark.parametrize("bound", range(1, 18))
def test_a_bound_cuts_the_steps_and_the_last_one_ends_an_epoch(bound: int) -> None:
    schedule = with_bound(bound)
    assert schedule.total == min(bound, 15)
    assert schedule.at(schedule.total - 1).last
    assert [schedule.at(step)[:3] for step in range(schedule.total)] == [PLAIN.at(step)[:3] for step in range(schedule.total)]


@pytest.mark.parametrize("bound", [None, *range(1, 18)])
def test_the_discriminators_steps_are_numbered_without_gaps_up_to_their_total(bound: int | None) -> None:
    schedule = with_bound(bound)
    learning = [step for step in range(schedule.total) if schedule.at(step).phase != "pretrain_generator"]
    assert [schedule.discriminator_step(step) for step in learning] == list(range(len(learning)))
    assert schedule.discriminator_total == len(learning)


@pytest.mark.parametrize("bound", [None, 2, 7, 11, 15])
def test_the_step_length_comes_down_at_the_end_wherever_that_is(bound: int | None) -> None:
    schedule = with_bound(bound)
    learning = [step for step in range(schedule.total) if schedule.at(step).phase != "pretrain_generator"]
    factors = [learning_rate_factor(schedule.discriminator_step(step), schedule.discriminator_total, 0.1) for step in learning]
    assert factors[-1] == min(factors[1:] or factors)
    # One step further and it would be zero.
    assert learning_rate_factor(schedule.discriminator_total, schedule.discriminator_total, 0.1) == pytest.approx(0.0, abs=1e-9)


def test_every_epoch_shows_every_mention_once_in_an_order_of_its_own() -> None:
    epochs = [torch.cat([batch_rows(PLAIN, step, seed=3) for step in range(first, first + 3)]) for first in range(0, 15, 3)]
    assert all(sorted(epoch.tolist()) == list(range(10)) for epoch in epochs)
    assert all(not torch.equal(one, other) for one, other in itertools.combinations(epochs, 2))
    assert [len(batch_rows(PLAIN, step, seed=3)) for step in range(3)] == [4, 4, 2]


def test_batches_depend_on_seed_and_step_alone() -> None:
    torch.manual_seed(1)
    one = batch_rows(PLAIN, 7, seed=3)
    torch.manual_seed(2)
    assert torch.equal(one, batch_rows(PLAIN, 7, seed=3))
    assert not torch.equal(one, batch_rows(PLAIN, 7, seed=4))


def test_sources_of_chance_differ_by_seed_stream_and_number() -> None:
    draws = {
        tuple(torch.rand(3, generator=rng_for(seed, stream, number)).tolist())
        for seed in (0, 1, 2**31 - 1)
        for stream in (0, 1, 2)
        for number in (0, 1, 10**6)
    }
    assert len(draws) == 27


def test_no_mentions_mean_no_steps() -> None:
    assert Schedule(0, 4, 1, 1, 1).total == 0


@pytest.mark.parametrize("warmup", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("total", [1, 2, 40])
def test_the_step_length_rises_to_its_peak_and_falls_along_half_a_cosine(total: int, warmup: float) -> None:
    factors = [learning_rate_factor(step, total, warmup) for step in range(total)]
    rise = max(1, round(warmup * total))
    assert factors[:rise] == pytest.approx([(step + 1) / rise for step in range(rise)])
    assert factors[rise:] == pytest.approx([0.5 + 0.5 * math.cos(math.pi * step / (total - rise)) for step in range(total - rise)])
    assert max(factors) == 1
    assert min(factors) > 0


@pytest.mark.parametrize(("bound", "last"), [(None, 14), (12, 11), (10, 9)])
def test_the_adversarial_phase_is_measured_from_its_first_step_to_its_last(bound: int | None, last: int) -> None:
    schedule = PLAIN if bound is None else with_bound(bound)
    shares = [schedule.adversarial_share(step) for step in range(last + 1)]
    assert shares[:10] == [0.0] * 10
    assert shares[9:] == pytest.approx([step / max(1, last - 9) for step in range(last - 8)])


def test_a_schedule_without_an_adversarial_phase_never_enters_it() -> None:
    assert {Schedule(10, 4, 2, 1, 0).adversarial_share(step) for step in range(9)} == {0.0}
