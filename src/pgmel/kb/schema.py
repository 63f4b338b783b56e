"""The tables of a KB file, and the checks before one is trusted.

A file says what it is: SQLite's ``application_id`` is pgmel's, ``user_version`` is the version of the schema. ``row`` is an entity's
stable number: it is the row of its vector in the index, and changing or removing other entities never moves it. A removed entity leaves
its number free; ``meta`` holds the folder that picture paths are relative to, and the fingerprint of the content.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from pgmel.errors import KnowledgeBaseError

__all__ = ["APPLICATION_ID", "CREATE_TABLES", "SCHEMA_VERSION", "check_file", "connect", "settle"]

APPLICATION_ID = 0x50474D4C
"""``PGML`` in ASCII: says that an SQLite file is a KB of pgmel."""

SCHEMA_VERSION = 1

CREATE_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entities (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    aliases TEXT,     -- JSON list, NULL where empty
    images TEXT,      -- JSON list of paths, relative to meta.image_root where they lie below it, NULL where empty
    attributes TEXT   -- JSON object, NULL where empty
);
"""

_HEADER_BYTES = 100
_CACHE_KIB = 64 * 1024


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a connection that any thread may use, one at a time.

    Args:
        path: The file.
        mode: ``ro`` to read, ``rw`` to change, ``immutable`` to read a file that nobody can change (no locks are taken).

    Raises:
        sqlite3.Error: If the file cannot be opened.
    """
    options = "mode=ro&immutable=1" if mode == "immutable" else f"mode={mode}"
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{options}", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def settle(path: Path) -> None:
    """Undo a change that was interrupted, if the journal beside the file tells of one; does nothing where that is impossible.

    A journal left behind must not meet another file of the same name: SQLite would write old pages into it.
    """
    journal = path.with_name(path.name + "-journal")
    if not journal.exists() or not path.exists():
        return
    try:
        with closing(connect(path, "rw")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        return


def check_file(path: Path) -> None:
    """Check by its first bytes and its size that a file is a whole KB of this version.

    Raises:
        KnowledgeBaseError: If it is not; says what to do.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        raise KnowledgeBaseError(f"the knowledge base {path} does not exist; build it first or check the path") from None
    except OSError as error:
        raise KnowledgeBaseError(f"the knowledge base {path} cannot be read: {error.strerror}") from None
    if len(header) < _HEADER_BYTES or not header.startswith(b"SQLite format 3\x00"):
        raise KnowledgeBaseError(
            f"{path} is not a knowledge base of pgmel (no SQLite file); check the path, or make one of it with `pgmel kb build`"
        )
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise KnowledgeBaseError(f"{path} is an SQLite file, but not a knowledge base of pgmel; check the path")
    version = int.from_bytes(header[60:64], "big")
    if version != SCHEMA_VERSION:
        cure = "update pgmel" if version > SCHEMA_VERSION else "build it again"
        raise KnowledgeBaseError(f"the knowledge base {path} has version {version}, this pgmel reads version {SCHEMA_VERSION}; {cure}")
    page = int.from_bytes(header[16:18], "big")
    expected = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    if size < expected:
        raise KnowledgeBaseError(f"the knowledge base {path} is cut short: {size:,} of {expected:,} bytes; copy or build it again")
