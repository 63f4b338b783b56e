"""Entities whose names look like the gold entity's."""

import torch

from pgmel.negatives.lists import pick_neighbours
from pgmel.negatives.sampler import Batch, Negatives

__all__ = ["draw_lexical"]


def draw_lexical(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw distinct entities whose names share the most character n-grams with the gold entity's name and aliases.

    Source: the candidates that entity linkers take by name, used as negatives (cf. lexical hard negatives by BM25, Karpukhin et al. 2020).
    Differs: TF-IDF of character n-grams instead of BM25, because names are short; neighbours of the gold entity instead of the mention.
    """
    return pick_neighbours(batch, "lexical", num, rng)
