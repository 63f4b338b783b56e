"""Rows of a file as mentions: which column holds what, and the mention that a row makes."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from pgmel.datasets.collecting import locate
from pgmel.errors import DataError
from pgmel.kb.sources import cell_integer, cell_text, find_columns, read_cell
from pgmel.records import Mention
from pgmel.registry import nearest

__all__ = ["COLUMN_FLAG", "MENTION_ROLES", "MentionColumns", "find_misspelt", "map_mention_columns", "read_mention"]

MENTION_ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "mention": ("mention", "surface", "surface form", "mention text", "entity mention", "span", "phrase", "term", "keyword", "name"),
    "context": (
        *("context", "text", "sentence", "caption", "post", "content", "body", "message", "tweet", "review", "comment"),
        "description",
    ),
    "start": ("start", "start char", "start offset", "mention start", "span start", "begin", "offset"),
    "end": ("end", "end char", "end offset", "mention end", "span end"),
    "image": ("image", "picture", "photo", "img", "image path", "img path", "picture path", "image file", "picture file"),
    "id": ("id", "mention id", "row id", "identifier", "uid", "uuid", "key"),
}
"""What a mention consists of, with the usual names of such columns; case, spaces, hyphens and underscores do not matter."""

COLUMN_FLAG: Final = "--{role}-column"
"""How the flag is called that names a column."""

_OF_DATA_SETS: Final = frozenset({"entity_id", "candidates"})


class MentionColumns(NamedTuple):
    """The columns of each part of a mention; None where the file has none."""

    mention: str | None = "mention"
    context: str | None = "context"
    start: str | None = "start"
    end: str | None = "end"
    image: str | None = "image"
    id: str | None = "id"

    def used(self) -> tuple[str, ...]:
        """Return the columns that will be looked at, each once."""
        return tuple(dict.fromkeys(column for column in self if column is not None))


def map_mention_columns(path: Path, fields: Sequence[str], given: Mapping[str, str | None]) -> MentionColumns:
    """Find the column of each part of a mention.

    Args:
        path: The file, for messages.
        fields: Its columns.
        given: Part (a key of ``MENTION_ROLES``) to the column that the user named; an empty text means that there is none.

    Raises:
        SettingError: If a named column does not exist, a doubt remains, or nothing says what is to be linked; names the flags to use.
        DataError: If there is no column at all.
    """
    found = find_columns(path, fields, MENTION_ROLES, given, flag=COLUMN_FLAG)
    by_offsets = found["context"] and found["start"] and found["end"]
    by_picture = given.get("mention") == "" and found["image"]
    if not (found["mention"] or by_offsets or by_picture):
        find_columns(path, fields, MENTION_ROLES, given, required=("mention",), flag=COLUMN_FLAG)
    return MentionColumns(**found)


def read_mention(values: Mapping[str, Any], columns: MentionColumns, number: int, folder: Path) -> Mention:
    """Make a mention of a row.

    Without ``start`` and ``end`` the first occurrence of the mention in its context counts; without a mention they say what it is.

    Args:
        values: The row.
        columns: Which of its columns hold what.
        number: The row's number, the id of a mention that has none.
        folder: Folder that picture paths are relative to.

    Raises:
        DataError: If it is no mention; ``rule`` says why.
    """
    context: str = read_cell(values, columns.context, _unstripped) or ""
    surface: str = read_cell(values, columns.mention, _unstripped) or ""
    start, end = (read_cell(values, column, cell_integer) for column in (columns.start, columns.end))
    image: str = read_cell(values, columns.image) or ""
    if start is None or end is None:
        surface = surface.strip()
        start, end = locate(surface, context)
    elif not surface.strip():
        surface = context[max(start, 0) : max(end, 0)]
    elif context[max(start, 0) : max(end, 0)] != surface:
        surface = surface.strip()
    if not surface.strip() and not image:
        raise DataError("the mention is empty")
    return Mention(read_cell(values, columns.id) or str(number), surface, context, start, end, folder / image if image else None)


def _unstripped(value: Any) -> str:
    return cell_text(value, strip=False)


@lru_cache(maxsize=1024)
def find_misspelt(keys: tuple[str, ...], columns: MentionColumns) -> str | None:
    """Return what is wrong with a record that lacks a key which others have, and has one that looks like it; None if there is none."""
    used = set(columns.used())
    for key in keys:
        if key not in used | _OF_DATA_SETS and (guess := nearest(key, used - set(keys))):
            return f"the key {key!r} is unknown; did you mean {guess!r}?"
    return None
