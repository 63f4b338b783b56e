"""Encode texts through the cache: each distinct text once, longest first, in batches of like length."""

from collections.abc import Sequence
from typing import final

import numpy as np

from pgmel.errors import EncoderError
from pgmel.features.cache import VectorCache
from pgmel.features.fingerprints import digest_bytes
from pgmel.features.protocols import TextEncoder
from pgmel.features.rows import ChannelReport
from pgmel.progress import progress_bar

__all__ = ["TextChannel", "unit_rows"]


@final
class TextChannel:
    """A text encoder with its cache.

    Args:
        encoder: The encoder.
        cache: Its cache.
        batch_size: Texts encoded at once.
    """

    def __init__(self, encoder: TextEncoder, cache: VectorCache, batch_size: int) -> None:
        self.encoder = encoder
        self.cache = cache
        self._batch_size = batch_size
        self._dim: int | None = None

    @property
    def dim(self) -> int:
        """Length of the vectors; the model is loaded to find out where the cache does not know."""
        if self._dim is None:
            self._dim = self.cache.dim or int(self.encoder.encode(["text"]).shape[1])
        return self._dim

    def encode(self, texts: Sequence[str], title: str, show_progress: bool) -> tuple[np.ndarray, np.ndarray, ChannelReport]:
        """Encode one text per row.

        Args:
            texts: The texts; an empty one means that the row has none.
            title: What stands before the progress bar.
            show_progress: Whether to show the bar.

        Returns:
            (rows, dim) float16 unit rows, zero where there is no text; a (rows,) mask of rows that have one; and the account.

        Raises:
            EncoderError: If the model cannot be loaded, or gives vectors that are not finite.
        """
        places = {text: place for place, text in enumerate(dict.fromkeys(text for text in texts if text))}
        present = np.array([bool(text) for text in texts], dtype=bool)
        distinct = list(places)
        keys = [digest_bytes(text.encode()) for text in distinct]
        vectors, found = self.cache.read(keys)
        todo = sorted(np.flatnonzero(~found).tolist(), key=lambda place: -len(distinct[place]))
        if todo:
            fresh = self._compute([distinct[place] for place in todo], [keys[place] for place in todo], title, show_progress)
            if not found.any():  # nothing was cached, perhaps not even the length of the vectors
                vectors = np.zeros((len(distinct), fresh.shape[1]), dtype=np.float16)
            vectors[todo] = fresh
        rows = np.zeros((len(texts), vectors.shape[1] if distinct else self.dim), dtype=np.float16)
        if distinct:
            rows[present] = vectors[[places[text] for text in texts if text]]
        return rows, present, ChannelReport(len(texts), int(present.sum()), len(todo), len(distinct) - len(todo))

    def _compute(self, texts: Sequence[str], keys: Sequence[bytes], title: str, show_progress: bool) -> np.ndarray:
        batches: list[np.ndarray] = []
        with self.cache.writer() as writer, progress_bar(title, len(texts), unit="texts", show=show_progress) as bar:
            for start in range(0, len(texts), self._batch_size):
                stop = start + self._batch_size
                batch = unit_rows(self.encoder.encode(texts[start:stop]), self.encoder.name)
                writer.add(keys[start:stop], batch)
                batches.append(batch)
                bar.advance(len(batch))
        return np.concatenate(batches)


def unit_rows(vectors: np.ndarray, name: str) -> np.ndarray:
    """Scale (rows, dim) vectors to unit length, as float16.

    Raises:
        EncoderError: If a value is not finite.
    """
    if not np.isfinite(vectors).all():
        raise EncoderError(f"the encoder {name!r} returns values that are not finite; its weights are damaged or overflow on this device")
    lengths = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    return np.asarray((vectors / np.maximum(lengths, 1e-12)).astype(np.float16))
