"""Entities that share the most attributes with the gold entity."""

import torch

from pgmel.negatives.lists import pick_neighbours
from pgmel.negatives.sampler import Batch, Negatives

__all__ = ["draw_jaccard"]


def draw_jaccard(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw distinct entities whose sets of attributes overlap most with the gold entity's (smallest Jaccard distance).

    Source: JD-CCL in "Enhancing Multimodal Entity Linking with Jaccard Distance-based Conditional Contrastive Learning and Contextual
    Visual Augmentation", arXiv 2501.14166, which selects negatives with similar attributes by their meta-information. Only its abstract was
    at hand. Differs: the negatives go into this frame's loss instead of a contrast of their own.
    """
    return pick_neighbours(batch, "jaccard", num, rng)
