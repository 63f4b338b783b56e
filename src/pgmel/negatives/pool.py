"""Rules that choose from the mention's candidate pool: uniform, hardest, softmax, and the generator's policy."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pgmel.negatives.lists import pick_listed, take_columns
from pgmel.negatives.sampler import Batch, Negatives
from pgmel.objectives import draw_distinct

__all__ = ["draw_generator", "draw_hardest", "draw_pool_uniform", "draw_softmax", "take_from_pool"]


def draw_pool_uniform(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw distinct candidates of the pool, all equally likely."""
    return pick_listed(batch.pool_rows, batch.pool_mask, num, rng)


def draw_hardest(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Take the candidates with the highest scores of the current discriminator.

    Source: dynamic negative sampling, Zhang et al. 2013, with the pool as sample.
    """
    scores = _masked(batch, batch.score_pool())
    return take_from_pool(batch, scores.topk(min(num, scores.shape[1]), dim=1).indices)


def draw_softmax(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:
    """Draw distinct candidates with probability proportional to ``exp(score / temperature)``.

    Source: self-adversarial sampling, Sun et al. 2019 (RotatE), equation 4. Differs: it draws, where RotatE weighs uniform draws.
    """
    return take_from_pool(batch, draw_distinct(_masked(batch, batch.score_pool() / temperature), num, rng))


def draw_generator(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw distinct candidates from the generator's policy.

    Source: PGMEL, arXiv 2510.02726. Differs: without replacement, because repeated negatives teach nothing new.
    """
    return take_from_pool(batch, draw_distinct(batch.policy_logits().detach(), num, rng))


def _masked(batch: Batch, scores: Float[Tensor, "batch candidates"]) -> Float[Tensor, "batch candidates"]:
    return scores.masked_fill(~batch.pool_mask, float("-inf"))


def take_from_pool(batch: Batch, columns: Int[Tensor, "batch num"]) -> Negatives:
    """Look columns of the pool up."""
    return take_columns(batch.pool_rows, batch.pool_mask, columns)
