"""The contract of negative samplers."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

__all__ = ["Batch", "Negatives", "Sampler"]


class Batch(NamedTuple):
    """What a sampler may look at.

    Attributes:
        gold_rows: KB row of each mention's gold entity.
        pool_rows: KB rows of each mention's candidate pool, best retrieved first.
        pool_mask: True where a pool place holds a usable candidate: not padding, not the gold entity, not a known false negative.
        num_entities: Size of the KB.
        groups: Number of each entity's duplicate group: entities of the gold entity's group are false negatives, never drawn.
        score_pool: Gives the discriminator's current scores of the pool, detached; costs time, so only callers that need it call it.
        policy_logits: Gives the generator's logits over the pool, minus infinity where masked.
    """

    gold_rows: Int[Tensor, "batch"]
    pool_rows: Int[Tensor, "batch candidates"]
    pool_mask: Bool[Tensor, "batch candidates"]
    num_entities: int
    groups: Int[Tensor, "entities"]
    score_pool: Callable[[], Float[Tensor, "batch candidates"]]
    policy_logits: Callable[[], Float[Tensor, "batch candidates"]]


class Negatives(NamedTuple):
    """KB rows of the negatives of each mention; the mask is False where none could be had (the row then holds 0)."""

    rows: Int[Tensor, "batch num"]
    mask: Bool[Tensor, "batch num"]


class Sampler(Protocol):
    """A rule that picks wrong entities."""

    def __call__(self, batch: Batch, num: int, temperature: float, rng: Generator) -> Negatives:
        """Pick negatives.

        Args:
            batch: What may be looked at.
            num: Negatives per mention, >= 1.
            temperature: Of rules that sample from scores, > 0.
            rng: The only source of chance.

        Returns:
            Negatives; never the gold entity where the mask is True.
        """
        ...
