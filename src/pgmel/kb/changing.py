"""Change a KB file: entities come, change and go in one transaction, and only their rows are touched."""

import heapq
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np

from pgmel.errors import DataError, KnowledgeBaseError
from pgmel.kb.codec import FINGERPRINT_MODULUS, entity_from_values, fingerprint_of, values_of
from pgmel.kb.schema import check_file, connect, settle
from pgmel.records import Entity

__all__ = ["Change", "change_file", "move_image_root"]

_COLUMNS = "row, id, name, description, aliases, images, attributes"


@final
class Change:
    """A change in progress; made by ``change_file``.

    Rows that entities left are taken again, the lowest first, so that the rows stay close together; no other entity ever moves.

    Attributes:
        written: Rows of entities that came or changed.
        freed: Rows that hold no entity any more.
    """

    def __init__(self, connection: sqlite3.Connection, image_root: Path | None, fingerprint: int) -> None:
        self._connection = connection
        self._image_root = image_root
        self._fingerprint = fingerprint
        ((count, last),) = connection.execute("SELECT count(*), max(row) FROM entities")
        self._end = 0 if last is None else last + 1
        self._free = _free_rows(connection, self._end) if count < self._end else []
        self.written: set[int] = set()
        self.freed: set[int] = set()

    @property
    def fingerprint(self) -> str:
        """The KB's fingerprint after what was done so far."""
        return f"{self._fingerprint:032x}"

    def find(self, entity_id: str) -> Entity | None:
        """Return an entity as it is now, or None."""
        values = self._values(entity_id)
        return None if values is None else entity_from_values(values[1:], self._image_root)

    def add(self, entity: Entity) -> int:
        """Add an entity; return its row.

        Raises:
            DataError: If its id is there already, or it breaks a rule of the store.
        """
        row = self._free[0] if self._free else self._end
        values = values_of(entity, row, self._image_root)
        if self._values(entity.id) is not None:
            raise DataError(f"the id {entity.id!r} is in the knowledge base already", fix="Use `pgmel kb update` to change entities")
        self._connection.execute(f"INSERT INTO entities ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        if self._free:
            heapq.heappop(self._free)
        self._end = max(self._end, row + 1)
        self._count(fingerprint_of(values))
        self.written.add(row)
        self.freed.discard(row)
        return row

    def replace(self, entity: Entity) -> int | None:
        """Put an entity in the place of the one with its id; return its row, or None where nothing is different.

        Raises:
            DataError: If no entity has its id, or it breaks a rule of the store.
        """
        old = self._values(entity.id)
        if old is None:
            raise DataError(f"the id {entity.id!r} is not in the knowledge base", fix="Use `pgmel kb add` for new entities")
        values = values_of(entity, old[0], self._image_root)
        if tuple(values) == tuple(old):
            return None
        self._connection.execute(f"INSERT OR REPLACE INTO entities ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        self._count(fingerprint_of(values) - fingerprint_of(old))
        self.written.add(old[0])
        return int(old[0])

    def remove(self, entity_id: str) -> int:
        """Remove an entity; return the row that it leaves.

        Raises:
            DataError: If no entity has that id.
        """
        old = self._values(entity_id)
        if old is None:
            raise DataError(f"the id {entity_id!r} is not in the knowledge base", fix="Remove the line")
        self._connection.execute("DELETE FROM entities WHERE row = ?", (old[0],))
        self._count(-fingerprint_of(old))
        heapq.heappush(self._free, old[0])
        self.freed.add(old[0])
        self.written.discard(old[0])
        return int(old[0])

    def _values(self, entity_id: str) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._connection.execute(f"SELECT {_COLUMNS} FROM entities WHERE id = ?", (entity_id,)).fetchone()
        return found

    def _count(self, difference: int) -> None:
        self._fingerprint = (self._fingerprint + difference) % FINGERPRINT_MODULUS


@contextmanager
def change_file(path: Path, image_root: Path | None = None) -> Iterator[Change]:
    """Change a KB: all that the block does is kept when it ends well, and nothing of it otherwise, also after a crash.

    Args:
        path: The file.
        image_root: Folder that picture paths are relative to, where it moved since the KB was built.

    Raises:
        KnowledgeBaseError: If the file is missing, damaged, no KB, may not be written to, or is being changed by another process.
    """
    check_file(path)
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        raise KnowledgeBaseError(f"the knowledge base {path} may not be changed; make the file and its folder writable")
    settle(path)
    try:
        with closing(connect(path, "rw")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
            if image_root is not None:
                _store(connection, "image_root", image_root.absolute().as_posix())
            root = image_root or (Path(meta["image_root"]) if meta.get("image_root") else None)
            change = Change(connection, None if root is None else root.absolute(), int(meta.get("fingerprint") or "0", 16))
            yield change  # where the block raises, closing the connection undoes everything
            _store(connection, "fingerprint", change.fingerprint)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise KnowledgeBaseError(f"the knowledge base {path} cannot be changed: {error}") from None


def move_image_root(path: Path, image_root: Path | None) -> None:
    """Say in a KB which folder its picture paths are relative to now; does nothing where that is None.

    Raises:
        KnowledgeBaseError: As ``change_file``.
    """
    if image_root is not None:
        with change_file(path, image_root):
            pass


def _store(connection: sqlite3.Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def _free_rows(connection: sqlite3.Connection, end: int) -> list[int]:
    """Return the rows below ``end`` that hold no entity, in rising order (which is a heap)."""
    taken = np.zeros(end, dtype=bool)
    taken[np.fromiter((row for (row,) in connection.execute("SELECT row FROM entities")), dtype=np.int64)] = True
    free: list[int] = np.flatnonzero(~taken).tolist()
    return free
