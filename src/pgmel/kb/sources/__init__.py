"""Files of entities as people have them: JSON lines, tables, Parquet, SQLite, Wikidata dumps."""

from pgmel.kb.sources.columns import ROLES, Ask, Columns, map_columns
from pgmel.kb.sources.entities import DEFAULT_SEPARATOR, Draft, read_drafts
from pgmel.kb.sources.opening import FORMATS, SourceOptions, find_format, open_source
from pgmel.kb.sources.source import Report, Source, reject
from pgmel.kb.sources.wikidata import WIKIDATA_COLUMNS, WikidataDump

__all__ = [
    "DEFAULT_SEPARATOR",
    "FORMATS",
    "ROLES",
    "WIKIDATA_COLUMNS",
    "Ask",
    "Columns",
    "Draft",
    "Report",
    "Source",
    "SourceOptions",
    "WikidataDump",
    "find_format",
    "map_columns",
    "open_source",
    "read_drafts",
    "reject",
]
