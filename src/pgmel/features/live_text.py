"""Texts that a network in training encodes again and again: tokenised once, and each distinct text of a batch encoded once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, final

import numpy as np
import torch
from torch import Tensor, nn

from pgmel.errors import EncoderError
from pgmel.features.text_network import TextNetwork
from pgmel.progress import progress_bar

__all__ = ["LiveText", "TextNumbers"]

CHUNK: Final = 4096
"""Texts tokenised at once."""

ABSENT: Final = -1
"""Number of the empty text, whose vector is zero."""


@final
class TextNumbers:
    """Numbers distinct texts from 0 on, in the order in which they come; the empty text is ``ABSENT``."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def add(self, texts: Iterable[str]) -> np.ndarray:
        """Return each text's number: (texts,) int64."""
        return np.array([self._places.setdefault(text, len(self._places)) if text else ABSENT for text in texts], np.int64)

    @property
    def texts(self) -> list[str]:
        """All texts so far, by number."""
        return list(self._places)


@final
class LiveText:
    """The vectors of numbered texts under a network that changes.

    Args:
        network: Encodes.
        texts: Distinct texts that are not empty, by number.
        dim: Length of the vectors.
        batch_size: Texts in one pass through the network. Every pass holds texts of like length, so that little is padded.
        show_progress: Whether to show a bar while they are tokenised.
    """

    def __init__(self, network: TextNetwork, texts: Sequence[str], dim: int, batch_size: int, show_progress: bool = True) -> None:
        self.network = network
        self.dim = dim
        self._batch_size = batch_size
        flat: dict[str, list[np.ndarray]] = {}
        lengths = [np.zeros(0, np.int64)]
        with progress_bar("cutting texts to tokens", len(texts), unit="texts", show=show_progress) as bar:
            for start in range(0, len(texts), CHUNK):
                tokens = network.tokenise(texts[start : start + CHUNK])
                lengths.append(np.array([len(row) for row in tokens["input_ids"]], np.int64))
                for name, rows in tokens.items():
                    flat.setdefault(name, []).append(np.fromiter(chain.from_iterable(rows), np.int32))
                bar.advance(len(lengths[-1]))
        self.lengths = np.concatenate(lengths)
        self._ends = np.cumsum(self.lengths)
        self._flat = {name: np.concatenate(parts) for name, parts in flat.items()}

    def __len__(self) -> int:
        return len(self.lengths)

    def encode(self, numbers: Tensor) -> Tensor:
        """Encode texts, with a gradient where the network has one.

        Args:
            numbers: (texts,) distinct numbers of texts.

        Returns:
            (texts, dim) float32 unit rows in the same order.
        """
        chosen = numbers.cpu().numpy()
        if not len(chosen):
            return torch.zeros(0, self.dim, device=self.network.device)
        order = np.argsort(-self.lengths[chosen], kind="stable")
        with nn.utils.parametrize.cached():
            parts = [self._pass(chosen[order[start : start + self._batch_size]]) for start in range(0, len(order), self._batch_size)]
        back = torch.from_numpy(np.argsort(order)).to(self.network.device)
        return torch.cat(parts)[back]

    def encode_all(self, part: int = 0, parts: int = 1, show_progress: bool = False) -> Tensor:
        """Encode all texts without a gradient, or one of several parts that processes share out among themselves.

        Returns:
            (texts, dim) float16 unit rows, those of the other parts zero. How many parts there are changes no row.

        Raises:
            EncoderError: If a value is not finite.
        """
        order = np.argsort(-self.lengths, kind="stable")
        batches = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)][part::parts]
        table = torch.zeros(len(self), self.dim, dtype=torch.float16, device=self.network.device)
        with (
            torch.no_grad(),
            nn.utils.parametrize.cached(),
            progress_bar("encoding texts anew", sum(map(len, batches)), unit="texts", show=show_progress) as bar,
        ):
            for batch in batches:
                table[torch.from_numpy(batch).to(table.device)] = self._pass(batch).half()
                bar.advance(len(batch))
        if not bool(table.isfinite().all()):
            raise EncoderError("the text encoder in training gives values that are not finite; lower features.encoder_learning_rate")
        return table

    def _pass(self, numbers: np.ndarray) -> Tensor:
        tokens = {name: [values[end - length : end] for end, length in self._borders(numbers)] for name, values in self._flat.items()}
        vectors = self.network(self._padded(tokens))
        # bfloat16 would leave lengths, and with them every similarity, wrong in the third digit.
        return nn.functional.normalize(vectors.float(), dim=-1)

    def _padded(self, tokens: Mapping[str, Sequence[np.ndarray]]) -> dict[str, Tensor]:
        return self.network.pad({name: [row.tolist() for row in rows] for name, rows in tokens.items()})

    def _borders(self, numbers: np.ndarray) -> Iterator[tuple[int, int]]:
        return zip(self._ends[numbers].tolist(), self.lengths[numbers].tolist(), strict=True)
