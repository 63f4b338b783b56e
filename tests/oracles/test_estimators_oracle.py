"""How a policy learns from its draws: every estimator against exact enumeration over five candidates."""

import itertools

import pytest
import torch
from torch import Tensor

from pgmel.objectives import ESTIMATORS, Draws, EstimatorRules, clipped, draw_independent, log_probabilities, max_likelihood, reinforce

INF = float("inf")
REPEATS, DRAWS = 20_000, 3
CLIP, TEMPERATURE = 0.2, 0.4
LOGITS = torch.tensor([[0.5, -0.3, 1.1, 0.0, -1.0], [0.2, -INF, 0.9, -INF, -0.4], [2.0, -1.0, 0.3, 0.3, -INF]], dtype=torch.float64)
MOVED = LOGITS + torch.tensor([[0.1, 0.6, -0.5, 0.1, 0.0], [0.4, 0.0, -0.3, 0.0, 0.1], [-0.2, 0.9, 0.1, -0.8, 0.0]], dtype=torch.float64)
REWARDS = torch.tensor([[0.3, -0.2, 0.8, 0.1, -0.6], [-0.5, 0.9, 0.2, 0.8, 0.6], [0.1, 0.9, 0.75, -0.3, 0.2]], dtype=torch.float64)
BATCH = len(LOGITS)


def probabilities(logits: Tensor) -> list[list[float]]:
    return [[float(value.exp()) / float(row.exp().sum()) for value in row] for row in logits]


def score(policy: list[float], action: int, column: int) -> float:
    """Slope of log pi(action) along the logit of a column."""
    return (action == column) - policy[column]


def enumerate_reinforce() -> Tensor:
    gradient = torch.zeros_like(LOGITS)
    for row, policy in enumerate(probabilities(LOGITS)):
        for column, action in itertools.product(range(5), repeat=2):
            gradient[row, column] -= policy[action] * float(REWARDS[row, action]) * score(policy, action, column) / BATCH
    return gradient


def enumerate_clipped() -> Tensor:
    """Draws from the old policy, slope at the moved one; a draw whose clipped value is the smaller one pushes no more."""
    gradient = torch.zeros_like(LOGITS)
    for row, (old, new) in enumerate(zip(probabilities(LOGITS), probabilities(MOVED), strict=True)):
        for action in (number for number in range(5) if old[number] > 0):
            ratio, gain = new[action] / old[action], float(REWARDS[row, action])
            if (gain > 0 and ratio > 1 + CLIP) or (gain < 0 and ratio < 1 - CLIP):
                continue
            for column in range(5):
                gradient[row, column] -= old[action] * ratio * gain * score(new, action, column) / BATCH
    return gradient


def enumerate_max_likelihood() -> Tensor:
    """Weights depend on all draws of a mention, so every tuple of draws has its exact probability."""
    gradient = torch.zeros_like(LOGITS)
    for row, policy in enumerate(probabilities(LOGITS)):
        for actions in itertools.product(range(5), repeat=DRAWS):
            chance = policy[actions[0]] * policy[actions[1]] * policy[actions[2]]
            worth = [float((REWARDS[row, action] / TEMPERATURE).exp()) for action in actions]
            for action, weight in zip(actions, worth, strict=True):
                for column in range(5):
                    gradient[row, column] -= chance * weight / sum(worth) * score(policy, action, column) / BATCH
    return gradient


CASES = {
    "reinforce": (LOGITS, enumerate_reinforce),
    "clipped": (MOVED, enumerate_clipped),
    "max_likelihood": (LOGITS, enumerate_max_likelihood),
}


def draw(rewards: Tensor, repeats: int, num: int = DRAWS) -> Draws:
    old = LOGITS.repeat(repeats, 1)
    actions = draw_independent(old, num, torch.Generator().manual_seed(0))
    paid = rewards.repeat(repeats, 1).gather(1, actions)
    return Draws(actions, paid, paid, log_probabilities(old, actions))


def estimate(name: str, logits: Tensor, draws: Draws) -> Tensor:
    """Return estimates (repeats, mentions, candidates)."""
    repeats = len(draws.actions) // BATCH
    now = logits.repeat(repeats, 1).requires_grad_()
    ESTIMATORS[name](now, draws, EstimatorRules(0.0, CLIP, TEMPERATURE)).loss.backward()
    return now.grad.view(repeats, BATCH, 5) * repeats


