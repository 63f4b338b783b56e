"""What holds of every policy, whatever its logits, mask and rewards."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pgmel.objectives import BASELINES, draw_distinct, draw_independent, policy_entropy, reinforce

finite = st.floats(-30, 30, width=32)
policies = st.integers(1, 6).flatmap(
    lambda width: st.lists(st.lists(st.one_of(finite, st.just(-math.inf)), min_size=width, max_size=width), min_size=1, max_size=4)
)


def drawable(rows: list[list[float]]) -> torch.Tensor:
    """Give every policy at least one candidate."""
    logits = torch.tensor(rows)
    logits[:, 0] = torch.where(torch.isneginf(logits).all(dim=1), 0.0, logits[:, 0])
    return logits


@given(policies, st.integers(1, 8), st.integers(0, 1000))
def test_distinct_draws_are_distinct_and_prefer_usable_candidates(rows: list[list[float]], num: int, seed: int) -> None:
    logits = torch.tensor(rows)
    drawn = draw_distinct(logits, num, torch.Generator().manual_seed(seed))
    usable = torch.isfinite(logits)
    assert drawn.shape == (len(logits), min(num, logits.shape[1]))
    assert all(len(set(row)) == len(row) for row in drawn.tolist())
    assert torch.equal(usable.gather(1, drawn).sum(1), usable.sum(1).clamp_max(drawn.shape[1]))


@given(policies, st.integers(1, 8), st.integers(0, 1000))
def test_independent_draws_are_usable_candidates(rows: list[list[float]], num: int, seed: int) -> None:
    logits = drawable(rows)
    drawn = draw_independent(logits, num, torch.Generator().manual_seed(seed))
    assert drawn.shape == (len(logits), num)
    assert torch.isfinite(logits.gather(1, drawn)).all()


@given(policies, st.floats(-5, 5, width=32))
def test_entropy_lies_between_zero_and_that_of_the_uniform_policy_and_ignores_shifts(rows: list[list[float]], shift: float) -> None:
    logits = torch.tensor(rows, dtype=torch.float64)
    entropy = policy_entropy(logits)
    most = torch.isfinite(logits).sum(1).clamp_min(1).double().log()
    assert (entropy >= -1e-9).all()
    assert (entropy <= most + 1e-9).all()
    torch.testing.assert_close(policy_entropy(logits + shift), entropy, rtol=1e-6, atol=1e-9)


@settings(max_examples=50)
@given(policies, st.integers(1, 5), st.integers(0, 1000), st.floats(0, 1, width=32))
def test_the_gradient_is_finite_sums_to_zero_and_leaves_masked_candidates_alone(
    rows: list[list[float]], num: int, seed: int, entropy_weight: float
) -> None:
    rng = torch.Generator().manual_seed(seed)
    raw = torch.tensor(rows).nan_to_num(neginf=0.0).requires_grad_()
    mask = torch.isfinite(torch.tensor(rows))
    actions = draw_independent(drawable(rows), num, rng)
    terms = reinforce(raw.masked_fill(~mask, -math.inf), actions, torch.randn(actions.shape, generator=rng), entropy_weight)
    terms.loss.backward()
    assert raw.grad.isfinite().all()
    assert not raw.grad[~mask].any()
    # Adding the same number to all logits changes no policy, so it must change no loss.
    torch.testing.assert_close(raw.grad.sum(1), torch.zeros(len(raw)), rtol=0, atol=1e-4)


@given(st.lists(st.lists(finite, min_size=3, max_size=3), min_size=1, max_size=4), st.floats(-10, 10, width=32))
def test_leave_one_out_advantages_sum_to_zero_and_ignore_a_constant_reward(rewards: list[list[float]], constant: float) -> None:
    paid = torch.tensor(rewards, dtype=torch.float64)
    advantage = paid - BASELINES["leave_one_out"](paid, 0.0, paid[:, :1])
    shifted = paid + constant
    torch.testing.assert_close(advantage.sum(1), torch.zeros(len(paid), dtype=torch.float64), rtol=0, atol=1e-9)
    torch.testing.assert_close(shifted - BASELINES["leave_one_out"](shifted, 0.0, shifted[:, :1]), advantage, rtol=0, atol=1e-9)
