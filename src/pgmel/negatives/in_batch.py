"""The gold entities of the batch's other mentions."""

import torch

from pgmel.negatives.lists import pick_listed
from pgmel.negatives.sampler import Batch, Negatives

__all__ = ["draw_in_batch"]


def draw_in_batch(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw distinct other mentions of the batch and take their gold entities; fewer than ``num`` where the batch is small.

    Source: Henderson et al. 2017, section 4.4. Differs: ``num`` of them instead of all, as all rules show. Under the joint
    objective these entities are columns of InfoNCE already, so the rule adds weight to them and no new entity.
    """
    gold = batch.gold_rows
    group = batch.groups[gold]
    usable = group.unsqueeze(0) != group.unsqueeze(1)
    return pick_listed(gold.expand(usable.shape), usable, num, rng)
