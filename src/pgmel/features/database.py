"""A SQLite file that may be lost at any time: several processes share it, damage is set aside, and trouble never stops the work."""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, final

__all__ = ["CacheDatabase"]

T = TypeVar("T")

logger = logging.getLogger("pgmel.features")

BUSY_S = 60.0
"""How long one process waits for another's write."""

_SIDE_FILES = ("-wal", "-shm")


@final
class CacheDatabase:
    """Runs actions on a SQLite file in write-ahead mode; a connection lives as long as one action, so threads and forks are safe.

    A damaged file is renamed to ``*.damaged`` with a warning, and an empty one takes its place. Where the file cannot be used at all (no
    permission, disk full), a warning is given once and every later action does nothing.

    Args:
        file: The file, made with its folder when first needed; None keeps nothing.
        schema: Statements that make the tables if they are absent.
    """

    def __init__(self, file: Path | None, schema: str) -> None:
        self.file = file
        self._schema = schema

    def run(self, action: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Run an action in a transaction of its own and return its result, or ``otherwise`` where there is no usable file."""
        for _ in range(3):
            if self.file is None:
                return otherwise
            inode = _inode(self.file)
            try:
                with self._connection(self.file) as connection:
                    return action(connection)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    self._give_up(error)
                else:
                    _set_aside(self.file, inode, error)
            except OSError as error:
                self._give_up(error)
        return otherwise

    @contextmanager
    def _connection(self, file: Path) -> Iterator[sqlite3.Connection]:
        file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=BUSY_S, isolation_level=None)
        try:
            _switch_to_wal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(self._schema)
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # rolls back what was not committed

    def _give_up(self, error: Exception) -> None:
        logger.warning("the cache %s cannot be used (%s); going on without it", self.file, error)
        self.file = None


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for others when it changes the mode of a new file.
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    # SQLITE_ERROR means tables or columns of another form: not ours, or half of them lost.
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _inode(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except OSError:
        return None


def _set_aside(file: Path, inode: int | None, error: Exception) -> None:
    if _inode(file) != inode:
        return  # another process has replaced it already
    aside = file.with_name(file.name + ".damaged")
    logger.warning("the cache %s is damaged (%s); it is set aside as %s and rebuilt", file, error, aside.name)
    for suffix in _SIDE_FILES:  # first, or another process could apply them to the new file
        Path(f"{file}{suffix}").unlink(missing_ok=True)
    try:
        file.replace(aside)
    except FileNotFoundError:
        return
