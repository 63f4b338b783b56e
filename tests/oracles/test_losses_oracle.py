"""Losses, rewards, baselines and entropy against plain Python loops."""

import math
import random

import pytest
import torch

from pgmel.objectives import BASELINES, PUBLISHED_REWARDS, REWARDS, infonce, masked_mean, policy_entropy, reinforce, triplet_hinge

BATCH, COLUMNS = 4, 3


def table(rows: int, columns: int, seed: int) -> list[list[float]]:
    dice = random.Random(seed)
    return [[dice.uniform(-1, 1) for _ in range(columns)] for _ in range(rows)]


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def close(ours: torch.Tensor, theirs: object) -> None:
    torch.testing.assert_close(ours, tensor(theirs), rtol=1e-12, atol=1e-12)


def softmax(logits: list[float]) -> list[float]:
    whole = sum(math.exp(value) for value in logits)
    return [math.exp(value) / whole for value in logits]


@pytest.mark.parametrize("margin", [0.05, 0.5, 3.0])
def test_triplet_hinge(margin: float) -> None:
    positive, negative = table(BATCH, 1, 1), table(BATCH, COLUMNS, 2)
    expected = [[max(0.0, margin - positive[b][0] + negative[b][j]) for j in range(COLUMNS)] for b in range(BATCH)]
    close(triplet_hinge(tensor(positive), tensor(negative), margin), expected)


def test_masked_mean() -> None:
    values = table(BATCH, COLUMNS, 3)
    mask = [[(b + j) % 3 != 0 for j in range(COLUMNS)] for b in range(BATCH)]
    kept = [values[b][j] for b in range(BATCH) for j in range(COLUMNS) if mask[b][j]]
    close(masked_mean(tensor(values), torch.tensor(mask)), sum(kept) / len(kept))


def test_infonce_counts_each_other_gold_entity_once_per_row_that_is_not_the_own_gold() -> None:
    gold, temperature = [7, 9, 7, 3], 0.3
    scores = table(4, 4, 4)
    expected = []
    for b in range(4):
        terms = [math.exp(scores[b][c] / temperature) for c in range(4) if c == b or gold[c] != gold[b]]
        expected.append(-math.log(math.exp(scores[b][b] / temperature) / sum(terms)))
    rows = torch.tensor(gold)
    usable = rows.unsqueeze(0) != rows.unsqueeze(1)
    close(infonce(tensor(scores), torch.arange(4), usable, temperature), expected)


def test_infonce_of_a_slice_of_the_batch_finds_the_positives_by_their_columns() -> None:
    scores = table(2, 4, 5)
    expected = [-math.log(softmax(scores[b])[b + 2]) for b in range(2)]
    usable = torch.ones(2, 4, dtype=torch.bool)
    close(infonce(tensor(scores), torch.tensor([2, 3]), usable, 1.0), expected)


def slow_reward(name: str, positive: float, negative: float, margin: float, temperature: float) -> float:
    if name == "similarity":
        return negative
    if name == "hinge":
        return max(0.0, margin - positive + negative)
    belief_in_the_wrong_one = 1 / (1 + math.exp(-(negative - positive) / temperature))
    if name == "confidence":
        return -math.log(1 - belief_in_the_wrong_one)
    return 2 * (belief_in_the_wrong_one - 0.5) if name == "irgan" else belief_in_the_wrong_one


@pytest.mark.parametrize("name", [*REWARDS, *PUBLISHED_REWARDS])
def test_rewards(name: str) -> None:
    positive, negative = table(BATCH, 1, 6), table(BATCH, COLUMNS, 7)
    expected = [[slow_reward(name, positive[b][0], negative[b][j], 0.4, 0.2) for j in range(COLUMNS)] for b in range(BATCH)]
    close((REWARDS | PUBLISHED_REWARDS)[name](tensor(positive), tensor(negative), 0.4, 0.2), expected)


def slow_baseline(name: str, rewards: list[list[float]], row: int, draw: int, running: float) -> float:
    if name == "none":
        return 0.0
    if name == "moving_average":
        return running
    if name == "self_critical":
        return 0.1 * row
    if name == "batch_mean":
        others = [value for b, values in enumerate(rewards) if b != row for value in values]
    else:
        others = [value for j, value in enumerate(rewards[row]) if j != draw]
    return sum(others) / len(others)


@pytest.mark.parametrize("name", BASELINES)
def test_baselines(name: str) -> None:
    rewards = table(BATCH, COLUMNS, 8)
    expected = [[slow_baseline(name, rewards, b, j, 0.25) for j in range(COLUMNS)] for b in range(BATCH)]
    close(BASELINES[name](tensor(rewards), 0.25, 0.1 * torch.arange(BATCH, dtype=torch.float64).unsqueeze(1)), expected)


def test_policy_entropy_counts_only_candidates_that_can_be_drawn() -> None:
    logits = [[0.3, -1.2, 2.0], [0.5, -math.inf, -0.5], [-math.inf, 4.0, -math.inf], [-math.inf] * 3]
    expected = []
    for row in logits:
        probabilities = softmax([value for value in row if value > -math.inf])
        expected.append(-sum(p * math.log(p) for p in probabilities))
    close(policy_entropy(tensor(logits)), expected)


def test_reinforce_averages_over_draws_and_over_mentions_that_have_candidates() -> None:
    logits = [[0.3, -1.2, 2.0], [0.5, -math.inf, -0.5], [-math.inf] * 3]
    actions, advantages = [[2, 0], [0, 2], [1, 1]], [[0.5, -1.0], [2.0, 0.1], [9.0, 9.0]]
    policy, entropy = 0.0, 0.0
    for row, chosen, gains in zip(logits[:2], actions, advantages, strict=False):
        finite = {column: value for column, value in enumerate(row) if value > -math.inf}
        probabilities = dict(zip(finite, softmax(list(finite.values())), strict=True))
        policy -= sum(gain * math.log(probabilities[action]) for action, gain in zip(chosen, gains, strict=True)) / 2 / 2
        entropy -= sum(p * math.log(p) for p in probabilities.values()) / 2
    terms = reinforce(tensor(logits), torch.tensor(actions), tensor(advantages), 0.3)
    close(terms.policy, policy)
    close(terms.entropy, entropy)
    close(terms.loss, policy - 0.3 * entropy)
