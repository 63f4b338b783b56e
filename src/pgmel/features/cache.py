"""Vectors that were computed before, in one SQLite file per encoder: a content's digest leads to its float16 vector."""

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import Any, Self, final

import msgspec
import numpy as np

from pgmel.errors import EncoderError
from pgmel.features.database import CacheDatabase
from pgmel.files import hash_json

__all__ = ["CacheWriter", "VectorCache", "default_cache_dir"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_KEYS_AT_ONCE = 500

FLUSH_S = 2.0
"""Longest time that computed vectors stay in memory only."""


def default_cache_dir() -> Path:
    """Return ``$PGMEL_CACHE``, else the platform's folder for caches."""
    if chosen := os.environ.get("PGMEL_CACHE"):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "pgmel"
    try:
        home = Path.home()
    except RuntimeError:  # a container may run under a user without a home
        return Path(tempfile.gettempdir()) / "pgmel-cache"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "pgmel" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "pgmel"
    return home / ".cache" / "pgmel"


@final
class VectorCache:
    """The vectors of one encoder.

    Args:
        folder: Where the caches are; None keeps nothing.
        identity: Everything that the vectors depend on besides the content; it names the file.
    """

    def __init__(self, folder: Path | None, identity: Mapping[str, Any]) -> None:
        self.identity = dict(identity)
        name = f"{identity.get('kind', 'vectors')}-{hash_json(self.identity)[:20]}.sqlite"
        self._database = CacheDatabase(None if folder is None else folder / name, _SCHEMA)
        self._dim: int | None = None

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None where nothing is kept."""
        return self._database.file

    @property
    def dim(self) -> int | None:
        """Length of the vectors, or None if none was ever stored."""
        if self._dim is None and self.file is not None and self.file.exists():
            row = self._database.run(lambda db: db.execute("SELECT value FROM facts WHERE name = 'dim'").fetchone(), None)
            self._dim = int(row[0]) if row and row[0].isdigit() else None
        return self._dim

    def read(self, keys: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Look contents up.

        Returns:
            (keys, dim) float16 vectors, zero where unknown, and a (keys,) mask of those found; dim is 0 while nothing was ever stored.
        """
        found = np.zeros(len(keys), dtype=bool)
        dim = self.dim
        if not keys or dim is None:
            return np.zeros((len(keys), dim or 0), dtype=np.float16), found
        rows = {key: row for row, key in enumerate(keys)}
        vectors = np.zeros((len(keys), dim), dtype=np.float16)
        size = vectors.itemsize * dim
        for key, vector in self._database.run(lambda db: _select(db, list(rows)), None) or ():
            if len(vector) == size:  # a row of another length is none of ours; it will be computed and written again
                vectors[rows[key]] = np.frombuffer(vector, dtype=np.float16)
                found[rows[key]] = True
        return vectors, found

    def write(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Store (keys, dim) float16 vectors, all or none of them.

        Raises:
            EncoderError: If vectors of another length are stored under the same identity.
        """
        if self.dim not in (None, vectors.shape[1]):
            raise EncoderError(
                f"the cache {self.file} holds vectors of length {self.dim}, the encoder gives {vectors.shape[1]}; delete the file"
            )
        self._dim = int(vectors.shape[1])
        facts = {"dim": str(self._dim), "identity": msgspec.json.encode(self.identity).decode()}
        rows = [(key, vector.tobytes()) for key, vector in zip(keys, np.ascontiguousarray(vectors, dtype=np.float16), strict=True)]

        def store(db: Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())
            db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

        self._database.run(store, None)

    def writer(self) -> "CacheWriter":
        """Return a writer that stores every few seconds."""
        return CacheWriter(self)


@final
class CacheWriter:
    """Collects vectors and stores them every ``FLUSH_S`` seconds and at the end, also when the work is interrupted."""

    def __init__(self, cache: VectorCache) -> None:
        self._cache = cache
        self._keys: list[bytes] = []
        self._vectors: list[np.ndarray] = []
        self._flushed = time.monotonic()

    def add(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Take a batch of (keys, dim) float16 vectors."""
        self._keys += keys
        self._vectors.append(vectors)
        if time.monotonic() - self._flushed > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Store what was collected."""
        if self._keys:
            self._cache.write(self._keys, np.concatenate(self._vectors))
        self._keys, self._vectors = [], []
        self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.flush()


def _select(db: Connection, keys: list[bytes]) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[start : start + _KEYS_AT_ONCE]
        found += db.execute(f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(some))})", some)
    return found
