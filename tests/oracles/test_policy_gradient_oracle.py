"""The policy gradient against exact enumeration over five candidates, and draws against exact probabilities."""

import itertools
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor

from pgmel.objectives import BASELINES, REWARDS, draw_distinct, draw_independent, policy_entropy, reinforce

INF = float("inf")
REPEATS, DRAWS = 20_000, 4
MARGIN, TEMPERATURE, RUNNING_MEAN = 0.3, 0.4, 0.3
LOGITS = torch.tensor(
    [[0.5, -0.3, 1.1, 0.0, -1.0], [0.2, -INF, 0.9, -INF, -0.4], [2.0, -1.0, 0.3, 0.3, -INF]],
    dtype=torch.float64,
)
POSITIVE = torch.tensor([[0.4], [0.1], [0.7]], dtype=torch.float64)
NEGATIVE = torch.tensor(
    [[0.3, -0.2, 0.8, 0.1, -0.6], [-0.5, 0.9, 0.2, 0.8, 0.6], [0.1, 0.9, 0.75, -0.3, 0.2]],
    dtype=torch.float64,
)
USABLE = ~torch.isneginf(LOGITS)


def rewards_of(name: str) -> Tensor:
    """Reward of every choice of every mention."""
    return REWARDS[name](POSITIVE, NEGATIVE, MARGIN, TEMPERATURE)


def enumerate_gradient(rewards: Tensor) -> Tensor:
    """Gradient of minus the mean expected reward: every choice weighed by its exact probability, one loop per term."""
    gradient = torch.zeros_like(LOGITS)
    for row in range(len(LOGITS)):
        weights = [float(value.exp()) for value in LOGITS[row]]
        policy = [weight / sum(weights) for weight in weights]
        for column in range(5):
            for action in range(5):
                slope = policy[action] * ((action == column) - policy[column])
                gradient[row, column] -= slope * rewards[row, action] / len(LOGITS)
    return gradient


def estimate_gradients(
    rewards: Tensor, baseline: Callable[[Tensor, float, Tensor], Tensor], repeats: int = REPEATS, seed: int = 0
) -> Tensor:
    """REINFORCE estimates, (repeats, mentions, candidates), each from its own draws."""
    rows = len(LOGITS)
    logits = LOGITS.repeat(repeats, 1).requires_grad_()
    actions = draw_independent(logits, DRAWS, torch.Generator().manual_seed(seed))
    paid = rewards.repeat(repeats, 1).gather(1, actions)
    greedy = rewards.gather(1, LOGITS.argmax(dim=1, keepdim=True))
    baselines = torch.vmap(lambda part: baseline(part, RUNNING_MEAN, greedy))(paid.view(repeats, rows, DRAWS))
    reinforce(logits, actions, paid - baselines.reshape(paid.shape), 0.0).loss.backward()
    # One loss was the mean over all repeats; each repeat's own is the mean over its mentions.
    return logits.grad.view(repeats, rows, 5) * repeats


def z_scores(estimates: Tensor, expected: Tensor) -> Tensor:
    """Distance of the mean of the estimates from a value, in standard errors; exact coordinates (masked ones) must agree exactly."""
    error = estimates.std(dim=0) / len(estimates) ** 0.5
    gap = (estimates.mean(dim=0) - expected).abs()
    return torch.where(error > 0, gap / error.clamp_min(1e-30), torch.where(gap > 0, torch.inf, 0.0))


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("reward", REWARDS)
def test_estimates_average_to_the_enumerated_gradient_and_not_to_its_negative(reward: str, baseline: str) -> None:
    rewards = rewards_of(reward)
    expected = enumerate_gradient(rewards)
    estimates = estimate_gradients(rewards, BASELINES[baseline])
    assert z_scores(estimates, expected).max() < 4.5
    assert z_scores(estimates, -expected).max() > 20
    assert not estimates[:, ~USABLE].any()


def mean_of_all_draws(rewards: Tensor, running_mean: float, greedy: Tensor) -> Tensor:
    return rewards.mean(dim=1, keepdim=True).expand_as(rewards)


def best_draw(rewards: Tensor, running_mean: float, greedy: Tensor) -> Tensor:
    return rewards.max(dim=1, keepdim=True).values.expand_as(rewards)


@pytest.mark.parametrize("baseline", [mean_of_all_draws, best_draw])
@pytest.mark.parametrize("reward", REWARDS)
def test_a_baseline_that_sees_its_own_draw_is_caught(reward: str, baseline: Callable[[Tensor, float, Tensor], Tensor]) -> None:
    rewards = rewards_of(reward)
    assert z_scores(estimate_gradients(rewards, baseline), enumerate_gradient(rewards)).max() > 10


