"""Picking from lists of entities: those of the batch, of the pool, or some that were made beforehand."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pgmel.negatives.sampler import Batch, Negatives
from pgmel.negatives.uniform import draw_uniform
from pgmel.objectives import draw_distinct

__all__ = ["pick_listed", "pick_neighbours", "take_columns"]


def pick_listed(rows: Int[Tensor, "batch listed"], mask: Bool[Tensor, "batch listed"], num: int, rng: torch.Generator) -> Negatives:
    """Draw distinct entities of a list, all equally likely; fewer where it is shorter."""
    logits = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, float("-inf"))
    return take_columns(rows, mask, draw_distinct(logits, num, rng))


def pick_neighbours(batch: Batch, rule: str, num: int, rng: torch.Generator) -> Negatives:
    """Draw from the gold entity's neighbours; where it has too few, fill up with uniform draws, so that every rule shows as many."""
    filling = draw_uniform(batch, num, 1.0, rng)
    listed = pick_listed(*batch.neighbours(rule), num, rng)
    width = listed.mask.shape[1]
    rows, mask = filling.rows.clone(), filling.mask.clone()
    rows[:, :width] = torch.where(listed.mask, listed.rows, rows[:, :width])
    mask[:, :width] |= listed.mask
    return Negatives(torch.where(mask, rows, torch.zeros_like(rows)), mask)


def take_columns(rows: Int[Tensor, "batch listed"], mask: Bool[Tensor, "batch listed"], columns: Int[Tensor, "batch num"]) -> Negatives:
    """Look columns of a list up; where they are masked the row becomes 0."""
    usable = mask.gather(1, columns)
    return Negatives(torch.where(usable, rows.gather(1, columns), torch.zeros_like(columns)), usable)
