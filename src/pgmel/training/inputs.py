"""Where the discriminator's inputs come from: a table made once, or a text encoder that learns along with it."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, final

import torch
from jaxtyping import Float16, Int
from torch import Tensor

from pgmel.features.live_text import LiveText
from pgmel.models import Modalities

__all__ = ["Inputs", "LiveInputs", "LiveSide", "TableInputs"]

CHUNK = 8192


class Inputs(Protocol):
    """Gives the inputs of a batch's mentions and entities."""

    def __call__(self, mentions: Int[Tensor, "batch"], *entities: Int[Tensor, "..."]) -> tuple[Modalities, ...]:
        """Return the mentions' inputs, then those of each index of entities, in its shape."""
        ...


@final
class TableInputs:
    """Looks inputs up: the encoders are frozen."""

    def __init__(self, mentions: Modalities, entities: Modalities) -> None:
        self._mentions = mentions
        self._entities = entities

    def __call__(self, mentions: Int[Tensor, "batch"], *entities: Int[Tensor, "..."]) -> tuple[Modalities, ...]:
        """Return the mentions' inputs, then those of each index of entities."""
        return self._mentions.rows(mentions), *(self._entities.rows(rows) for rows in entities)


class LiveSide(NamedTuple):
    """Mentions, or entities, of which a part of the text input is computed anew all the time.

    Attributes:
        fixed: Inputs whose text lacks what the text encoder contributes; it may have no columns.
        texts: Channel to (rows,) number of the row's text, -1 where it has none.
    """

    fixed: Modalities
    texts: Mapping[str, Int[Tensor, "rows"]]


@final
class LiveInputs:
    """Encodes the texts of a batch, each distinct one once, and adds them to the fixed rest of the inputs.

    ``text = fixed + sum over channels of unit(encoder(text)) @ map``, which is what the fixed projection computes from cached vectors.

    Args:
        text: The texts and the network that encodes them.
        maps: Channel to the (dim of the encoder's vectors, dim_text) matrix of the projection.
        mentions: Training mentions.
        entities: The KB.
    """

    def __init__(self, text: LiveText, maps: Mapping[str, Tensor], mentions: LiveSide, entities: LiveSide) -> None:
        self.text = text
        self._maps = dict(maps)
        self._mentions = mentions
        self._entities = entities

    def __call__(self, mentions: Int[Tensor, "batch"], *entities: Int[Tensor, "..."]) -> tuple[Modalities, ...]:
        """Return the mentions' inputs, then those of each index of entities; gradients flow into the network."""
        wanted = [(self._mentions, mentions), *((self._entities, rows) for rows in entities)]
        numbers = [side.texts[channel][rows] for side, rows in wanted for channel in self._maps]
        distinct, places = torch.unique(torch.cat([part.reshape(-1) for part in numbers]), return_inverse=True)
        vectors = self.text.encode(distinct[distinct >= 0])
        if len(vectors) < len(distinct):  # the first number is that of the empty text
            vectors = torch.cat([vectors.new_zeros(1, self.text.dim), vectors])
        found = (vectors[part] for part in torch.split(places, [part.numel() for part in numbers]))
        return tuple(self._put_together(side.fixed.rows(rows), {channel: next(found) for channel in self._maps}) for side, rows in wanted)

    def from_table(self, table: Float16[Tensor, "texts dim"]) -> tuple[Modalities, Modalities]:
        """Return the inputs of all mentions and of the whole KB, with the texts' vectors as a table has them."""
        return self._look_up(self._mentions, table), self._look_up(self._entities, table)

    def _look_up(self, side: LiveSide, table: Tensor) -> Modalities:
        rows = torch.arange(len(side.fixed.has_text), device=side.fixed.has_text.device)
        parts: list[Modalities] = []
        for part in torch.split(rows, CHUNK):
            vectors = {channel: table[numbers[part]].float() * (numbers[part] >= 0).unsqueeze(1) for channel, numbers in side.texts.items()}
            parts.append(self._put_together(side.fixed.rows(part), vectors))
        return Modalities(*(torch.cat(columns) for columns in zip(*parts, strict=True)))

    def _put_together(self, fixed: Modalities, vectors: Mapping[str, Tensor]) -> Modalities:
        text = sum((vectors[channel] @ matrix for channel, matrix in self._maps.items()), torch.zeros(()))
        text = text.reshape(*fixed.has_text.shape, text.shape[-1])
        return fixed._replace(text=text + fixed.text if fixed.text.shape[-1] else text)
