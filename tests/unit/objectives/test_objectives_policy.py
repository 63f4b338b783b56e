"""Drawing from a policy, baselines, and what a REINFORCE step does."""

import pytest
import torch

from pgmel.errors import SettingError
from pgmel.objectives import BASELINES, draw_distinct, draw_independent, policy_entropy, reinforce
from pgmel.objectives.policy_gradient import gumbel

INF = float("inf")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_higher_advantage_raises_that_choices_probability_after_a_step() -> None:
    logits = torch.randn(4, 5, generator=rng())
    for action in range(5):
        leaf = logits.clone().requires_grad_()
        reinforce(leaf, torch.full((4, 1), action), torch.ones(4, 1), 0.0).loss.backward()
        before = torch.softmax(logits, 1)[:, action]
        after = torch.softmax(logits - 0.5 * leaf.grad, 1)[:, action]
        assert (after > before).all()


def test_a_negative_advantage_lowers_that_choices_probability() -> None:
    leaf = torch.zeros(1, 3, requires_grad=True)
    reinforce(leaf, torch.tensor([[1]]), torch.tensor([[-1.0]]), 0.0).loss.backward()
    assert torch.softmax(-leaf.grad, 1)[0, 1] < 1 / 3


def test_of_two_choices_the_one_with_the_higher_advantage_gains() -> None:
    leaf = torch.zeros(1, 4, requires_grad=True)
    reinforce(leaf, torch.tensor([[0, 3]]), torch.tensor([[0.2, 0.9]]), 0.0).loss.backward()
    step = -leaf.grad[0]
    assert step[3] > step[0] > step[1]


def test_the_entropy_bonus_makes_the_policy_flatter() -> None:
    logits = torch.tensor([[3.0, 0.0, -1.0, -INF]])
    leaf = logits.clone().requires_grad_()
    reinforce(leaf, torch.tensor([[0]]), torch.zeros(1, 1), 1.0).loss.backward()
    assert policy_entropy(logits - leaf.grad) > policy_entropy(logits)


def test_advantages_are_detached() -> None:
    weight = torch.ones(1, requires_grad=True)
    logits = torch.zeros(1, 2, requires_grad=True)
    reinforce(logits, torch.tensor([[0]]), weight.expand(1, 1), 0.0).loss.backward()
    assert weight.grad is None


def test_masked_candidates_and_pools_without_any_get_a_zero_gradient_and_nothing_is_nan() -> None:
    raw = torch.randn(3, 4, generator=rng()).requires_grad_()
    mask = torch.tensor([[True, False, True, True], [False, False, False, False], [False, False, True, False]])
    logits = raw.masked_fill(~mask, -INF)
    terms = reinforce(logits, torch.tensor([[0, 2], [1, 3], [2, 2]]), torch.tensor([[1.0, 0.5], [7.0, 7.0], [1.0, 2.0]]), 0.1)
    terms.loss.backward()
    assert all(term.isfinite() for term in terms)
    assert raw.grad.isfinite().all()
    assert not raw.grad[~mask].any()
    assert raw.grad[0, [0, 2, 3]].all()


def test_a_batch_without_any_candidate_gives_a_zero_loss_that_is_attached() -> None:
    raw = torch.randn(2, 3).requires_grad_()
    terms = reinforce(raw.masked_fill(torch.ones(2, 3, dtype=torch.bool), -INF), torch.zeros(2, 1, dtype=torch.long), torch.ones(2, 1), 0.1)
    terms.loss.backward()
    assert terms.loss == 0
    assert not raw.grad.any()


def test_an_empty_batch_gives_a_zero_loss() -> None:
    logits = torch.zeros(0, 3, requires_grad=True)
    terms = reinforce(logits, torch.zeros(0, 2, dtype=torch.long), torch.zeros(0, 2), 0.1)
    terms.loss.backward()
    assert terms.loss == 0