def test_every_estimator_has_its_enumeration() -> None:
    assert set(CASES) == set(ESTIMATORS)


@pytest.mark.parametrize("name", CASES)
def test_estimates_average_to_the_enumerated_gradient_and_not_to_its_negative(name: str) -> None:
    logits, enumerate_gradient = CASES[name]
    expected, found = enumerate_gradient(), estimate(name, logits, draw(REWARDS, REPEATS))
    error = found.std(dim=0) / REPEATS**0.5
    usable = ~torch.isneginf(LOGITS)
    assert not found[:, ~usable].any()
    assert ((found.mean(dim=0) - expected).abs() / error)[usable].max() < 4.5
    assert ((found.mean(dim=0) + expected).abs() / error)[usable].max() > 20


def test_the_clipped_case_clips_gains_and_losses_and_leaves_others() -> None:
    ratio = torch.softmax(MOVED, 1) / torch.softmax(LOGITS, 1)
    assert ((ratio > 1 + CLIP) & (REWARDS > 0)).any()
    assert ((ratio < 1 - CLIP) & (REWARDS < 0)).any()
    assert ((ratio - 1).abs() < CLIP).any()


def test_where_the_policy_has_not_moved_clipped_has_the_gradient_of_reinforce() -> None:
    draws = draw(REWARDS, 5)
    torch.testing.assert_close(estimate("clipped", LOGITS, draws), estimate("reinforce", LOGITS, draws), rtol=1e-12, atol=1e-14)
    assert not torch.allclose(estimate("clipped", MOVED, draws), estimate("reinforce", MOVED, draws))


def test_with_many_draws_max_likelihood_learns_from_the_policy_tilted_by_the_rewards() -> None:
    better = torch.softmax(LOGITS + REWARDS / TEMPERATURE, 1)
    expected = (torch.softmax(LOGITS, 1) - better) / BATCH
    found = estimate("max_likelihood", LOGITS, draw(REWARDS, 20, num=5000)).mean(dim=0)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)


def test_max_likelihood_ignores_a_constant_reward_and_pushes_no_draw_down() -> None:
    draws = draw(REWARDS, 5)
    shifted = draws._replace(rewards=draws.rewards - 7)
    torch.testing.assert_close(estimate("max_likelihood", LOGITS, shifted), estimate("max_likelihood", LOGITS, draws))
    alone = torch.zeros(1, 5, dtype=torch.float64, requires_grad=True)
    max_likelihood(alone, torch.tensor([[2, 4]]), torch.tensor([[-9.0, -9.5]]), TEMPERATURE, 0.0).loss.backward()
    assert (alone.grad < 0).tolist() == [[False, False, True, False, True]]


@pytest.mark.parametrize("name", CASES)
def test_losses_equal_a_slow_loop_and_rows_without_candidates_take_no_part(name: str) -> None:
    logits = torch.cat([MOVED, torch.full((1, 5), -INF, dtype=torch.float64)])
    few = draw(REWARDS, 1)
    draws = Draws(*(torch.cat([part, part[:1]]) for part in few))
    total = 0.0
    for row, policy in enumerate(probabilities(MOVED)):
        worth = [float((reward / TEMPERATURE).exp()) for reward in few.rewards[row]]
        for place in range(DRAWS):
            chance, gain = policy[int(few.actions[row, place])], float(few.advantages[row, place])
            ratio = chance / float(few.log_probs[row, place].exp())
            log_chance = float(torch.tensor(chance, dtype=torch.float64).log())
            total -= {
                "reinforce": gain * log_chance / DRAWS,
                "clipped": min(ratio * gain, min(max(ratio, 1 - CLIP), 1 + CLIP) * gain) / DRAWS,
                "max_likelihood": worth[place] / sum(worth) * log_chance,
            }[name] / BATCH
    terms = ESTIMATORS[name](logits, draws, EstimatorRules(0.3, CLIP, TEMPERATURE))
    assert float(terms.policy) == pytest.approx(total)
    assert float(terms.loss) == pytest.approx(total - 0.3 * float(terms.entropy))


def test_constants_carry_no_gradient() -> None:
    actions = torch.zeros(3, 2, dtype=torch.long)
    given = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    now = LOGITS.clone().requires_grad_()
    loss = reinforce(now, actions, given, 0.0).loss + clipped(now, actions, given, given, 0.2, 0.0).loss
    (loss + max_likelihood(now, actions, given, 1.0, 0.0).loss).backward()
    assert given.grad is None
