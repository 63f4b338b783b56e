"""Entities whose descriptions share rare words with the gold entity's."""

import torch

from pgmel.negatives.lists import pick_neighbours
from pgmel.negatives.sampler import Batch, Negatives

__all__ = ["draw_tfidf"]


def draw_tfidf(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw distinct entities whose description and attributes are nearest to the gold entity's by TF-IDF of words.

    Source: GHMFC, Wang et al. 2022, "Multimodal Entity Linking with Gated Hierarchical Fusion and Contrastive Training", whose negatives
    are neighbours by TF-IDF of the attributes. Differs: the list holds ``negatives.neighbours`` entities, all equally likely.
    """
    return pick_neighbours(batch, "tfidf", num, rng)