def test_leave_one_out_varies_less_than_no_baseline() -> None:
    rewards = rewards_of("similarity") + 1
    spread = {name: float(estimate_gradients(rewards, BASELINES[name], 2000).var(dim=0).sum()) for name in BASELINES}
    assert spread["leave_one_out"] < 0.5 * spread["none"]
    assert spread["batch_mean"] < spread["none"]


def test_the_enumerated_gradient_is_that_of_the_expected_reward() -> None:
    logits = LOGITS.clone().requires_grad_()
    rewards = rewards_of("sigmoid")
    (-(torch.softmax(logits, 1) * rewards).sum(1).mean()).backward()
    torch.testing.assert_close(enumerate_gradient(rewards), logits.grad)


def test_the_entropy_gradient_equals_the_enumerated_one() -> None:
    logits = LOGITS.clone().requires_grad_()
    policy_entropy(logits).sum().backward()
    expected = torch.zeros_like(LOGITS)
    for row in range(len(LOGITS)):
        policy = torch.softmax(LOGITS[row], 0)
        surprise = [0.0 if p == 0 else float(-p.log()) for p in policy]
        entropy = sum(float(p) * s for p, s in zip(policy, surprise, strict=True))
        for column in range(5):
            expected[row, column] = float(policy[column]) * (surprise[column] - entropy)
    torch.testing.assert_close(logits.grad, expected)


def test_the_entropy_gradient_enters_the_loss_with_a_minus_and_its_weight() -> None:
    logits = LOGITS.clone().requires_grad_()
    reinforce(logits, torch.zeros(3, 1, dtype=torch.long), torch.zeros(3, 1, dtype=torch.float64), 0.7).loss.backward()
    plain = LOGITS.clone().requires_grad_()
    policy_entropy(plain).sum().backward()
    torch.testing.assert_close(logits.grad, -0.7 * plain.grad / 3)


def chi_square(counts: dict[tuple[int, ...], int], probabilities: dict[tuple[int, ...], float]) -> float:
    """Return the p-value of counts under exact probabilities; an impossible outcome makes it 0."""
    if set(counts) - {outcome for outcome, p in probabilities.items() if p > 0}:
        return 0.0
    total = sum(counts.values())
    possible = {outcome: p for outcome, p in probabilities.items() if p > 0}
    statistic = sum((counts.get(outcome, 0) - total * p) ** 2 / (total * p) for outcome, p in possible.items())
    return float(stats.chi2.sf(statistic, len(possible) - 1))


def count(drawn: Tensor) -> dict[tuple[int, ...], int]:
    outcomes, numbers = torch.unique(drawn, dim=0, return_counts=True)
    return {tuple(outcome): number for outcome, number in zip(outcomes.tolist(), numbers.tolist(), strict=True)}


def ordered_pairs(policy: list[float]) -> dict[tuple[int, ...], float]:
    """Plackett-Luce: the second choice is made by the same policy among those that are left."""
    return {(a, b): policy[a] * policy[b] / (1 - policy[a]) for a, b in itertools.permutations(range(5), 2)}


@pytest.mark.parametrize("row", range(3))
def test_distinct_draws_follow_plackett_luce(row: int) -> None:
    policy = torch.softmax(LOGITS[row], 0).tolist()
    drawn = draw_distinct(LOGITS[row].repeat(40_000, 1), 2, torch.Generator().manual_seed(row))
    assert chi_square(count(drawn), ordered_pairs(policy)) > 1e-4
    assert chi_square(count(drawn.flip(1)), ordered_pairs(policy)) < 1e-6


@pytest.mark.parametrize("row", range(3))
def test_independent_draws_follow_the_softmax_and_not_one_another(row: int) -> None:
    policy = torch.softmax(LOGITS[row], 0).tolist()
    pairs = {(a, b): policy[a] * policy[b] for a, b in itertools.product(range(5), repeat=2)}
    drawn = draw_independent(LOGITS[row].repeat(40_000, 1), 2, torch.Generator().manual_seed(row))
    assert chi_square(count(drawn), pairs) > 1e-4
    warmer = torch.softmax(LOGITS[row] / 1.2, 0).tolist()
    assert chi_square(count(drawn), {(a, b): warmer[a] * warmer[b] for a, b in pairs}) < 1e-6
