"""Sources that are text: JSON lines, tables with a separator, and plain lists of ids."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, final

import msgspec

from pgmel.errors import DataError, SettingError
from pgmel.kb.sources.lines import first_lines, read_lines
from pgmel.kb.sources.source import Located

__all__ = ["IdLines", "JsonLines", "Table", "guess_delimiter"]

_LOOKED_AT: Final = 100
_MAX_CELL: Final = 1 << 20
_DELIMITERS: Final = (",", ";", "\t", "|")


@final
class JsonLines:
    """One JSON object per line; the fields are those of the first 100 records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_left_out = 0
        known: dict[str, None] = {}
        for line in first_lines(path, _LOOKED_AT):
            record = _decode(line)
            if isinstance(record, dict):
                known |= dict.fromkeys(record)
        self.fields = tuple(known)

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:  # noqa: ARG002 - a line is decoded whole
        """Yield the records."""
        for number, line in read_lines(self.path):
            if not line.strip():
                continue
            place = f"line {number}"
            record = _decode(line)
            if isinstance(record, str):
                yield place, DataError(f"not valid JSON ({record})", self.path, place)
            elif not isinstance(record, dict):
                yield place, DataError("the line is no JSON object", self.path, place)
            else:
                yield place, record


@final
class Table:
    """CSV and its kin, with a header line, in UTF-8.

    Args:
        path: The file.
        delimiter: Between the columns; None guesses it from the header.
    """

    def __init__(self, path: Path, delimiter: str | None = None) -> None:
        self.path = path
        self.num_left_out = 0
        header = first_lines(path, 1)
        if not header:
            raise DataError("the file is empty: there is no header line", path, fix="The first line must name the columns")
        if delimiter is not None and len(delimiter) != 1:
            raise SettingError(f"--delimiter must be one character, got {delimiter!r}; write \\t as a tab or use a .tsv file")
        self.delimiter = delimiter or guess_delimiter(header[0].decode("utf-8", "replace"))
        names: list[str] = next(self._reader(), [])
        self.fields = tuple(name.strip() or f"column {place}" for place, name in enumerate(names, start=1))
        twice = sorted({name for name in self.fields if self.fields.count(name) > 1})
        if twice:
            raise DataError(f"two columns are called {twice[0]!r}", path, "header", "Give every column a name of its own")

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:  # noqa: ARG002 - a line is split whole
        """Yield the lines after the header."""
        reader = self._reader()
        next(reader, None)
        while True:
            place = f"line {reader.line_num + 1}"
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield place, DataError(f"the line cannot be split into columns ({error})", self.path, place)
                continue
            if not any(cells):
                continue
            if len(cells) != len(self.fields):
                rule = f"the line has {len(cells)} columns, the header {len(self.fields)}"
                yield place, DataError(rule, self.path, place, "Put quotes around values that hold the delimiter")
            elif any(map(_is_torn, cells)):
                yield place, DataError("the line is not UTF-8 text", self.path, place, "Save the file as UTF-8")
            else:
                yield place, dict(zip(self.fields, cells, strict=True))

    def _reader(self) -> Any:
        csv.field_size_limit(_MAX_CELL)
        # Bytes that are no UTF-8 become lone surrogates, so that one bad line does not end the file.
        return csv.reader((line.decode("utf-8", "surrogateescape") for _, line in read_lines(self.path)), delimiter=self.delimiter)


@final
class IdLines:
    """One id per line, and nothing else."""

    fields: tuple[str, ...] = ("id",)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_left_out = 0

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:  # noqa: ARG002 - there is one field
        """Yield the ids."""
        for number, line in read_lines(self.path):
            place = f"line {number}"
            try:
                text = line.decode().strip()
            except UnicodeDecodeError:
                yield place, DataError("the line is not UTF-8 text", self.path, place)
                continue
            if text:
                yield place, {"id": text}


def guess_delimiter(header: str) -> str:
    """Return the delimiter that stands most often in a header, outside quotes; a comma if there is none."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max(_DELIMITERS, key=bare.count)


def _decode(line: bytes) -> Any:
    """Return the value, or as a text what is wrong; a JSON text would be no record either."""
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    return None if isinstance(value, str) else value


def _is_torn(text: str) -> bool:
    return any("\udc80" <= mark <= "\udcff" for mark in text) if not text.isascii() else False
