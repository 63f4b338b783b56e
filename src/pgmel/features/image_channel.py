"""Encode pictures through the cache: each distinct content once, decoded in threads while the model is busy with others."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, final

import numpy as np
from PIL import Image

from pgmel.errors import EncoderError
from pgmel.features.cache import VectorCache
from pgmel.features.fingerprints import FileDigests, FileState, digest_bytes
from pgmel.features.protocols import ImageEncoder
from pgmel.pictures import PictureFault, open_picture, read_picture_bytes
from pgmel.progress import progress_bar

__all__ = ["ImageChannel", "Pictures", "tame"]

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_ASPECT = 32
MIN_SIDE = 8


@final
class Pictures:
    """What became of some picture files.

    ``vectors`` is (usable contents, dim) float16, the encoder's own output; ``places`` leads from a usable path to its row, ``faults`` from
    any other path to what is wrong with it; ``encoded`` and ``cached`` count distinct contents.
    """

    def __init__(self, dim: int) -> None:
        self.vectors: np.ndarray = np.zeros((0, dim), dtype=np.float16)
        self.places: dict[Path, int] = {}
        self.faults: dict[Path, PictureFault] = {}
        self.encoded = 0
        self.cached = 0


@final
class ImageChannel:
    """An image encoder with its cache.

    Args:
        encoder: The encoder.
        cache: Its cache.
        digests: Digests of picture files known from before.
        batch_size: Pictures encoded at once.
    """

    def __init__(self, encoder: ImageEncoder, cache: VectorCache, digests: FileDigests, batch_size: int) -> None:
        self.encoder = encoder
        self.cache = cache
        self._digests = digests
        self._batch_size = batch_size
        self._workers = min(4, os.cpu_count() or 1)
        self._dim: int | None = None

    @property
    def dim(self) -> int:
        """Length of the vectors; the model is loaded to find out where the cache does not know."""
        if self._dim is None:
            self._dim = self.cache.dim or self._probe()
        return self._dim

    def _probe(self) -> int:
        grey = self.encoder.prepare(Image.new("RGB", (64, 64), (128, 128, 128)))
        return int(self.encoder.encode([grey]).shape[1])

    def encode(self, paths: Iterable[Path], title: str, show_progress: bool) -> Pictures:
        """Encode picture files.

        Args:
            paths: The files; the same may come several times.
            title: What stands before the progress bar.
            show_progress: Whether to show the bar.

        Raises:
            EncoderError: If the model or its preprocessing fails. Faults of pictures are returned, not raised.
        """
        with ThreadPoolExecutor(self._workers, thread_name_prefix="pgmel-pictures") as pool:
            digests, faults = self._digest(list(dict.fromkeys(paths)), pool)
            sources: dict[bytes, Path] = {}
            for path, digest in digests.items():
                sources.setdefault(digest, path)
            keys = list(sources)
            vectors, found = self.cache.read(keys)
            rows = {key: vectors[place] for place, key in enumerate(keys) if found[place]}
            todo = [(key, sources[key]) for key in keys if key not in rows]
            broken = self._compute(todo, pool, rows, title, show_progress) if todo else {}
        pictures = Pictures(len(next(iter(rows.values()))) if rows else self.dim)
        if rows:
            pictures.vectors = np.stack(list(rows.values()))
        order = {key: place for place, key in enumerate(rows)}
        pictures.places = {path: order[digest] for path, digest in digests.items() if digest in order}
        pictures.faults = faults | {path: broken[digest] for path, digest in digests.items() if digest in broken}
        pictures.cached = int(found.sum())
        pictures.encoded = len(rows) - pictures.cached
        return pictures

    def _digest(self, paths: Sequence[Path], pool: ThreadPoolExecutor) -> tuple[dict[Path, bytes], dict[Path, PictureFault]]:
        """Return the digest of each readable file, from memory where it has not changed, and what is wrong with the others."""
        states = {path: state for path in paths if (state := FileState.of(path))}
        known = dict(zip(states, self._digests.look_up(list(states.values())), strict=True))
        digests = {path: digest for path, digest in known.items() if digest is not None}
        faults: dict[Path, PictureFault] = {}
        fresh: dict[FileState, bytes] = {}
        unknown = [path for path in paths if path not in digests]
        for path, digest in zip(unknown, pool.map(_digest_picture, unknown), strict=True):
            if isinstance(digest, PictureFault):
                faults[path] = digest
            else:
                digests[path] = digest
                if path in states:
                    fresh[states[path]] = digest
        self._digests.remember(fresh)
        return {path: digests[path] for path in paths if path in digests}, faults

    def _compute(
        self, todo: Sequence[tuple[bytes, Path]], pool: ThreadPoolExecutor, rows: dict[bytes, np.ndarray], title: str, show_progress: bool
    ) -> dict[bytes, PictureFault]:
        """Decode and encode, adding to ``rows``; return the faults of those that cannot be decoded."""
        broken: dict[bytes, PictureFault] = {}
        with self.cache.writer() as writer, progress_bar(title, len(todo), unit="pictures", show=show_progress) as bar:
            for batch in _batches(_mapped(pool, self._prepare, todo, ahead=2 * self._batch_size), self._batch_size):
                usable = [(key, value) for key, value in batch if not isinstance(value, PictureFault)]
                broken |= {key: value for key, value in batch if isinstance(value, PictureFault)}
                self._encode_batch(usable, rows, writer.add)
                bar.advance(len(batch))
        return broken

    def _encode_batch(
        self, batch: Sequence[tuple[bytes, Any]], rows: dict[bytes, np.ndarray], store: Callable[[Sequence[bytes], np.ndarray], None]
    ) -> None:
        if not batch:
            return
        keys = [key for key, _ in batch]
        vectors = self.encoder.encode([value for _, value in batch])
        if not np.isfinite(vectors).all():
            raise EncoderError(
                f"the encoder {self.encoder.name!r} returns values that are not finite; its weights are damaged or overflow on this device"
            )
        limit = float(np.finfo(np.float16).max)
        halves = np.clip(vectors, -limit, limit).astype(np.float16)
        store(keys, halves)
        rows.update(zip(keys, halves, strict=True))

    def _prepare(self, item: tuple[bytes, Path]) -> tuple[bytes, Any]:
        key, path = item
        try:
            picture = tame(open_picture(path, target=self.encoder.target))
        except PictureFault as fault:
            return key, fault
        try:
            return key, self.encoder.prepare(picture)
        except EncoderError:
            raise
        except Exception as error:
            raise EncoderError(f"the preprocessing of the image encoder {self.encoder.name!r} fails on {path}: {error}") from error


def tame(picture: Image.Image) -> Image.Image:
    """Cut the middle out of a picture more than 32 times as long as wide, and enlarge one with a side under 8 pixels.

    Scaling a 1 x 10,000 line until its short side fits a model would take gigabytes, and preprocessors mistake a picture of height 3 for
    one whose channels come first.
    """
    width, height = picture.size
    if max(width, height) > MAX_ASPECT * min(width, height):
        new_width, new_height = min(width, MAX_ASPECT * height), min(height, MAX_ASPECT * width)
        left, top = (width - new_width) // 2, (height - new_height) // 2
        picture = picture.crop((left, top, left + new_width, top + new_height))
        width, height = picture.size
    if min(width, height) < MIN_SIDE:
        scale = MIN_SIDE / min(width, height)
        picture = picture.resize((max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale))), Image.Resampling.BILINEAR)
    return picture


def _digest_picture(path: Path) -> bytes | PictureFault:
    try:
        return digest_bytes(read_picture_bytes(path))
    except PictureFault as fault:
        return fault


def _mapped(pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Map in threads, in order, never more than ``ahead`` results in memory: ``pool.map`` would decode everything at once."""
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
