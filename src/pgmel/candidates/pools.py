"""Candidate pools for training: the entities most easily taken for a mention's gold entity."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64

from pgmel.progress import progress_bar

__all__ = ["Pools", "build_pools", "duplicate_groups"]

CHUNK = 256
"""Mentions compared with the whole KB at once, at most."""

MOST_SCORES = 1 << 26
"""Scores held at once, at most: fewer mentions at a time where the KB is large, or a million entities would take gigabytes."""


class Pools(NamedTuple):
    """Candidate pools of mentions.

    Attributes:
        rows: (mentions, size) KB rows, highest retrieval score first; 0 where the mask is False.
        mask: (mentions, size) True where the place holds a usable candidate.
        scores: (mentions, size) retrieval score of each candidate for its mention, -1 to 1; 0 where the mask is False.
    """

    rows: Int64[np.ndarray, "mentions size"]
    mask: Bool[np.ndarray, "mentions size"]
    scores: Float32[np.ndarray, "mentions size"]


def duplicate_groups(texts: Sequence[str]) -> Int64[np.ndarray, "entities"]:
    """Number entities so that those with equal text share a number."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)


def build_pools(
    mentions: Float32[np.ndarray, "mentions dim"],
    gold_mentions: Float32[np.ndarray, "mentions dim"],
    entities: Float32[np.ndarray, "entities dim"],
    gold_rows: Int64[np.ndarray, "mentions"],
    size: int,
    groups: Int64[np.ndarray, "entities"],
    gold_part: float = 0.25,
    device: str = "cpu",
    show_progress: bool = True,
) -> Pools:
    """Collect each mention's neighbours and its gold entity's neighbours.

    Args:
        mentions: Vectors of the mentions.
        gold_mentions: What to search with for neighbours of the gold entity: the gold entity's own vector, mention by mention.
        entities: Vectors of the KB. The vectors carry dense text, character n-grams and pictures, so one search finds lexical,
            semantic and visual neighbours.
        gold_rows: KB row of each mention's gold entity.
        size: Places in a pool; fewer are usable where the KB is small.
        groups: Number of each entity's duplicate group; the gold entity's whole group is left out as false negatives.
        gold_part: Share of the places that go to neighbours of the gold entity, 0 to 1.
        device: Where the products are computed.
        show_progress: Whether to show a bar.
    """
    count = len(mentions)
    wanted = min(size, len(entities))
    near_gold = min(round(wanted * gold_part), wanted)
    rows = np.zeros((count, size), np.int64)
    mask = np.zeros((count, size), bool)
    scores = np.zeros((count, size), np.float32)
    step = max(1, min(CHUNK, MOST_SCORES // max(len(entities), 1)))
    table = torch.from_numpy(entities).to(device)
    group = torch.from_numpy(groups).to(device)
    with progress_bar("candidate pools", count, unit="mentions", show=show_progress) as bar, torch.inference_mode():
        for start in range(0, count, step):
            part = slice(start, start + step)
            own = torch.from_numpy(mentions[part]).to(device) @ table.T
            hidden = group.unsqueeze(0) == group[torch.from_numpy(gold_rows[part]).to(device)].unsqueeze(1)
            # Neighbours of the gold entity are put first in line, then the mention's own fill what is left.
            chosen = own.masked_fill(hidden, -torch.inf)
            if near_gold:
                around = (torch.from_numpy(gold_mentions[part]).to(device) @ table.T).masked_fill_(hidden, -torch.inf)
                chosen.scatter_add_(1, around.topk(near_gold, dim=1).indices, torch.full((len(own), near_gold), 4.0, device=own.device))
            best = chosen.topk(wanted, dim=1)
            usable = torch.isfinite(best.values)
            value = own.gather(1, best.indices).masked_fill(~usable, -torch.inf)
            order = value.argsort(dim=1, descending=True, stable=True)
            columns, usable = best.indices.gather(1, order), usable.gather(1, order)
            rows[part, :wanted] = torch.where(usable, columns, 0).cpu().numpy()
            mask[part, :wanted] = usable.cpu().numpy()
            scores[part, :wanted] = torch.where(usable, value.gather(1, order), 0).cpu().numpy()
            bar.advance(len(own))
    return Pools(rows, mask, scores)
