"""Files of mentions: JSON lines, CSV and its kin, Parquet; surveyed once, then read row by row."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, final

import msgspec

from pgmel.errors import DataError, SettingError
from pgmel.kb.sources import JsonLines, ParquetFile, RowError, Table, TornRowError, find_format
from pgmel.linking.mentions import MentionColumns, find_misspelt, map_mention_columns, read_mention
from pgmel.progress import progress_bar
from pgmel.records import Mention
from pgmel.registry import look_up

__all__ = ["MENTION_FORMATS", "InputOptions", "LongInteger", "MentionFile", "Row", "SourceFacts"]

MENTION_FORMATS: Final = {
    "jsonl": "one JSON object per line",
    "csv": "table with a header line; the delimiter is guessed from it",
    "tsv": "table with a header line, tabs between the columns",
    "parquet": "Parquet file (needs the extra 'data')",
}
"""The formats that mentions are read from and links are written in."""

_READ_AT_ONCE: Final = 1 << 20
_TOLD_AT_ONCE: Final = 4096
_MAX_FIELDS: Final = 2000
_SHOWN: Final = 2000
_INT64: Final = range(-(2**63), 2**63)
_EXACT_IN_FLOAT: Final = range(-(2**53), 2**53 + 1)
_TORN_ROWS: Final = 10
_TORN_SHARE: Final = 0.01


@final
@dataclass(frozen=True)
class InputOptions:
    """How a file of mentions is read.

    Attributes:
        format: A key of ``MENTION_FORMATS``; ``auto`` goes by the file's ending.
        delimiter: Between the columns of CSV; None guesses it from the header.
        encoding: Of CSV and TSV; None goes by the byte-order mark, and takes UTF-8 where there is none.
        columns: Part of a mention to the column that holds it; what is not named is guessed, an empty text means that there is none.
        image_folder: Folder that picture paths are relative to; None takes the file's own.
    """

    format: str = "auto"
    delimiter: str | None = None
    encoding: str | None = None
    columns: Mapping[str, str | None] = field(default_factory=dict)
    image_folder: Path | None = None


@final
class LongInteger(int):
    """Stands, as a type alone, for integers of 64 bits that a float would round."""


@final
class SourceFacts(msgspec.Struct, frozen=True):
    """An input file's rows, and the digest of its content."""

    rows: int
    digest: str


class Row(NamedTuple):
    """A row: its number from 1, blank ones not counted, its place as a person would look for it, and its values or what is wrong."""

    number: int
    place: str
    values: Mapping[str, Any] | DataError

    def fault(self, error: DataError) -> dict[str, Any]:
        """Return what is kept aside of a row that cannot be used."""
        kind, _, at = self.place.partition(" ")
        line = {"line": int(at)} if kind == "line" else {}
        text = error.text if isinstance(error, RowError) else _show_row(self.values)
        return {"row": self.number, **line, "reason": f"{error.rule}. {error.fix}" if error.fix else error.rule, "text": text[:_SHOWN]}


