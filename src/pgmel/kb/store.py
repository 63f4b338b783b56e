"""The knowledge base: entities in one SQLite file."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final

import msgspec
import numpy as np
import numpy.typing as npt

from pgmel.errors import KnowledgeBaseError
from pgmel.kb.codec import decode_attributes, entity_from_values
from pgmel.kb.create import write_file
from pgmel.kb.schema import check_file, connect, settle
from pgmel.records import Entity

__all__ = ["KnowledgeBase"]

_COLUMNS: Final = "id, name, description, aliases, images, attributes"
_CHUNK: Final = 4096


@final
class KnowledgeBase:
    """Entities addressed by integer row inside and by id outside; open one with ``create`` or ``open``.

    Rows are dense, 0 to n-1 in the order given, after ``create``; ``change_file`` may leave holes. Several threads may
    read the same object. A file on a disk that cannot be written to is read without locks.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, image_root: Path | None) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.Lock()
        meta: dict[str, str] = dict(self._read("SELECT key, value FROM meta"))
        if image_root is None and meta.get("image_root"):
            image_root = Path(meta["image_root"])
        self._image_root = image_root
        self._fingerprint: str = meta.get("fingerprint", "")
        ((count, last),) = self._read("SELECT count(*), max(row) FROM entities")
        self._count: int = count
        self._num_rows: int = 0 if last is None else last + 1

    @classmethod
    def create(cls, path: Path, entities: Iterable[Entity], image_root: Path | None = None, show_progress: bool = False) -> Self:
        """Write a new KB and open it for reading; an old file of that name is replaced when all is written, or left as it was.

        Args:
            path: The file to write.
            entities: Read once, one after the other; they need not fit into memory.
            image_root: Picture paths below this folder are stored relative to it.
            show_progress: Whether to show a bar.

        Raises:
            DataError: If two entities share an id (names both places), or an id is empty, ``NIL`` or not valid Unicode.
            KnowledgeBaseError: If the file cannot be written.
        """
        write_file(path, entities, None if image_root is None else image_root.absolute(), show_progress)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, writable: bool = False, image_root: Path | None = None) -> Self:
        """Open a KB.

        Args:
            path: The file.
            writable: Whether it will be changed.
            image_root: Folder that picture paths are relative to, where it moved since the KB was built.

        Raises:
            KnowledgeBaseError: If the file is missing, damaged, no KB, of another version, or may not be written to.
        """
        check_file(path)
        if writable and not os.access(path, os.W_OK):
            raise KnowledgeBaseError(f"the knowledge base {path} may not be changed; make the file and its folder writable")
        settle(path)
        try:
            connection = connect(path, "rw" if writable else _reading_mode(path))
        except sqlite3.Error as error:
            raise KnowledgeBaseError(f"the knowledge base {path} cannot be opened: {error}") from None
        try:
            return cls(path, connection, image_root)
        except BaseException:
            connection.close()
            raise

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def num_rows(self) -> int:
        """One more than the largest row: the rows an index over this KB must have."""
        return self._num_rows

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that change with any row's content."""
        return self._fingerprint

    @property
    def image_root(self) -> Path | None:
        """Folder that stored picture paths are relative to."""
        return self._image_root

    def __len__(self) -> int:
        return self._count

    def __contains__(self, entity_id: object) -> bool:
        return isinstance(entity_id, str) and self.rows_of([entity_id])[0] >= 0

    def get(self, entity_id: str) -> Entity:
        """Return one entity.

        Raises:
            KnowledgeBaseError: If no entity has that id.
        """
        found = self._read(f"SELECT {_COLUMNS} FROM entities WHERE id = ?", (entity_id,)) if _is_unicode(entity_id) else []
        if not found:
            raise KnowledgeBaseError(f"the knowledge base {self._path} has no entity {entity_id!r}")
        return self._decode(found)[0]

    def get_many(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[Entity]:
        """Return the entities of rows, in their order; a row may be asked for twice.

        Raises:
            KnowledgeBaseError: If a row holds no entity.
        """
        return self._decode(self._by_row(_COLUMNS, rows))

    def ids_of(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[str]:
        """Return the ids of rows.

        Raises:
            KnowledgeBaseError: If a row holds no entity.
        """
        return [values[0] for values in self._by_row("id", rows)]

    def names_of(self, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[str]:
        """Return the names of rows.

        Raises:
            KnowledgeBaseError: If a row holds no entity.
        """
        return [values[0] for values in self._by_row("name", rows)]

    def rows_of(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the rows of ids, -1 where an id is unknown."""
        found: dict[str, int] = {}
        for start in range(0, len(ids), _CHUNK):
            # An id that is not valid Unicode cannot be in the KB.
            wanted = [entity_id for entity_id in ids[start : start + _CHUNK] if _is_unicode(entity_id)]
            found.update(self._read("SELECT id, row FROM entities WHERE id IN (SELECT value FROM json_each(?))", (_as_json(wanted),)))
        return np.fromiter((found.get(entity_id, -1) for entity_id in ids), dtype=np.int64, count=len(ids))

    def iter_entities(self, chunk: int = _CHUNK) -> Iterator[Entity]:
        """Yield all entities in the order of their rows, reading so many at once."""
        for _, entities in self.iter_chunks(chunk):
            yield from entities

    def iter_chunks(self, chunk: int = _CHUNK) -> Iterator[tuple[npt.NDArray[np.int64], list[Entity]]]:
        """Yield rows and entities, so many at once, in the order of rows."""
        last = -1
        while found := self._read(f"SELECT row, {_COLUMNS} FROM entities WHERE row > ? ORDER BY row LIMIT ?", (last, chunk)):
            last = found[-1][0]
            yield np.array([values[0] for values in found], dtype=np.int64), self._decode([values[1:] for values in found])

    def attributes_between(self, start: int, stop: int) -> list[Mapping[str, str]]:
        """Return the attributes of the entities in rows ``start`` to ``stop - 1`` that have any, in the order of rows."""
        read = "SELECT attributes FROM entities WHERE row >= ? AND row < ? AND attributes IS NOT NULL ORDER BY row"
        try:
            return [decode_attributes(text) for (text,) in self._read(read, (start, stop))]
        except msgspec.DecodeError as error:
            raise self._damaged(error) from None

    def free_rows(self) -> npt.NDArray[np.int64]:
        """Return the rows below ``num_rows`` that hold no entity, in rising order."""
        if self._count == self._num_rows:
            return np.empty(0, dtype=np.int64)
        free = np.ones(self._num_rows, dtype=bool)
        free[np.array(self._read("SELECT row FROM entities"), dtype=np.int64).reshape(-1)] = False
        return np.flatnonzero(free)

    def all_ids(self) -> list[str]:
        """Return all ids in the order of their rows."""
        return [entity_id for (entity_id,) in self._read("SELECT id FROM entities ORDER BY row")]

    def check(self) -> list[str]:
        """Read the whole file and return what is wrong with it, empty if nothing is."""
        try:
            faults = [text for (text,) in self._read("PRAGMA integrity_check") if text != "ok"]
            for _ in self.iter_entities():
                pass
        except KnowledgeBaseError as error:
            return [str(error)]
        return [f"the knowledge base {self._path}: {fault}" for fault in faults]

    def close(self) -> None:
        """Close the file; the object cannot be used any more."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _by_row(self, columns: str, rows: Sequence[int] | npt.NDArray[np.integer[Any]]) -> list[tuple[Any, ...]]:
        wanted = np.asarray(rows, dtype=np.int64).tolist()
        found: dict[int, tuple[Any, ...]] = {}
        for start in range(0, len(wanted), _CHUNK):
            text = _as_json(sorted(set(wanted[start : start + _CHUNK])))
            read = self._read(f"SELECT row, {columns} FROM entities WHERE row IN (SELECT value FROM json_each(?))", (text,))
            found.update((values[0], values[1:]) for values in read)
        try:
            return [found[row] for row in wanted]
        except KeyError as error:
            raise KnowledgeBaseError(
                f"the knowledge base {self._path} has no entity in row {error.args[0]}; it has {self._num_rows} rows"
            ) from None

    def _decode(self, found: Sequence[tuple[Any, ...]]) -> list[Entity]:
        try:
            return [entity_from_values(values, self._image_root) for values in found]
        except msgspec.DecodeError as error:
            raise self._damaged(error) from None

    def _read(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.ProgrammingError as error:
            raise KnowledgeBaseError(f"the knowledge base {self._path} cannot be read: {error}") from None
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> KnowledgeBaseError:
        return KnowledgeBaseError(f"the knowledge base {self._path} cannot be read ({error}); it may be damaged: copy or build it again")


def _reading_mode(path: Path) -> str:
    if os.access(path.parent, os.W_OK) or path.with_name(path.name + "-journal").exists():
        return "ro"
    return "immutable"


def _as_json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
