"""From a source's rows to drafts of entities, in which pictures are still names."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pgmel.errors import DataError
from pgmel.kb.codec import check_entity
from pgmel.kb.sources.cells import cell_text, read_cell
from pgmel.kb.sources.columns import Columns
from pgmel.kb.sources.source import Report, Source
from pgmel.records import Entity

__all__ = ["DEFAULT_SEPARATOR", "Draft", "read_drafts"]

DEFAULT_SEPARATOR = "|"
"""Between the aliases, and the pictures, of one cell."""


class Draft(NamedTuple):
    """An entity as its row gives it; None where the source has no such column."""

    place: str
    id: str
    name: str | None
    description: str | None
    aliases: tuple[str, ...] | None
    pictures: tuple[str, ...] | None
    attributes: Mapping[str, str] | None

    def entity(self, images: tuple[Path, ...], before: Entity | None = None) -> Entity:
        """Return the entity; what the row does not give stays as it was before."""
        old = before or Entity(self.id, "")
        return Entity(
            self.id,
            old.name if self.name is None else self.name,
            old.aliases if self.aliases is None else self.aliases,
            old.description if self.description is None else self.description,
            old.images if self.pictures is None else images,
            old.attributes if self.attributes is None else self.attributes,
        )


def read_drafts(source: Source, columns: Columns, report: Report, separator: str = DEFAULT_SEPARATOR) -> Iterator[Draft]:
    """Yield the usable rows of a source; no id comes twice.

    Args:
        source: The source.
        columns: Which of its columns hold what.
        report: Takes the rows that cannot be used: no id or an impossible one, no name, an id that came before, a value of a wrong type.
        separator: Between the parts of a cell with several aliases or pictures; a cell that holds a JSON list needs none.

    Raises:
        DataError: If the source cannot be read any further, or ``report`` raises it.
    """
    # Ids seen so far stay in a temporary SQLite file, not in memory.
    with closing(sqlite3.connect("", isolation_level=None)) as seen:
        seen.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID")
        seen.execute("BEGIN")
        for place, values in source.rows(columns.used()):
            try:
                if isinstance(values, DataError):
                    raise values
                draft = _draft(place, values, columns, separator)
                _check(draft)
                if seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (draft.id, place)).rowcount == 0:
                    ((first,),) = seen.execute("SELECT place FROM seen WHERE id = ?", (draft.id,))
                    raise DataError(f"the id {draft.id!r} came before, in {first}", fix="Ids must be unique: merge the two")
            except DataError as error:
                report(DataError(error.rule, source.path, place, error.fix))
                continue
            yield draft


def _draft(place: str, values: Mapping[str, Any], columns: Columns, separator: str) -> Draft:
    def many(value: Any) -> tuple[str, ...]:
        return _texts(value, separator)

    return Draft(
        place,
        read_cell(values, columns.id),
        read_cell(values, columns.name),
        read_cell(values, columns.description),
        read_cell(values, columns.aliases, many),
        read_cell(values, columns.images, many),
        _attributes(values, columns.attributes) if columns.attributes else None,
    )


def _check(draft: Draft) -> None:
    if draft.name == "":
        raise DataError(f"the entity {draft.id!r} has no name", fix="Give it one, or remove the row")
    check_entity(Entity(draft.id, draft.name or ""), 0)
    parts = (draft.id, draft.name or "", draft.description or "", *(draft.aliases or ()), *(draft.pictures or ()))
    try:
        "".join((*parts, *(text for pair in (draft.attributes or {}).items() for text in pair))).encode()
    except UnicodeEncodeError:
        raise DataError(f"a text of the entity {draft.id!r} is not valid Unicode", fix="Save the source as UTF-8") from None


def _texts(value: Any, separator: str) -> tuple[str, ...]:
    if isinstance(value, str):
        found = _json_of(value)
        value = found if isinstance(found, list) else value.split(separator) if separator else [value]
    elif not isinstance(value, list | tuple):
        value = [value]
    return tuple(dict.fromkeys(text for text in map(cell_text, value) if text))


def _attributes(values: Mapping[str, Any], columns: tuple[str, ...]) -> dict[str, str]:
    """Return the attributes of a row: a column's own name and value, or the members of an object that stands in it."""
    found: dict[str, str] = {}
    for column in columns:
        value = values.get(column)
        value = _json_of(value) if isinstance(value, str) else value
        pairs = value.items() if isinstance(value, dict) else [(column, value)]
        for key, member in pairs:
            try:
                text = "; ".join(map(_plain, member)) if isinstance(member, list | tuple) else _plain(member)
            except TypeError as error:
                raise DataError(f"the column {column!r} {error}") from None
            if text:
                found[str(key)] = text
    return found


def _plain(value: Any) -> str:
    return msgspec.json.encode(value).decode() if isinstance(value, list | tuple | dict) else cell_text(value)


def _json_of(text: str) -> Any:
    """Return the list or object that a text spells in JSON, else the text."""
    if text[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text
