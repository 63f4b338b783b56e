"""Embedding everything with the discriminator as it is, and searching pools anew with the result."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pgmel.candidates import Pools, build_pools
from pgmel.models import Discriminator, Modalities
from pgmel.training.data import TrainingData

__all__ = ["collect_pools", "embed_all"]

CHUNK = 8192


def embed_all(embed: Callable[[Modalities], Tensor], inputs: Modalities) -> Float[Tensor, "rows dim"]:
    """Embed all rows, a chunk at a time, without gradients; the caller sees to evaluation mode."""
    with torch.no_grad():
        rows = torch.arange(inputs.shape[0], device=inputs.has_text.device)
        return torch.cat([embed(inputs.rows(part)) for part in torch.split(rows, CHUNK)])


def collect_pools(discriminator: Discriminator, data: TrainingData, size: int, gold_part: float) -> Pools:
    """Search every training mention's pool with the discriminator as it is.

    Every process does the same work and comes to the same pools.

    Args:
        discriminator: Left in training mode.
        data: Inputs, gold entities and duplicate groups.
        size: Places in a pool.
        gold_part: Share of the places that go to neighbours of the gold entity; 0 leaves the mention's own nearest entities.

    Source: refreshed neighbours, Xiong et al. 2021 (ANCE). Differs: exact search, between epochs.
    """
    discriminator.eval()
    mentions = embed_all(discriminator.embed_mentions, data.mentions)
    entities = embed_all(discriminator.embed_entities, data.entities)
    around = mentions
    if gold_part > 0:
        # As when the pools were first collected: the gold entity's own inputs, seen as if it were a mention.
        gold, places = torch.unique(data.gold_rows, return_inverse=True)
        around = embed_all(discriminator.embed_mentions, data.entities.rows(gold))[places]
    discriminator.train()
    mentions, around, entities = mentions.float(), around.float(), entities.float()
    return build_pools(
        mentions.cpu().numpy(),
        around.cpu().numpy(),
        entities.cpu().numpy(),
        data.gold_rows.cpu().numpy(),
        size,
        data.groups.cpu().numpy(),
        gold_part,
        str(data.gold_rows.device),
        show_progress=False,
    )
