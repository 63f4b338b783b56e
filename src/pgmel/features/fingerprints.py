"""Digests of files, remembered by path, size and time of change, so that a second run reads neither 8,000 pictures nor the weights."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import final

from pgmel.errors import EncoderError
from pgmel.features.database import CacheDatabase
from pgmel.files import hash_bytes

__all__ = ["DIGEST_BYTES", "FileDigests", "FileState", "digest_bytes", "fingerprint_files"]

DIGEST_BYTES = 16
SETTLED_NS = 2_000_000_000
"""A file changed less than this before it was read may change again without its time showing it; its digest is not remembered."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, digest BLOB NOT NULL)"


def digest_bytes(content: bytes) -> bytes:
    """Return the 128-bit digest of a content."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()


@final
@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was at one moment."""

    path: bytes
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "FileState | None":
        """Return the file's state, or None if nothing is there or the path is impossible."""
        try:
            state = path.stat()
        except (OSError, ValueError):
            return None
        return cls(os.fsencode(path.absolute()), state.st_size, state.st_mtime_ns)


@final
class FileDigests:
    """Digests of files known from before.

    Args:
        folder: Where the caches are; None remembers nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._database = CacheDatabase(None if folder is None else folder / "files.sqlite", _SCHEMA)

    def look_up(self, states: Sequence[FileState]) -> list[bytes | None]:
        """Return the digest of each file that has not changed since it was remembered, else None."""
        known = self._database.run(lambda db: _select(db, states), None)
        return [known.get(state) if known else None for state in states]

    def remember(self, digests: Mapping[FileState, bytes]) -> None:
        """Remember the digests of files whose state was taken before they were read."""
        now = time.time_ns()
        rows = [(s.path, s.size, s.mtime_ns, digest) for s, digest in digests.items() if now - s.mtime_ns > SETTLED_NS]
        if rows:
            self._database.run(lambda db: db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows).rowcount, 0)


def fingerprint_files(folder: Path, names: Sequence[str], digests: FileDigests) -> str:
    """Return a digest of the names and contents of some files of a folder; where the folder lies does not matter.

    Raises:
        EncoderError: If a file cannot be read.
    """
    states = {name: state for name in sorted(names) if (state := FileState.of(folder / name))}
    known = dict(zip(states, digests.look_up(list(states.values())), strict=True))
    computed: dict[FileState, bytes] = {}
    parts: list[bytes] = []
    for name, state in states.items():
        digest = known[name]
        if digest is None:
            digest = computed[state] = _digest_file(folder / name)
        parts += [name.encode(), digest]
    digests.remember(computed)
    return hash_bytes(*parts)


def _digest_file(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).digest()
    except OSError as error:
        raise EncoderError(f"the model's file {file} cannot be read ({error.strerror})") from None


def _select(db: Connection, states: Sequence[FileState]) -> dict[FileState, bytes]:
    known: dict[FileState, bytes] = {}
    for state in states:
        row = db.execute("SELECT size, mtime_ns, digest FROM files WHERE path = ?", (state.path,)).fetchone()
        if row and (row[0], row[1]) == (state.size, state.mtime_ns):
            known[state] = row[2]
    return known
