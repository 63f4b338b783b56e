"""The generator's policy: prior, residual, mask."""

import pytest
import torch

from pgmel.models import Generator, Modalities
from pgmel.objectives import reinforce


def make_rows(*shape: int, seed: int = 0) -> Modalities:
    dice = torch.Generator().manual_seed(seed)
    there = torch.ones(*shape, dtype=torch.bool)
    return Modalities(torch.randn(*shape, 4, generator=dice), torch.randn(*shape, 3, generator=dice), there, there)


def make_generator(prior_weight: float = 1.0, prior_temperature: float = 0.05) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Generator(7, 5, prior_weight, prior_temperature)


RETRIEVAL = torch.tensor([[0.9, 0.5, -0.2], [0.1, 0.2, 0.3]])
ALL = torch.ones(2, 3, dtype=torch.bool)


def test_the_untrained_policy_is_the_retrieval_prior() -> None:
    generator = make_generator(0.5, 0.1)
    logits = generator(make_rows(2), generator.inputs(make_rows(2, 3, seed=1)), RETRIEVAL, ALL)
    torch.testing.assert_close(logits, 0.5 * RETRIEVAL / 0.1)


def test_without_prior_the_untrained_policy_is_uniform() -> None:
    generator = make_generator(prior_weight=0.0)
    assert not generator(make_rows(2), generator.inputs(make_rows(2, 3, seed=1)), RETRIEVAL, ALL).any()


def test_the_residual_is_the_dot_product_of_mention_and_candidate() -> None:
    generator = make_generator()
    torch.nn.init.normal_(generator.mention.weight, generator=torch.Generator().manual_seed(1))
    mentions, entities = make_rows(2), make_rows(2, 3, seed=1)
    vectors = generator.inputs(entities)
    logits = generator(mentions, vectors, RETRIEVAL, ALL).detach()
    for row in range(2):
        u = generator.mention.weight @ torch.cat([mentions.text[row], mentions.image[row]])
        for column in range(3):
            v = generator.entity.weight @ torch.cat([entities.text[row, column], entities.image[row, column]])
            assert float(logits[row, column]) == pytest.approx(float(RETRIEVAL[row, column] / 0.05 + (u @ v).detach()), rel=1e-4)


def test_masked_candidates_are_at_minus_infinity_and_send_no_gradient() -> None:
    generator = make_generator()
    torch.nn.init.normal_(generator.mention.weight, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[True, False, True], [False, False, False]])
    vectors = torch.randn(2, 3, 7).requires_grad_()
    logits = generator(make_rows(2), vectors, RETRIEVAL, mask)
    assert torch.equal(torch.isneginf(logits), ~mask)
    reinforce(logits, torch.tensor([[0], [0]]), torch.ones(2, 1), 0.1).loss.backward()
    assert not vectors.grad[~mask].any()
    assert vectors.grad[mask].any()
    assert generator.mention.weight.grad.isfinite().all()


def test_it_learns_from_the_first_step() -> None:
    generator = make_generator()
    logits = generator(make_rows(2), generator.inputs(make_rows(2, 3, seed=1)), RETRIEVAL, ALL)
    reinforce(logits, torch.tensor([[0], [2]]), torch.ones(2, 1), 0.0).loss.backward()
    assert generator.mention.weight.grad.any()


def test_inputs_keep_leading_axes() -> None:
    assert make_generator().inputs(make_rows(2, 3)).shape == (2, 3, 7)