@final
class MentionFile:
    """A file of mentions, read through once to know it again, and to know how much there is to do.

    Attributes:
        fields: Its columns.
        kinds: Of JSON lines, the types of the values of each key.
        columns: Which column holds what.
        facts: Rows and digest.

    Raises:
        SettingError: If an option breaks a rule, or it is not clear which column is meant.
        DataError: If the file is missing, no regular file, unreadable, or mostly of rows that cannot be read.
        MissingExtraError: If it is Parquet and pyarrow is not installed.
    """

    def __init__(self, path: Path, options: InputOptions | None = None, show_progress: bool = True) -> None:
        options = options or InputOptions()
        if options.image_folder is not None and not options.image_folder.is_dir():
            raise SettingError(f"--image-folder {options.image_folder} is no folder; check the path")
        self.path = path
        digest = _digest(path)
        self.format = find_format(path, MENTION_FORMATS) if options.format == "auto" else options.format
        look_up(MENTION_FORMATS, self.format, "--format")
        if self.format not in ("csv", "tsv") and (options.delimiter or options.encoding):
            raise SettingError(f"--delimiter and --encoding are for CSV and TSV; {path} is read as {self.format}")
        self.source: JsonLines | Table | ParquetFile
        if self.format == "jsonl":
            self.source = JsonLines(path, long_lines="skip")
        elif self.format == "parquet":
            self.source = ParquetFile(path)
        else:
            self.source = Table(path, options.delimiter or ("\t" if self.format == "tsv" else None), options.encoding)
        self.fields = self.source.fields
        # A wrong name of a column is told before the file is read through.
        self.columns = MentionColumns() if self.format == "jsonl" else map_mention_columns(path, self.fields, options.columns)
        self.kinds: dict[str, set[type]] = {}
        self.facts = SourceFacts(self._survey(show_progress), digest)
        if self.format == "jsonl" and self.kinds:
            self.fields = tuple(self.kinds)
            self.columns = map_mention_columns(path, self.fields, options.columns)
        self.image_folder = options.image_folder or path.parent

    def settled(self) -> InputOptions:
        """Return options that leave nothing to guess."""
        table = self.source if isinstance(self.source, Table) else None
        delimiter, encoding = (table.delimiter, table.encoding) if table else (None, None)
        return InputOptions(self.format, delimiter, encoding, self.columns._asdict(), self.image_folder)

    def rows(self, start: int = 0, only_used: bool = False) -> Iterator[Row]:
        """Yield the rows that the file had when it was surveyed.

        Args:
            start: How many to pass over.
            only_used: Whether values that make no mention may be absent.
        """
        wanted = self.columns.used() if only_used and self.format == "parquet" else ()
        for number, (place, values) in enumerate(islice(self.source.rows(wanted), start, self.facts.rows), start + 1):
            yield Row(number, place, values)

    def mention(self, row: Row) -> Mention:
        """Make a mention of a row.

        Raises:
            DataError: If it is none; ``rule`` says why.
        """
        if isinstance(row.values, DataError):
            raise row.values
        if self.format == "jsonl" and (misspelt := find_misspelt(tuple(row.values), self.columns)):
            raise DataError(misspelt)
        return read_mention(row.values, self.columns, row.number, self.image_folder)

    def _survey(self, show_progress: bool) -> int:
        if isinstance(self.source, ParquetFile):
            return self.source.num_rows
        rows = 0
        bad: list[DataError] = []
        num_bad = num_torn = 0
        with progress_bar("reading", None, show=show_progress) as bar:
            for _, values in self.source.rows():
                rows += 1
                if isinstance(values, DataError):
                    num_bad += 1
                    num_torn += isinstance(values, TornRowError)
                    bad = bad or [values]
                elif self.format == "jsonl":
                    self._note(values)
                if rows % _TOLD_AT_ONCE == 0:
                    bar.advance(_TOLD_AT_ONCE)
        if num_bad > rows / 2 or num_torn > max(_TORN_ROWS, _TORN_SHARE * rows):
            first = bad[0]
            rule = f"{num_bad:,} of {rows:,} rows cannot be read; the first one: {first.rule}"
            raise DataError(rule, self.path, first.place, first.fix or "Is it of another format? Name it with --format")
        return rows

    def _note(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            kind = _kind(value)
            if key in self.kinds:
                self.kinds[key].add(kind)
            elif len(self.kinds) < _MAX_FIELDS:
                self.kinds[key] = {kind}


def _kind(value: Any) -> type:
    if type(value) is not int or value in _EXACT_IN_FLOAT:
        return type(value)
    return LongInteger if value in _INT64 else str


def _digest(path: Path) -> str:
    if not path.exists():
        raise DataError("the file does not exist", path)
    if not path.is_file():
        raise DataError("this is no regular file, and only such a one can be continued after an interruption", path)
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(_READ_AT_ONCE):
                digest.update(block)
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror})", path) from None
    return digest.hexdigest()


def _show_row(values: Any) -> str:
    if not isinstance(values, Mapping):
        return ""
    try:
        return msgspec.json.encode(dict(values), enc_hook=str).decode()
    except (DataError, ValueError, TypeError):
        return ""
