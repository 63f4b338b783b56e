"""From a path to the source that reads it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from pgmel.errors import DataError
from pgmel.kb.sources.columns import Ask
from pgmel.kb.sources.databases import ParquetFile, SqliteTable
from pgmel.kb.sources.lines import first_lines
from pgmel.kb.sources.source import Source
from pgmel.kb.sources.text_files import IdLines, JsonLines, Table
from pgmel.kb.sources.wikidata import WikidataDump, looks_like_wikidata
from pgmel.registry import look_up

__all__ = ["FORMATS", "SPREADSHEETS", "SourceOptions", "find_format", "open_source"]

FORMATS: Final = {
    "jsonl": "one JSON object per line",
    "csv": "table with a header line; the delimiter is guessed from it",
    "tsv": "table with a header line, tabs between the columns",
    "parquet": "Parquet file (needs the extra 'data')",
    "sqlite": "table or view of an SQLite database",
    "wikidata": "Wikidata JSON dump",
    "ids": "one id per line, for removing",
}
"""The formats that can be read; texts and dumps also compressed with gzip, bzip2 or xz."""

_ENDINGS: Final = {
    **{".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "ids"},
    **{".parquet": "parquet", ".pq": "parquet", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite"},
}
SPREADSHEETS: Final = (".xlsx", ".xlsm", ".xls", ".ods")
"""Endings of files that people take for tables, and that have to be saved as such first."""

_COMPRESSED: Final = (".gz", ".bz2", ".xz")


@final
@dataclass(frozen=True)
class SourceOptions:
    """How a source is read, as far as the format knows such a thing: table, delimiter, encoding, and the choices of a Wikidata dump."""

    format: str = "auto"
    table: str | None = None
    delimiter: str | None = None
    languages: Sequence[str] = ("en",)
    instance_of: Sequence[str] = ()
    min_sitelinks: int = 0
    encoding: str | None = None


def open_source(path: Path, options: SourceOptions, ask: Ask | None = None) -> Source:
    """Open a file of entities.

    Raises:
        SettingError: If the format is unknown, or an option breaks a rule or is needed and nobody can be asked.
        DataError: If the file is missing, unreadable or of another format.
        MissingExtraError: If the format needs a package that is not installed.
    """
    kind = find_format(path) if options.format == "auto" else options.format
    look_up(FORMATS, kind, "--format")
    if kind == "jsonl":
        return JsonLines(path)
    if kind in ("csv", "tsv"):
        return Table(path, options.delimiter or ("\t" if kind == "tsv" else None), options.encoding)
    if kind == "parquet":
        return ParquetFile(path)
    if kind == "sqlite":
        return SqliteTable(path, options.table, ask)
    if kind == "ids":
        return IdLines(path)
    return WikidataDump(path, options.languages, options.instance_of, options.min_sitelinks)


def find_format(path: Path, formats: Iterable[str] = FORMATS) -> str:
    """Tell the format by the file's ending, and JSON lines from a dump by the first line.

    Args:
        path: The file.
        formats: Those that are possible.

    Raises:
        DataError: If it cannot be told or is not among them, or the file is missing.
    """
    if path.is_dir():
        raise DataError("a folder stands where a file was expected", path, fix="Name the file in it")
    if not path.exists():
        raise DataError("the file does not exist", path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = next((suffix for suffix in reversed(suffixes) if suffix not in _COMPRESSED), "")
    if ending == ".json" and "wikidata" in formats and any(map(looks_like_wikidata, first_lines(path, 1))):
        return "wikidata"
    kind = "jsonl" if ending == ".json" else _ENDINGS.get(ending, "")
    if kind not in formats:
        if ending in SPREADSHEETS:
            raise DataError("spreadsheets are not read", path, fix="Save the sheet as CSV (UTF-8), and name that file")
        raise DataError(f"the format cannot be told from the ending {path.suffix!r}", path, fix=f"Name it: --format {'|'.join(formats)}")
    return kind
