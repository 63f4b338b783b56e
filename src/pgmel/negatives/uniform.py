"""Uniform over the KB."""

import torch

from pgmel.negatives.sampler import Batch, Negatives

__all__ = ["draw_uniform"]


def draw_uniform(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw entities of the whole KB, all equally likely, independently; the gold entity never, and its duplicates masked.

    Source: the usual choice since TransE (Bordes et al. 2013).
    """
    if batch.num_entities < 2:
        rows = torch.zeros((len(batch.gold_rows), num), dtype=torch.long, device=batch.gold_rows.device)
        return Negatives(rows, torch.zeros_like(rows, dtype=torch.bool))
    shape = (len(batch.gold_rows), num)
    rows = torch.randint(batch.num_entities - 1, shape, generator=rng, device=rng.device).to(batch.gold_rows.device)
    rows = rows + (rows >= batch.gold_rows.unsqueeze(1))  # skips the gold row, so that the others stay equally likely
    return Negatives(rows, batch.groups[rows] != batch.groups[batch.gold_rows].unsqueeze(1))
