"""Options of ``pgmel link`` that say how a file of mentions is read and links are written."""

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = [
    "BatchOption",
    "ContextColumnOption",
    "DelimiterOption",
    "EncodingOption",
    "EndColumnOption",
    "FormatOption",
    "IdColumnOption",
    "ImageColumnOption",
    "ImageFolderOption",
    "InputOption",
    "MentionColumnOption",
    "OutputFormatOption",
    "OutputOption",
    "OverwriteOption",
    "PrefixOption",
    "RestartOption",
    "StartColumnOption",
    "StrictOption",
]

_FILE = "A file of mentions"
_COLUMNS = "Its columns (else guessed from usual names)"

InputOption = Annotated[
    Path | None,
    typer.Option(
        "--input",
        help="JSON lines, CSV, TSV or Parquet, one mention a row: the words to link, and if known the text around them, where they stand "
        "in it, a picture, an id.",
        rich_help_panel=_FILE,
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        help="JSON lines with the links, or CSV, TSV or Parquet with the input's columns and the links; `NAME.bad.jsonl` gets faulty rows.",
        rich_help_panel=_FILE,
        show_default=False,
    ),
]
FormatOption = Annotated[
    Literal["auto", "jsonl", "csv", "tsv", "parquet"],
    typer.Option("--format", help="Format of the input; auto goes by its ending.", rich_help_panel=_FILE),
]
OutputFormatOption = Annotated[
    Literal["auto", "jsonl", "csv", "tsv", "parquet"],
    typer.Option("--output-format", help="Format of the output; auto goes by its ending.", rich_help_panel=_FILE),
]
DelimiterOption = Annotated[
    str | None,
    typer.Option("--delimiter", help="Between columns of CSV; else guessed.", rich_help_panel=_FILE, show_default=False),
]
EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", help="Of CSV and TSV; else UTF-8, or what the file begins with.", rich_help_panel=_FILE, show_default=False),
]
PrefixOption = Annotated[
    str | None,
    typer.Option(
        "--prefix",
        help="Put before the names of added columns; else `link_`, if the input has such a column.",
        rich_help_panel=_FILE,
        show_default=False,
    ),
]
ImageFolderOption = Annotated[
    Path | None,
    typer.Option(
        "--image-folder",
        help="Folder that picture paths are relative to; else the input's own.",
        rich_help_panel=_FILE,
        show_default=False,
    ),
]
BatchOption = Annotated[int, typer.Option("--batch-size", min=1, max=4096, help="Mentions encoded at once.", rich_help_panel=_FILE)]
StrictOption = Annotated[bool, typer.Option("--strict", help="Leave with 3 if a row could not be used.", rich_help_panel=_FILE)]
RestartOption = Annotated[
    bool, typer.Option("--restart", help="Start anew instead of continuing an interrupted job.", rich_help_panel=_FILE)
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there already.", rich_help_panel=_FILE)]
MentionColumnOption = Annotated[
    str | None, typer.Option("--mention-column", help="The words to link.", rich_help_panel=_COLUMNS, show_default=False)
]
ContextColumnOption = Annotated[
    str | None, typer.Option("--context-column", help="The text around them.", rich_help_panel=_COLUMNS, show_default=False)
]
StartColumnOption = Annotated[
    str | None,
    typer.Option("--start-column", help="Where they begin in it, in characters.", rich_help_panel=_COLUMNS, show_default=False),
]
EndColumnOption = Annotated[
    str | None, typer.Option("--end-column", help="Where they end, exclusive.", rich_help_panel=_COLUMNS, show_default=False)
]
ImageColumnOption = Annotated[
    str | None, typer.Option("--image-column", help="Path of a picture.", rich_help_panel=_COLUMNS, show_default=False)
]
IdColumnOption = Annotated[
    str | None, typer.Option("--id-column", help="Id; else the row's number.", rich_help_panel=_COLUMNS, show_default=False)
]
