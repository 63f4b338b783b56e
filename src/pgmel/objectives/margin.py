"""Triplet hinge on scores."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["masked_mean", "triplet_hinge"]


def triplet_hinge(
    positive: Float[Tensor, "batch 1"], negative: Float[Tensor, "batch negatives"], margin: float
) -> Float[Tensor, "batch negatives"]:
    """Penalise negatives that come within a margin of the positive.

    ``max(0, margin - s(m, e+) + s(m, e-))``, one value per negative, not reduced.

    Args:
        positive: Score of each mention's gold entity, larger is nearer.
        negative: Scores of its negatives.
        margin: Required gap in score units, > 0.

    Source: PGMEL, arXiv 2510.02726, triplet loss; here on similarities of unit vectors instead of distances
    (for unit vectors the squared distance is 2 - 2s, so only the margin's unit differs).
    """
    return torch.relu(margin - positive + negative)


def masked_mean(values: Float[Tensor, "*any"], mask: Bool[Tensor, "*any"]) -> Float[Tensor, ""]:
    """Average the usable values; zero, still attached to the graph, if there is none."""
    return torch.where(mask, values, torch.zeros_like(values)).sum() / mask.sum().clamp_min(1)
