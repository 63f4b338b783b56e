"""The mention's nearest neighbours under the current discriminator."""

import torch

from pgmel.negatives.lists import pick_listed
from pgmel.negatives.sampler import Batch, Negatives

__all__ = ["draw_ance"]


def draw_ance(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw distinct entities of the mention's nearest ones in the whole KB, all equally likely.

    Source: ANCE, Xiong et al. 2021, "Approximate Nearest Neighbor Negative Contrastive Learning for Dense Text Retrieval". Differs: the
    search is exact, and the lists are rebuilt between epochs (``negatives.rebuild_every``) by the training process itself, not by a second
    one in the meantime.
    """
    return pick_listed(*batch.nearest(), num, rng)
