"""InfoNCE: the gold entity against all others at hand."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["infonce"]


def infonce(
    scores: Float[Tensor, "batch entities"], positive_columns: Tensor, usable: Bool[Tensor, "batch entities"], temperature: float
) -> Float[Tensor, "batch"]:
    """Cross-entropy of each mention's gold entity among the entities at hand: the batch's gold entities, or these and its negatives.

    Args:
        scores: Similarity of every mention with every entity at hand.
        positive_columns: (batch,) column of each mention's own gold entity.
        usable: False hides a column from a mention's denominator: the gold entity again, a duplicate of it, padding. The positive counts
            always.
        temperature: Scores are divided by it, > 0.

    Source: van den Oord et al. 2018, equation 4. Differs: repeated gold entities are masked, or they would be pushed from themselves.
    """
    own = torch.zeros_like(usable).scatter_(1, positive_columns.unsqueeze(1), True)
    logits = (scores / temperature).masked_fill(~(usable | own), float("-inf"))
    return torch.nn.functional.cross_entropy(logits, positive_columns, reduction="none")
