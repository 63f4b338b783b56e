"""The contract of negative samplers."""

from collections.abc import Callable
from typing import NamedTuple, NoReturn, Protocol

from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from pgmel.errors import SettingError

__all__ = ["Batch", "Negatives", "Sampler"]


def _absent(*asked: object) -> NoReturn:
    what = f" ({', '.join(part for part in asked if isinstance(part, str))})" if any(isinstance(part, str) for part in asked) else ""
    raise SettingError(f"the rule asks for lists of neighbours{what} or a policy that this batch does not have; prepare them for it first")


class Batch(NamedTuple):
    """What a sampler may look at.

    Attributes:
        gold_rows: KB row of each mention's gold entity.
        pool_rows: KB rows of each mention's candidate pool, best retrieved first.
        pool_mask: True where a pool place holds a usable candidate: not padding, not the gold entity, not a known false negative.
        num_entities: Size of the KB.
        groups: Number of each entity's duplicate group: entities of the gold entity's group are false negatives, never drawn.
        score_pool: Gives the discriminator's current scores of the pool, detached; costs time, so only callers that need it call it.
        policy_logits: Gives the generator's logits over the pool, prior included, minus infinity where masked.
        residual_logits: Gives the generator's logits without the prior over any candidates, from their KB rows and mask.
        neighbours: Gives rows and mask of the neighbours of each gold entity by a rule's name, best first.
        nearest: Gives rows and mask of the entities nearest to each mention when the lists were last rebuilt, best first.
    """

    gold_rows: Int[Tensor, "batch"]
    pool_rows: Int[Tensor, "batch candidates"]
    pool_mask: Bool[Tensor, "batch candidates"]
    num_entities: int
    groups: Int[Tensor, "entities"]
    score_pool: Callable[[], Float[Tensor, "batch candidates"]]
    policy_logits: Callable[[], Float[Tensor, "batch candidates"]]
    residual_logits: Callable[[Tensor, Tensor], Float[Tensor, "batch any"]] = _absent
    neighbours: Callable[[str], tuple[Int[Tensor, "batch listed"], Bool[Tensor, "batch listed"]]] = _absent
    nearest: Callable[[], tuple[Int[Tensor, "batch listed"], Bool[Tensor, "batch listed"]]] = _absent


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
