"""Files of links: JSON lines, or the input's table with columns added, as CSV, TSV or Parquet.

Every format is written piece by piece into a part file, so that a job which was interrupted goes on at the end of it. CSV and JSON lines
are their own part file. That of Parquet is an Arrow stream, which becomes Parquet when all is linked; a Parquet file cannot be continued.
"""

import csv
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Protocol, final

import msgspec

from pgmel.errors import DataError, MissingExtraError, SettingError
from pgmel.files import atomic_path, remove_leftovers
from pgmel.kb.sources import SPREADSHEETS, ArrowRow, ParquetFile, Table, show_cell
from pgmel.linking.inputs import MENTION_FORMATS, LongInteger, MentionFile
from pgmel.linking.lines import LINK_COLUMNS, link_values
from pgmel.progress import progress_bar
from pgmel.records import Link, Mention
from pgmel.registry import look_up

__all__ = ["LinkWriter", "added_columns", "find_output_format", "open_writer"]

_ENDINGS: Final = {
    **{".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv"},
    **{".parquet": "parquet", ".pq": "parquet"},
}
_MARKED: Final = ("utf-8-sig", "utf-16", "utf-32")
_CLASH_PREFIX: Final = "link_"
_GROUP_ROWS: Final = 1 << 16
_GROUP_BYTES: Final = 64 << 20

Linked = Sequence[tuple[Mapping[str, Any], Mention, Link]]
"""Rows with the mentions they made and the links these got."""


class LinkWriter(Protocol):
    """Writes links in one format."""

    added: Mapping[str, str]
    """What a link gives (``id`` or a key of ``LINK_COLUMNS``) to the column that holds it; empty if the input's columns are not kept."""

    def opening(self) -> bytes:
        """Return what the part file begins with."""
        ...

    def encode(self, linked: Linked) -> bytes:
        """Return what some rows add to the part file."""
        ...

    def finish(self, part: Path, output: Path, show_progress: bool = True) -> None:
        """Give a whole part file its name, in the format wanted; may be done again after an interruption."""
        ...


def find_output_format(path: Path, given: str = "auto") -> str:
    """Tell the format of an output by the file's ending.

    Raises:
        DataError: If the ending tells none.
        SettingError: If the format that was given is unknown.
    """
    if given != "auto":
        look_up(MENTION_FORMATS, given, "--output-format")
        return given
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        fix = f"Name it: --output-format {'|'.join(MENTION_FORMATS)}"
        if path.suffix.lower() in SPREADSHEETS:
            fix = f"Name it {path.stem}.csv: spreadsheets open that"
        raise DataError(f"the format of the output cannot be told from the ending {path.suffix!r}", path, fix=fix)
    return found


def open_writer(kind: str, source: MentionFile, prefix: str | None = None) -> LinkWriter:
    """Return the writer of a format.

    Args:
        kind: A key of ``MENTION_FORMATS``.
        source: The input, whose columns a table keeps.
        prefix: Put before the names of the columns that are added; None puts ``link_`` where the input has one of these names already.

    Raises:
        SettingError: If names clash, or a prefix is given where no column is added.
        MissingExtraError: If the format is Parquet and pyarrow is not installed.
    """
    if kind == "jsonl":
        if prefix is not None:
            raise SettingError("--prefix is for CSV, TSV and Parquet; a JSON line has the link only")
        return _JsonWriter()
    added = added_columns(source, prefix)
    if kind == "parquet":
        return _ParquetWriter(source, added)
    return _TableWriter(source, added, kind)


def added_columns(source: MentionFile, prefix: str | None = None) -> dict[str, str]:
    """Return what a link gives, and the name of the column that holds it.

    Raises:
        SettingError: If a name is the input's already.
    """
    parts = (*(() if source.columns.id in source.fields else ("id",)), *LINK_COLUMNS)
    if prefix is None:
        prefix = "" if set(source.fields).isdisjoint(parts) else _CLASH_PREFIX
    added = {part: prefix + part for part in parts}
    taken = [name for name in added.values() if name in source.fields]
    if taken:
        raise SettingError(f"{source.path} has a column {taken[0]!r} already; say --prefix to call the added columns otherwise")
    return added


@final
class _JsonWriter:
    """One JSON object per link."""

    added: Mapping[str, str] = {}

    def opening(self) -> bytes:
        return b""

    def encode(self, linked: Linked) -> bytes:
        return b"".join(msgspec.json.encode(link_values(link, mention)) + b"\n" for _, mention, link in linked)

    def finish(self, part: Path, output: Path, show_progress: bool = True) -> None:  # noqa: ARG002 - it is a name only
        part.replace(output)


