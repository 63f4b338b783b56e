"""Which column holds what: told, guessed from usual names, or asked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pgmel.errors import DataError, SettingError
from pgmel.registry import nearest

__all__ = ["ROLES", "Ask", "Columns", "choose", "find_columns", "map_columns"]

Ask = Callable[[str, Sequence[str]], str]
"""Asks a person which of some names is meant by the first argument (``id``, ``table``...), and returns it."""

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("id", "entity id", "qid", "key", "identifier", "uri", "iri", "sku", "wikidata id", "product id", "item id"),
    "name": ("name", "label", "title", "entity", "entity name", "pref label", "preferred label"),
    "description": ("description", "desc", "text", "abstract", "summary", "definition", "about"),
    "aliases": ("aliases", "alias", "synonyms", "also known as", "aka", "alt label", "alt labels", "alternative names", "other names"),
    "images": (
        *("images", "image", "pictures", "picture", "photos", "photo", "img", "thumbnail", "p18"),
        *("image path", "image file", "image url", "image urls", "image link"),
    ),
    "attributes": ("attributes", "properties"),
}
"""What an entity consists of, with the usual names of such columns; case, spaces, hyphens and underscores do not matter."""

_PARTS: Final = {role: names for role, names in ROLES.items() if role != "attributes"}


class Columns(NamedTuple):
    """The columns of each part of an entity; None where the source has none."""

    id: str
    name: str | None = None
    description: str | None = None
    aliases: str | None = None
    images: str | None = None
    attributes: tuple[str, ...] = ()

    def used(self) -> tuple[str, ...]:
        """Return the columns that will be looked at, each once."""
        named = (self.id, self.name, self.description, self.aliases, self.images, *self.attributes)
        return tuple(dict.fromkeys(column for column in named if column is not None))


def map_columns(
    path: Path,
    fields: Sequence[str],
    given: Mapping[str, str | None],
    attributes: Sequence[str] = (),
    required: Sequence[str] = ("id", "name"),
    ask: Ask | None = None,
) -> Columns:
    """Find the column of each part of an entity.

    Args:
        path: The source, for messages.
        fields: Its columns.
        given: Part (a key of ``ROLES``) to the column that the user named.
        attributes: Columns whose values are attributes; ``*`` stands for all that are not used otherwise.
        required: Parts without which nothing can be done.
        ask: Asks where names leave a doubt; None where nobody can be asked.

    Raises:
        SettingError: If a named column does not exist, or a doubt remains; names the flags to use.
        DataError: If there is no column at all.
    """
    found = find_columns(path, fields, _PARTS, given, required, ask, also={"attributes": [name for name in attributes if name != "*"]})
    if "*" in attributes:
        attributes = [field for field in fields if field not in found.values()]
    elif not attributes:
        usual = [field for field in fields if _plain(field) in map(_plain, ROLES["attributes"]) and field not in found.values()]
        attributes = usual[:1]
    return Columns(str(found["id"]), found["name"], found["description"], found["aliases"], found["images"], tuple(attributes))


def find_columns(
    path: Path,
    fields: Sequence[str],
    roles: Mapping[str, Sequence[str]],
    given: Mapping[str, str | None],
    required: Sequence[str] = (),
    ask: Ask | None = None,
    also: Mapping[str, Sequence[str]] | None = None,
    flag: str = "--{role}",
) -> dict[str, str | None]:
    """Find the column that plays each role: the one that the user named, or the only one with a usual name.

    Args:
        path: The source, for messages.
        fields: Its columns.
        roles: Role to its usual names, the plainest first; a column of that very name goes before others.
        given: Role to the column that the user named; an empty text means none.
        required: Roles that must be played.
        ask: Asks where names leave a doubt; None where nobody can be asked.
        also: Further columns that the user named, by flag; they must exist.
        flag: How the flag of a role is called.

    Returns:
        Role to column; None where there is none.

    Raises:
        SettingError: If a named column does not exist, or a doubt remains; names the flags to use.
        DataError: If there is no column at all.
    """
    if not fields:
        raise DataError("no record has any field", path, fix="Is it of another format? Name it with --format")
    for role, column in [*given.items(), *((role, column) for role, columns in (also or {}).items() for column in columns)]:
        if column and column not in fields:
            guess = nearest(column, fields)
            hint = f" (did you mean {guess!r}?)" if guess else ""
            listed = ", ".join(map(repr, fields))
            raise SettingError(f"{flag.format(role=role)} names the column {column!r}{hint}, but {path} has {listed}")
    found: dict[str, str | None] = {}
    for role, names in roles.items():
        if given.get(role) == "" and role not in required:
            found[role] = None
            continue
        taken = [column for column in (*found.values(), *given.values()) if column]
        left = [field for field in fields if field not in taken]
        found[role] = given.get(role) or _guess(path, role, names, left, role in required, ask, flag)
    return found


def choose(role: str, names: Sequence[str], ask: Ask | None, path: Path, flag: str = "--{role}") -> str:
    """Ask which of several names is meant.

    Raises:
        SettingError: If nobody can be asked; names the flag and the choices.
    """
    if ask is None:
        what, listed = "table" if role == "table" else "column", ", ".join(map(repr, names))
        raise SettingError(f"it is not clear which {what} of {path} is meant: say {flag.format(role=role)} and one of {listed}")
    return ask(role, names)


def _guess(path: Path, role: str, names: Sequence[str], fields: Sequence[str], needed: bool, ask: Ask | None, flag: str) -> str | None:
    plain = [_plain(name) for name in names]
    fitting = [field for field in fields if _plain(field) in plain]
    exact = [field for field in fitting if _plain(field) == plain[0]]
    if len(exact) == 1 or len(fitting) == 1:
        return (exact or fitting)[0]
    if fitting:
        return choose(role, fitting, ask, path, flag)
    return choose(role, fields, ask, path, flag) if needed else None


def _plain(name: str) -> str:
    return "".join(mark for mark in name.casefold() if mark.isalnum())
