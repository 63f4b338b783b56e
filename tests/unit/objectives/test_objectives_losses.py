"""Which way losses pull, and what they do where there is nothing to pull."""

import itertools

import pytest
import torch

from pgmel.objectives import REWARDS, infonce, masked_mean, triplet_hinge


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def hinge_of(mentions: torch.Tensor, golds: torch.Tensor, wrong: torch.Tensor) -> torch.Tensor:
    positive = (mentions * golds).sum(1, keepdim=True)
    return triplet_hinge(positive, torch.bmm(wrong, mentions.unsqueeze(2)).squeeze(2), 0.2).sum(1)


def contrast_of(mentions: torch.Tensor, golds: torch.Tensor) -> torch.Tensor:
    usable = ~torch.eye(len(mentions), dtype=torch.bool)
    return infonce(mentions @ golds.T, torch.arange(len(mentions)), usable, 0.1)


def test_moving_the_positive_closer_never_raises_the_hinge() -> None:
    mentions, golds, wrong = unit(50, 8), unit(50, 8, seed=1), unit(50, 4, 8, seed=2)
    losses = [
        hinge_of(mentions, torch.nn.functional.normalize(golds + step * mentions, dim=-1), wrong) for step in torch.linspace(0, 2, 21)
    ]
    assert all((later <= earlier + 1e-6).all() for earlier, later in itertools.pairwise(losses))
    assert (losses[-1] < losses[0]).any()


def test_moving_a_negative_closer_never_lowers_the_hinge() -> None:
    mentions, golds, wrong = unit(50, 8), unit(50, 8, seed=1), unit(50, 4, 8, seed=2)
    nearer = torch.nn.functional.normalize(wrong + 0.3 * mentions.unsqueeze(1), dim=-1)
    assert (hinge_of(mentions, golds, nearer) >= hinge_of(mentions, golds, wrong)).all()
    assert (hinge_of(mentions, golds, nearer) > hinge_of(mentions, golds, wrong)).any()


def test_the_hinge_is_zero_where_the_gap_reaches_the_margin() -> None:
    losses = triplet_hinge(torch.tensor([[0.75]]), torch.tensor([[0.5, 0.25, 0.625]]), 0.25)
    assert losses.tolist() == [[0.0, 0.0, 0.125]]


def test_raising_only_the_positive_score_lowers_infonce() -> None:
    scores = torch.randn(6, 6, generator=torch.Generator().manual_seed(3))
    usable = ~torch.eye(6, dtype=torch.bool)
    before = infonce(scores, torch.arange(6), usable, 0.5)
    after = infonce(scores + 0.1 * torch.eye(6), torch.arange(6), usable, 0.5)
    assert (after < before).all()


def test_one_gradient_step_on_infonce_brings_the_gold_entity_closer() -> None:
    mentions, golds = unit(6, 8).requires_grad_(), unit(6, 8, seed=1)
    contrast_of(mentions, golds).mean().backward()
    moved = torch.nn.functional.normalize(mentions.detach() - 0.1 * mentions.grad, dim=-1)
    assert contrast_of(moved, golds).mean() < contrast_of(mentions, golds).mean()


def test_a_repeated_gold_entity_neither_counts_nor_is_pushed_away() -> None:
    gold = torch.tensor([4, 5, 4])
    scores = torch.zeros(3, 3, requires_grad=True)
    loss = infonce(scores, torch.arange(3), gold.unsqueeze(0) != gold.unsqueeze(1), 1.0)
    torch.testing.assert_close(loss.detach(), torch.log(torch.tensor([2.0, 3.0, 2.0])))
    loss.sum().backward()
    assert scores.grad[0, 2] == 0
    assert scores.grad[2, 0] == 0
    assert scores.grad[1, 0] > 0


def test_infonce_of_one_mention_is_zero_with_finite_gradient() -> None:
    scores = torch.tensor([[0.3]], requires_grad=True)
    loss = infonce(scores, torch.tensor([0]), torch.tensor([[False]]), 0.05)
    loss.sum().backward()
    assert loss.tolist() == [0.0]
    assert scores.grad.tolist() == [[0.0]]


def test_infonce_of_no_mention_is_empty_and_attached() -> None:
    scores = torch.zeros(0, 3, requires_grad=True)
    loss = infonce(scores, torch.zeros(0, dtype=torch.long), torch.ones(0, 3, dtype=torch.bool), 0.05).sum()
    loss.backward()
    assert loss == 0
    assert scores.grad.shape == (0, 3)


@pytest.mark.parametrize("shape", [(3, 2), (0, 2)])
def test_the_mean_of_nothing_is_a_zero_attached_to_the_graph(shape: tuple[int, int]) -> None:
    values = torch.ones(shape, requires_grad=True)
    mean = masked_mean(values, torch.zeros(shape, dtype=torch.bool))
    mean.backward()
    assert mean == 0
    assert not values.grad.any()


def test_a_masked_infinity_spoils_neither_the_mean_nor_its_gradient() -> None:
    values = torch.tensor([1.0, float("inf"), 3.0, float("nan")], requires_grad=True)
    mean = masked_mean(values, torch.tensor([True, False, True, False]))
    mean.backward()
    assert mean == 2
    assert values.grad.tolist() == [0.5, 0, 0.5, 0]


@pytest.mark.parametrize("name", REWARDS)
def test_a_wrong_entity_that_comes_closer_never_pays_less(name: str) -> None:
    negative = torch.linspace(-1, 1, 41).unsqueeze(0)
    paid = REWARDS[name](torch.tensor([[0.4]]), negative, 0.2, 0.05)
    assert (paid.diff(dim=1) >= 0).all()
    assert paid[0, -1] > paid[0, 0]


@pytest.mark.parametrize("name", REWARDS)
def test_rewards_keep_the_shape_and_stay_finite_at_the_ends(name: str) -> None:
    paid = REWARDS[name](torch.tensor([[-1.0], [1.0]]), torch.tensor([[1.0, -1.0, 0.0]] * 2), 0.2, 1e-4)
    assert paid.shape == (2, 3)
    assert paid.isfinite().all()


def test_the_hinge_reward_pays_nothing_for_what_has_been_learned() -> None:
    assert REWARDS["hinge"](torch.tensor([[0.9]]), torch.tensor([[0.5]]), 0.2, 1.0).tolist() == [[0.0]]


def test_the_sigmoid_reward_is_one_half_where_right_and_wrong_tie() -> None:
    assert REWARDS["sigmoid"](torch.tensor([[0.3]]), torch.tensor([[0.3]]), 0.2, 0.05).tolist() == [[0.5]]
