"""Sources that are tables of typed columns: Parquet files and SQLite databases."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import quote

from pgmel.errors import DataError, MissingExtraError
from pgmel.kb.sources.columns import Ask, choose
from pgmel.kb.sources.source import Located

__all__ = ["ArrowRow", "ParquetFile", "SqliteTable"]

_ROWS_AT_ONCE: Final = 1024


@final
class ArrowRow(Mapping[str, Any]):
    """A row of an Arrow record batch; values become Python's when they are looked at."""

    __slots__ = ("_lists", "batch", "index")

    def __init__(self, batch: Any, index: int, lists: dict[str, list[Any]]) -> None:
        self.batch = batch
        self.index = index
        self._lists = lists  # the columns that were looked at, shared by the rows of the batch

    def __getitem__(self, name: str) -> Any:
        if name not in self._lists:
            if name not in self.batch.schema.names:
                raise KeyError(name)
            try:
                self._lists[name] = self.batch.column(name).to_pylist()
            except ValueError:  # one cell spoils the column, such as text that is not UTF-8
                return self._cell(name)
        return self._lists[name][self.index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.batch.schema.names)

    def __len__(self) -> int:
        return len(self.batch.schema.names)

    def _cell(self, name: str) -> Any:
        try:
            return self.batch.column(name)[self.index].as_py()
        except ValueError as error:
            raise DataError(f"the column {name!r} holds a value that cannot be read ({error})") from None


@final
class ParquetFile:
    """A Parquet file, read a thousand rows at a time.

    Raises:
        MissingExtraError: If pyarrow is not installed.
        DataError: If it is missing or no Parquet file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_left_out = 0
        opened = self._open()
        self.schema: Any = opened.schema_arrow
        self.num_rows: int = opened.metadata.num_rows
        self.fields: tuple[str, ...] = tuple(self.schema.names)

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:
        """Yield the rows."""
        number = 0
        try:
            for batch in self._open().iter_batches(_ROWS_AT_ONCE, columns=list(fields) or None):
                lists: dict[str, list[Any]] = {}
                for index in range(batch.num_rows):
                    number += 1
                    yield f"row {number}", ArrowRow(batch, index, lists)
        except (OSError, ValueError) as error:
            raise DataError(f"the file cannot be read any further ({error})", self.path, f"after row {number}", "Get it again") from None

    def _open(self) -> Any:
        try:
            from pyarrow.parquet import ParquetFile as Opened
        except ImportError:
            raise MissingExtraError("pyarrow", "data", "reading Parquet") from None
        try:
            return Opened(self.path)
        except FileNotFoundError:
            raise DataError("the file does not exist", self.path) from None
        except (OSError, ValueError) as error:
            raise DataError(f"not a Parquet file ({error})", self.path) from None


@final
class SqliteTable:
    """A table or view of an SQLite database, opened for reading only.

    Args:
        path: The file.
        table: Its name; None takes the only one there is.
        ask: Asks which, where there are several.
    """

    def __init__(self, path: Path, table: str | None = None, ask: Ask | None = None) -> None:
        self.path = path
        self.num_left_out = 0
        if not path.is_file():
            raise DataError("the file does not exist", path)
        found = self._run(_table_names)
        if not found:
            raise DataError("the database holds no table", path)
        if table is not None and table not in found:
            raise DataError(f"the database has no table {table!r}; it has {', '.join(found)}", path, fix="Name one with --table")
        self.table = table or (found[0] if len(found) == 1 else choose("table", found, ask, path))
        name = _quoted(self.table)
        self.fields: tuple[str, ...] = self._run(
            lambda db: tuple(column[0] for column in db.execute(f"SELECT * FROM {name} LIMIT 0").description)
        )

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:
        """Yield the rows, in the table's own order."""
        wanted = tuple(fields) or self.fields
        number = 0
        try:
            with closing(self._connect()) as db:
                for values in db.execute(f"SELECT {', '.join(map(_quoted, wanted))} FROM {_quoted(self.table)}"):
                    number += 1
                    yield f"row {number}", dict(zip(wanted, values, strict=True))
        except sqlite3.Error as error:
            raise DataError(f"the database cannot be read any further ({error})", self.path, f"after row {number}") from None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(str(self.path.absolute()))}?mode=ro", uri=True)
        connection.text_factory = lambda content: content.decode("utf-8", "surrogateescape")
        return connection

    def _run(self, action: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            with closing(self._connect()) as db:
                return action(db)
        except sqlite3.Error as error:
            raise DataError(f"not a readable SQLite database ({error})", self.path) from None


def _table_names(db: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    return [name for (name,) in db.execute(query)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