def test_mentions_without_candidates_do_not_dilute_the_others() -> None:
    logits, actions, advantages = torch.tensor([[0.1, 0.9]]), torch.tensor([[1]]), torch.tensor([[0.7]])
    alone = reinforce(logits, actions, advantages, 0.2)
    joined = reinforce(torch.cat([logits, torch.full((1, 2), -INF)]), actions.repeat(2, 1), advantages.repeat(2, 1), 0.2)
    torch.testing.assert_close(torch.stack(joined), torch.stack(alone))


def test_extreme_logits_keep_entropy_and_gradient_finite() -> None:
    logits = torch.tensor([[500.0, -500.0, 0.0]], requires_grad=True)
    policy_entropy(logits).sum().backward()
    assert policy_entropy(logits).item() == pytest.approx(0.0)
    assert logits.grad.isfinite().all()


def test_distinct_draws_do_not_repeat_and_give_all_where_more_are_asked_for() -> None:
    drawn = draw_distinct(torch.zeros(20, 5), 9, rng())
    assert drawn.shape == (20, 5)
    assert (drawn.sort(dim=1).values == torch.arange(5)).all()


def test_distinct_draws_take_masked_candidates_last() -> None:
    logits = torch.tensor([[0.0, -INF, 1.0, -INF]]).repeat(50, 1)
    drawn = draw_distinct(logits, 3, rng())
    assert set(drawn[:, :2].flatten().tolist()) == {0, 2}
    assert set(drawn[:, 2].tolist()) <= {1, 3}


def test_draws_from_an_empty_pool_have_no_columns() -> None:
    assert draw_distinct(torch.zeros(3, 0), 4, rng()).shape == (3, 0)


def test_independent_draws_avoid_masked_candidates_and_repeat() -> None:
    logits = torch.tensor([[0.0, -INF, 0.0]]).repeat(10, 1)
    drawn = draw_independent(logits, 40, rng())
    assert drawn.shape == (10, 40)
    assert set(drawn.flatten().tolist()) == {0, 2}


@pytest.mark.parametrize("draw", [draw_distinct, draw_independent])
def test_equal_rng_gives_equal_draws_and_the_global_stream_is_left_alone(draw: object) -> None:
    logits = torch.randn(8, 6, generator=rng(1), requires_grad=True)
    state = torch.get_rng_state()
    first, again, other = draw(logits, 3, rng(5)), draw(logits, 3, rng(5)), draw(logits, 3, rng(6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.dtype == torch.long


def test_gumbel_noise_is_finite_even_for_the_extreme_uniform_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 1 - 2**-24
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.tensor([0.0, largest]))
    assert gumbel(torch.Size([2]), rng(), torch.device("cpu")).isfinite().all()


def test_leave_one_out_refuses_a_single_draw_and_names_the_settings() -> None:
    with pytest.raises(SettingError, match=r"generator\.draws >= 2, got 1"):
        BASELINES["leave_one_out"](torch.zeros(3, 1), 0.0, torch.zeros(3, 1))


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_does_not_depend_on_the_draw_it_is_subtracted_from(name: str) -> None:
    rewards = torch.randn(3, 4, generator=rng())
    changed = rewards.clone()
    changed[1, 2] += 5
    greedy = torch.full((3, 1), 0.3)
    assert BASELINES[name](changed, 0.1, greedy)[1, 2] == pytest.approx(BASELINES[name](rewards, 0.1, greedy)[1, 2].item(), abs=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_keep_the_shape(name: str) -> None:
    for rows in (0, 1, 4):
        assert BASELINES[name](torch.ones(rows, 3), 0.1, torch.ones(rows, 1)).shape == (rows, 3)


def test_the_batch_mean_leaves_out_all_draws_of_the_own_mention() -> None:
    rewards = torch.tensor([[1.0, 1.0], [2.0, 4.0]])
    assert BASELINES["batch_mean"](rewards, 0.0, rewards[:, :1]).tolist() == [[3.0, 3.0], [1.0, 1.0]]


def test_the_batch_mean_of_a_lone_mention_is_the_running_mean() -> None:
    assert BASELINES["batch_mean"](torch.ones(1, 2), 0.25, torch.ones(1, 1)).tolist() == [[0.25, 0.25]]
