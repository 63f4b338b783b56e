"""Write a new KB file from a stream of entities."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from pgmel.errors import DataError, KnowledgeBaseError
from pgmel.files import atomic_path
from pgmel.kb.codec import FINGERPRINT_MODULUS, fingerprint_of, values_of
from pgmel.kb.schema import APPLICATION_ID, CREATE_TABLES, SCHEMA_VERSION, connect, settle
from pgmel.progress import Bar, progress_bar
from pgmel.records import Entity

__all__ = ["write_file"]

_CHUNK = 4096
_INSERT = "INSERT INTO entities (row, id, name, description, aliases, images, attributes) VALUES (?, ?, ?, ?, ?, ?, ?)"


def write_file(path: Path, entities: Iterable[Entity], image_root: Path | None, show_progress: bool) -> None:
    """Write a KB atomically.

    Args:
        path: The file; an old one is replaced.
        entities: Read once.
        image_root: Picture paths below it are stored relative to it.
        show_progress: Whether to show a bar.

    Raises:
        DataError: If an entity breaks a rule, or two share an id.
        KnowledgeBaseError: If the file cannot be written.
    """
    settle(path)
    try:
        with atomic_path(path) as part, closing(connect(part, "rw")) as connection:
            # Only the rename at the end makes the file count, so SQLite need not journal or sync while it is written.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.executescript(CREATE_TABLES)
            connection.execute("BEGIN")
            with progress_bar("KB", None, unit="entities", show=show_progress) as bar:
                fingerprint = _insert(connection, entities, image_root, bar)
            meta = {"fingerprint": f"{fingerprint:032x}", "image_root": "" if image_root is None else image_root.as_posix()}
            connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta.items())
            connection.execute("COMMIT")
    except (OSError, sqlite3.Error) as error:
        raise KnowledgeBaseError(f"the knowledge base {path} cannot be written: {error}") from None


def _insert(connection: sqlite3.Connection, entities: Iterable[Entity], image_root: Path | None, bar: Bar) -> int:
    fingerprint = 0
    for chunk in _chunks(entities, image_root):
        try:
            connection.executemany(_INSERT, chunk)
        except sqlite3.IntegrityError:
            raise _duplicate(connection, chunk) from None
        fingerprint = (fingerprint + sum(map(fingerprint_of, chunk))) % FINGERPRINT_MODULUS
        bar.advance(len(chunk))
    return fingerprint


def _chunks(entities: Iterable[Entity], image_root: Path | None) -> Iterator[list[tuple[Any, ...]]]:
    rows = (values_of(entity, row, image_root) for row, entity in enumerate(entities))
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


def _duplicate(connection: sqlite3.Connection, chunk: list[tuple[Any, ...]]) -> DataError:
    for values in chunk:
        found = connection.execute("SELECT row FROM entities WHERE id = ?", (values[1],)).fetchone()
        if found is not None and found[0] != values[0]:
            rule = f"the id {values[1]!r} occurs twice: as entity {found[0] + 1} and as entity {values[0] + 1} of those given"
            return DataError(rule, place=f"entity {values[0] + 1}", fix="Ids must be unique: merge the two or give one another id")
    return DataError("an entity breaks a rule of the store", place=f"entities {chunk[0][0] + 1} to {chunk[-1][0] + 1}")
