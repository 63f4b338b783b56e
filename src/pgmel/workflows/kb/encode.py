"""Turn rows of a KB into vectors, a part at a time: a KB of millions is never in memory, neither as objects nor as features."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pgmel.features import Encoders, FeatureReport
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.models import Embedder
from pgmel.progress import Bar, progress_bar
from pgmel.records import Entity

__all__ = ["encode_rows", "index_kb"]

log = logging.getLogger("pgmel.workflows")

ROWS_AT_ONCE = 16_384


def encode_rows(
    kb: KnowledgeBase, rows: Sequence[int] | npt.NDArray[np.int64], encoders: Encoders, embedder: Embedder, show_progress: bool = True
) -> npt.NDArray[np.float16]:
    """Return the vectors of some rows: (rows, dim), in their order."""
    vectors = np.zeros((len(rows), embedder.dim), dtype=np.float16)
    with progress_bar("Entities", len(rows), unit="entities", show=show_progress) as bar:
        parts = (kb.get_many(rows[start : start + ROWS_AT_ONCE]) for start in range(0, len(rows), ROWS_AT_ONCE))
        start = 0
        for part in parts:
            _encode_part(part, encoders, embedder, vectors[start : start + len(part)], bar)
            start += len(part)
    return vectors


@contextmanager
def index_kb(
    kb: KnowledgeBase,
    encoders: Encoders,
    embedder: Embedder,
    kind: str,
    exact_limit: int,
    nprobe: int,
    refine: int,
    rng: np.random.Generator,
    folder: Path,
    show_progress: bool = True,
) -> Iterator[tuple[EntityIndex, FeatureReport]]:
    """Encode a whole KB and index it; the vectors lie in a temporary file while the block runs.

    Args:
        kb: The KB.
        encoders: Encode its entities.
        embedder: The model.
        kind: As ``EntityIndex.build``.
        exact_limit: As ``EntityIndex.build``.
        nprobe: As ``EntityIndex.build``.
        refine: As ``EntityIndex.build``.
        rng: As ``EntityIndex.build``.
        folder: Where the temporary file is made; float16 vectors of all rows must fit there.
        show_progress: Whether to show a bar.
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = FeatureReport()
    with tempfile.TemporaryFile(prefix=".pgmel-vectors.", dir=folder) as file:
        shape = (kb.num_rows, embedder.dim)
        vectors = np.memmap(file, dtype=np.float16, mode="w+", shape=shape) if kb.num_rows else np.zeros(shape, dtype=np.float16)
        with progress_bar("Entities", len(kb), unit="entities", show=show_progress) as bar:
            for rows, entities in kb.iter_chunks(ROWS_AT_ONCE):
                part = np.zeros((len(rows), embedder.dim), dtype=np.float16)
                report = report + _encode_part(entities, encoders, embedder, part, bar)
                vectors[rows] = part
        for line in report.lines():
            log.info("entities: %s", line)
        for problem in report.problems[:3]:
            log.warning("entities: unusable picture: %s", problem)
        yield EntityIndex.build(vectors, kind, exact_limit, nprobe, refine, rng, holes=kb.free_rows()), report


def _encode_part(
    entities: Sequence[Entity], encoders: Encoders, embedder: Embedder, vectors: npt.NDArray[np.float16], bar: Bar
) -> FeatureReport:
    start, report = 0, FeatureReport()
    for features in encoders.stream_entities(entities, show_progress=False):
        vectors[start : start + len(features)] = embedder.embed_entities(features)
        start += len(features)
        report = report + features.report
        bar.advance(len(features))
    return report
