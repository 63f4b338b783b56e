"""Options of ``pgmel kb`` that say how a file of entities is read."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pgmel.kb.sources import Ask, SourceOptions

if TYPE_CHECKING:
    from pgmel.kb.picture_sources import FetchLimits
    from pgmel.workflows.kb import KbOptions

__all__ = [
    "AliasesOption",
    "AttributesOption",
    "DelimiterOption",
    "DescriptionOption",
    "EncodingOption",
    "FetchOption",
    "FormatOption",
    "IdOption",
    "ImagesOption",
    "MaxMbOption",
    "NameOption",
    "OnErrorOption",
    "PicturesOption",
    "SeparatorOption",
    "TableOption",
    "TimeoutOption",
    "ask_person",
    "read_options",
]

_COLUMNS = "Columns"
_FILE = "Reading"
_PICTURES = "Pictures"

FormatOption = Annotated[
    Literal["auto", "jsonl", "csv", "tsv", "parquet", "sqlite", "wikidata", "ids"],
    typer.Option("--format", help="Format of the file; auto goes by its ending.", rich_help_panel=_FILE),
]
TableOption = Annotated[
    str | None, typer.Option("--table", help="Table or view of an SQLite database.", rich_help_panel=_FILE, show_default=False)
]
DelimiterOption = Annotated[
    str | None,
    typer.Option("--delimiter", help="Between columns; else guessed.", rich_help_panel=_FILE, show_default=False),
]
EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", help="Of CSV and TSV; else UTF-8, or what the file begins with.", rich_help_panel=_FILE, show_default=False),
]
SeparatorOption = Annotated[
    str, typer.Option("--separator", help="Between several aliases or pictures in one cell.", rich_help_panel=_FILE)
]
OnErrorOption = Annotated[
    Literal["stop", "skip"],
    typer.Option("--on-error", help="At a bad row: stop, or skip and list it.", rich_help_panel=_FILE),
]
IdOption = Annotated[str | None, typer.Option("--id", help="Column of the ids.", rich_help_panel=_COLUMNS, show_default=False)]
NameOption = Annotated[str | None, typer.Option("--name", help="Column of the names.", rich_help_panel=_COLUMNS, show_default=False)]
DescriptionOption = Annotated[
    str | None, typer.Option("--description", help="Column of the descriptions.", rich_help_panel=_COLUMNS, show_default=False)
]
AliasesOption = Annotated[
    str | None, typer.Option("--aliases", help="Column of other names, several in a cell.", rich_help_panel=_COLUMNS, show_default=False)
]
ImagesOption = Annotated[
    str | None, typer.Option("--images", help="Column of pictures: paths or addresses.", rich_help_panel=_COLUMNS, show_default=False)
]
AttributesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--attributes", help="Column that becomes an attribute; * for all others. Repeatable.", rich_help_panel=_COLUMNS, show_default=False
    ),
]
PicturesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--pictures",
        help="Folder, zip or tar archive with pictures. Repeatable.",
        rich_help_panel=_PICTURES,
        show_default=False,
    ),
]
FetchOption = Annotated[
    bool,
    typer.Option("--fetch-pictures", help="Fetch pictures that are web addresses.", rich_help_panel=_PICTURES),
]
MaxMbOption = Annotated[float, typer.Option("--max-picture-mb", help="Largest picture fetched.", min=0.001, rich_help_panel=_PICTURES)]
TimeoutOption = Annotated[
    float, typer.Option("--fetch-timeout", help="Most seconds for fetching one picture.", min=0.1, rich_help_panel=_PICTURES)
]


def ask_person() -> Ask | None:
    """Return a way of asking who sits at the terminal, or None where nobody does."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(role: str, names: Sequence[str]) -> str:
        for number, name in enumerate(names, start=1):
            typer.echo(f"  {number}  {name}", err=True)
        chosen = 0
        while not 1 <= chosen <= len(names):
            chosen = typer.prompt(f"Which is the {role}? Number, 1 to {len(names)}", type=int, err=True)
        return names[chosen - 1]

    return ask


def read_options(
    source: SourceOptions,
    columns: dict[str, str | None],
    attributes: list[str] | None,
    separator: str,
    pictures: list[Path] | None,
    fetch: "FetchLimits | None",
    on_error: Literal["stop", "skip"],
) -> "KbOptions":
    """Put the options together; attributes may also be given as one list with commas."""
    from pgmel.workflows.kb import KbOptions

    named = [column for given in attributes or () for column in re.split(r",\s*", given) if column]
    return KbOptions(source, columns, named, separator, pictures or (), fetch, on_error, ask_person())