@final
class _TableWriter:
    """CSV or TSV in UTF-8; delimiter and byte-order mark are those of an input of that kind."""

    def __init__(self, source: MentionFile, added: Mapping[str, str], kind: str) -> None:
        self.added = added
        self._fields = source.fields
        table = source.source if isinstance(source.source, Table) and source.format == kind == "csv" else None
        self._delimiter = "\t" if kind == "tsv" else table.delimiter if table else ","
        self._mark = "\ufeff" if table and table.encoding.startswith(_MARKED) else ""

    def opening(self) -> bytes:
        return (self._mark + self._lines([[*self._fields, *self.added.values()]])).encode()

    def encode(self, linked: Linked) -> bytes:
        rows = []
        for values, mention, link in linked:
            cells = [show_cell(values.get(field)) for field in self._fields]
            rows.append([*cells, *map(show_cell, _added_values(self.added, link, mention).values())])
        return self._lines(rows).encode()

    def finish(self, part: Path, output: Path, show_progress: bool = True) -> None:  # noqa: ARG002 - it is a name only
        part.replace(output)

    def _lines(self, rows: Sequence[Sequence[str]]) -> str:
        taken = _TakenLines()
        # With this line end csv quotes a lone carriage return too, which no reader would take for text otherwise.
        csv.writer(taken, delimiter=self._delimiter, lineterminator="\r\n").writerows(rows)
        return "".join([line.removesuffix("\r\n") + "\n" for line in taken])


class _TakenLines(list[str]):
    """What csv writes, which is one line at a time."""

    def write(self, line: str) -> None:
        self.append(line)


@final
class _ParquetWriter:
    """Parquet; columns of a Parquet input keep their types."""

    def __init__(self, source: MentionFile, added: Mapping[str, str]) -> None:
        self._arrow = _import_arrow()
        self.added = added
        self._kept = self._kept_schema(source)
        types = {"text": self._arrow.string(), "number": self._arrow.float64(), "json": self._arrow.string()}
        own = [self._arrow.field(name, types[LINK_COLUMNS.get(part, "text")]) for part, name in added.items()]
        self._own = self._arrow.schema(own)
        self._schema = self._arrow.schema([*self._kept, *own])

    def opening(self) -> bytes:
        return bytes(self._schema.serialize())

    def encode(self, linked: Linked) -> bytes:
        if not linked:
            return b""
        own = [{self.added[part]: value for part, value in _added_values(self.added, link, mention).items()} for _, mention, link in linked]
        columns = [*self._kept_columns([values for values, _, _ in linked]), *self._arrow.RecordBatch.from_pylist(own, self._own).columns]
        return bytes(self._arrow.RecordBatch.from_arrays(columns, schema=self._schema).serialize())

    def finish(self, part: Path, output: Path, show_progress: bool = True) -> None:
        import pyarrow.parquet as parquet

        remove_leftovers(output)
        with (
            atomic_path(output) as whole,
            self._arrow.OSFile(str(part)) as file,
            progress_bar("writing", None, show=show_progress) as bar,
            parquet.ParquetWriter(whole, self._schema) as writer,
        ):
            group: list[Any] = []
            rows = size = 0
            for batch in self._arrow.ipc.open_stream(file):
                group.append(batch)
                rows, size = rows + batch.num_rows, size + batch.nbytes
                if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                    writer.write_table(self._arrow.Table.from_batches(group))
                    group, rows, size = [], 0, 0
                bar.advance(batch.num_rows)
            writer.write_table(self._arrow.Table.from_batches(group, self._schema))
        part.unlink()

    def _kept_schema(self, source: MentionFile) -> Any:
        if isinstance(source.source, ParquetFile):
            fields = [source.source.schema.field(name) for name in source.fields]
            return self._arrow.schema([field.with_type(_plain_type(field.type)) for field in fields])
        return self._arrow.schema([(name, self._type_of(source.kinds.get(name, set()))) for name in source.fields])

    def _type_of(self, kinds: set[type]) -> Any:
        kinds = kinds - {type(None)}
        if kinds == {bool}:
            return self._arrow.bool_()
        if kinds and kinds <= {int, LongInteger}:
            return self._arrow.int64()
        if kinds and kinds <= {int, float}:
            return self._arrow.float64()
        return self._arrow.string()

    def _kept_columns(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        if isinstance(rows[0], ArrowRow):
            batches = []
            for _, group in groupby(rows, key=lambda row: id(row.batch)):  # type: ignore[attr-defined]
                members: list[Any] = list(group)
                batches.append(members[0].batch.take(self._arrow.array([row.index for row in members])))
            table = self._arrow.Table.from_batches(batches).combine_chunks()
            return [table.column(field.name).cast(field.type).combine_chunks() for field in self._kept]
        return [self._array([row.get(field.name) for row in rows], field.type) for field in self._kept]

    def _array(self, values: list[Any], kind: Any) -> Any:
        if kind == self._arrow.string():
            values = [None if value is None else show_cell(value) for value in values]
        return self._arrow.array(values, kind)


def _added_values(added: Mapping[str, str], link: Link, mention: Mention) -> dict[str, Any]:
    """Return the added cells of a row: texts, numbers, and JSON as text."""
    values = link_values(link, mention)
    values["warnings"] = "; ".join(values["warnings"])
    values["candidates"] = msgspec.json.encode(values["candidates"]).decode()
    return {part: values[part] for part in added}


def _plain_type(kind: Any) -> Any:
    import pyarrow

    # A dictionary would have to be written once for all batches; its values are written instead.
    return kind.value_type if pyarrow.types.is_dictionary(kind) else kind


def _import_arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        raise MissingExtraError("pyarrow", "data", "writing Parquet") from None
    return pyarrow
