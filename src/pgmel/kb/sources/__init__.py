"""Files of entities as people have them: JSON lines, tables, Parquet, SQLite, Wikidata dumps."""

from pgmel.kb.sources.cells import cell_integer, cell_text, read_cell, show_cell
from pgmel.kb.sources.columns import ROLES, Ask, Columns, find_columns, map_columns
from pgmel.kb.sources.databases import ArrowRow, ParquetFile
from pgmel.kb.sources.entities import DEFAULT_SEPARATOR, Draft, read_drafts
from pgmel.kb.sources.opening import FORMATS, SPREADSHEETS, SourceOptions, find_format, open_source
from pgmel.kb.sources.source import Report, RowError, Source, TornRowError, reject
from pgmel.kb.sources.text_files import JsonLines, Table
from pgmel.kb.sources.wikidata import WIKIDATA_COLUMNS, WikidataDump

__all__ = [
    "DEFAULT_SEPARATOR",
    "FORMATS",
    "ROLES",
    "SPREADSHEETS",
    "WIKIDATA_COLUMNS",
    "ArrowRow",
    "Ask",
    "Columns",
    "Draft",
    "JsonLines",
    "ParquetFile",
    "Report",
    "RowError",
    "Source",
    "SourceOptions",
    "Table",
    "TornRowError",
    "WikidataDump",
    "cell_integer",
    "cell_text",
    "find_columns",
    "find_format",
    "map_columns",
    "open_source",
    "read_cell",
    "read_drafts",
    "reject",
    "show_cell",
]
