"""What the game is played with, and the plain values that it is played by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float32, Int
from torch import Tensor

from pgmel.errors import SettingError
from pgmel.models import Modalities

__all__ = ["GameRules", "NeighbourLists", "TrainingData"]


class NeighbourLists(NamedTuple):
    """Neighbours of the gold entities by one rule.

    Attributes:
        of_mention: Number of the list of each mention's gold entity.
        rows: KB rows, nearest first; 0 where the mask is False.
        mask: True where the place holds a neighbour that may be a negative.
    """

    of_mention: Int[Tensor, "mentions"]
    rows: Int[Tensor, "lists listed"]
    mask: Bool[Tensor, "lists listed"]

    def to(self, device: torch.device) -> "NeighbourLists":
        """Move to a device."""
        return NeighbourLists(*(part.to(device) for part in self))


class TrainingData(NamedTuple):
    """Inputs of training, all on one device.

    Attributes:
        mentions: Inputs of the training mentions.
        entities: Inputs of the whole KB.
        gold_rows: KB row of each mention's gold entity.
        pool_rows: KB rows of each mention's candidate pool.
        pool_mask: True where a pool place is usable.
        pool_scores: Retrieval score of each candidate.
        groups: Number of each entity's duplicate group; the gold entity's duplicates are false negatives.
        likely_false: KB rows of each mention's likely false negatives, -1 for none; None where nobody looked for them.
        neighbours: Rule to neighbours of the gold entities, for the rules in use.
    """

    mentions: Modalities
    entities: Modalities
    gold_rows: Int[Tensor, "mentions"]
    pool_rows: Int[Tensor, "mentions candidates"]
    pool_mask: Bool[Tensor, "mentions candidates"]
    pool_scores: Float32[Tensor, "mentions candidates"]
    groups: Int[Tensor, "entities"]
    likely_false: Int[Tensor, "mentions likely"] | None = None
    neighbours: Mapping[str, NeighbourLists] = {}

    def to(self, device: torch.device) -> "TrainingData":
        """Move to a device."""
        moved = {name: part.to(device) for name, part in self._asdict().items() if hasattr(part, "to")}
        return self._replace(**moved, neighbours={rule: lists.to(device) for rule, lists in self.neighbours.items()})

    def tensors(self) -> Iterator[Tensor]:
        """Yield all tensors in a fixed order."""
        yield from (*self.mentions, *self.entities, *self[2:7])
        if self.likely_false is not None:
            yield self.likely_false
        for _, lists in sorted(self.neighbours.items()):
            yield from lists

    def are_likely_false(self, rows: Int[Tensor, "batch"], entities: Int[Tensor, "batch num"]) -> Bool[Tensor, "batch num"]:
        """Return which entities are likely false negatives of the mentions; none where nobody looked for them."""
        if self.likely_false is None:
            return torch.zeros_like(entities, dtype=torch.bool)
        return (entities.unsqueeze(2) == self.likely_false[rows].unsqueeze(1)).any(dim=2)

    def neighbours_of(self, rule: str, rows: Int[Tensor, "batch"]) -> tuple[Int[Tensor, "batch listed"], Bool[Tensor, "batch listed"]]:
        """Return rows and mask of the neighbours of the mentions' gold entities.

        Raises:
            SettingError: If the rule's lists were not prepared.
        """
        if rule not in self.neighbours:
            raise SettingError(f"negatives.sampler = {rule} needs lists of neighbours, which were not prepared")
        lists = self.neighbours[rule]
        number = lists.of_mention[rows]
        return lists.rows[number], lists.mask[number]


@final
@dataclass(frozen=True)
class GameRules:
    """Plain values that the game is played by; the settings of the same names say what each means."""

    num_negatives: int
    temperature: float
    margin: float
    objective: str
    infonce_weight: float
    infonce_temperature: float
    prior: str
    reward: str
    reward_temperature: float
    baseline: str
    draws: int
    entropy_weight: float
    bfloat16: bool = False
    estimator: str = "reinforce"
    clip_range: float = 0.2
    false_negative_penalty: float = 0.0
