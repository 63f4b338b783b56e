"""Sources that are text: JSON lines, tables with a separator, and plain lists of ids."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, final

import msgspec

from pgmel.errors import DataError, SettingError
from pgmel.kb.sources import lines
from pgmel.kb.sources.lines import check_encoding, find_encoding, first_lines, read_lines, read_texts
from pgmel.kb.sources.source import Located, RowError, TornRowError

__all__ = ["IdLines", "JsonLines", "Table", "guess_delimiter"]

_LOOKED_AT: Final = 100
_MAX_CELL: Final = 1 << 20
_SHOWN: Final = 2000
_SAY_ENCODING: Final = "Save the file as UTF-8, or name its encoding with --encoding (cp1252 is usual on Windows)"
_DELIMITERS: Final = (",", ";", "\t", "|")


@final
class JsonLines:
    """One JSON object per line; the fields are those of the first 100 records.

    Args:
        path: The file.
        long_lines: At a line that is too long for memory: stop, or yield it as a bad row. Without a stop the fields stay unknown.
    """

    def __init__(self, path: Path, long_lines: Literal["stop", "skip"] = "stop") -> None:
        self.path = path
        self.num_left_out = 0
        self._cut = long_lines == "skip"
        known: dict[str, None] = {}
        for line in () if self._cut else first_lines(path, _LOOKED_AT):
            record = _decode(line)
            if isinstance(record, dict):
                known |= dict.fromkeys(record)
        self.fields = tuple(known)

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:  # noqa: ARG002 - a line is decoded whole
        """Yield the records."""
        for number, line in read_lines(self.path, self._cut):
            if not line.strip():
                continue
            place = f"line {number}"
            if len(line) > lines.MAX_LINE_BYTES:
                yield place, RowError(f"the line is longer than {lines.MAX_LINE_BYTES >> 20} MB", self.path, place, text=_shown(line))
                continue
            record = _decode(line)
            if isinstance(record, str):
                yield place, RowError(f"not valid JSON ({record})", self.path, place, text=_shown(line))
            elif not isinstance(record, dict):
                yield place, RowError("the line is no JSON object", self.path, place, text=_shown(line))
            else:
                yield place, record


@final
class Table:
    """CSV and its kin, with a header line.

    Args:
        path: The file.
        delimiter: Between the columns; None guesses it from the header.
        encoding: Of the text; None goes by the byte-order mark, and takes UTF-8 where there is none.
    """

    def __init__(self, path: Path, delimiter: str | None = None, encoding: str | None = None) -> None:
        self.path = path
        self.num_left_out = 0
        self.encoding = find_encoding(path) if encoding is None else check_encoding(encoding)
        self._called = self.encoding.removesuffix("-sig").upper()
        self._seen: list[str] = []
        header = next((text for text in read_texts(path, self.encoding) if text.strip()), None)
        if header is None:
            raise DataError("the file is empty: there is no header line", path, fix="The first line must name the columns")
        if delimiter is not None and len(delimiter) != 1:
            raise SettingError(f"--delimiter must be one character, got {delimiter!r}; write \\t as a tab or use a .tsv file")
        self.delimiter = delimiter or guess_delimiter(header)
        names = self._header()
        self.fields = tuple(name.strip() or f"column {place}" for place, name in enumerate(names, start=1))
        twice = sorted({name for name in self.fields if self.fields.count(name) > 1})
        if twice:
            raise DataError(f"two columns are called {twice[0]!r}", path, "header", "Give every column a name of its own")

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:  # noqa: ARG002 - a line is split whole
        """Yield the lines after the header."""
        reader = self._reader()
        self._skip_to_header(reader)
        while True:
            place = f"line {reader.line_num + 1}"
            self._seen.clear()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield place, self._bad(place, f"the line cannot be split into columns ({error})")
                continue
            if not any(map(str.strip, cells)):  # a blank line; spreadsheets write one as separators alone
                continue
            if len(cells) != len(self.fields):
                fix = "Put quotes around values that hold the delimiter"
                if len(self._seen) > 1:
                    fix = f"A quote was opened and {len(self._seen)} lines were read as one row: is a quote missing?"
                yield place, self._bad(place, f"the line has {len(cells)} columns, the header {len(self.fields)}", fix)
            elif any(map(_is_torn, cells)):
                yield place, self._bad(place, f"the line is not {self._called} text", _SAY_ENCODING, TornRowError)
            else:
                yield place, dict(zip(self.fields, cells, strict=True))

    def _reader(self) -> Any:
        csv.field_size_limit(_MAX_CELL)
        return csv.reader(map(self._note, read_texts(self.path, self.encoding)), delimiter=self.delimiter)

    def _note(self, line: str) -> str:
        self._seen.append(line)
        return line

    def _header(self) -> list[str]:
        try:
            names = self._skip_to_header(self._reader())
        except csv.Error as error:
            raise DataError(f"the header cannot be split into columns ({error})", self.path, "line 1") from None
        if any(map(_is_torn, names)):
            raise DataError(f"the header is not {self._called} text", self.path, "line 1", _SAY_ENCODING)
        return names

    def _skip_to_header(self, reader: Any) -> list[str]:
        names: list[str] = next((cells for cells in reader if any(map(str.strip, cells))), [])
        return names

    def _bad(self, place: str, rule: str, fix: str | None = None, kind: type[RowError] = RowError) -> RowError:
        text = "".join(self._seen)[:_SHOWN].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return kind(rule, self.path, place, fix, text.rstrip("\r\n"))


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


def _shown(line: bytes) -> str:
    return line[: 4 * _SHOWN].decode(errors="replace").rstrip("\r\n")[:_SHOWN]


def _is_torn(text: str) -> bool:
    return any("\udc80" <= mark <= "\udcff" for mark in text) if not text.isascii() else False
