"""Which column holds what: told, guessed from usual names, or asked."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pgmel.errors import DataError, SettingError
from pgmel.registry import nearest

__all__ = ["ROLES", "Ask", "Columns", "choose", "map_columns"]

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
    if not fields:
        raise DataError("no record has any field", path, fix="Is it of another format? Name it with --format")
    for role, column in [*given.items(), *(("attributes", column) for column in attributes if column != "*")]:
        if column is not None and column not in fields:
            guess = nearest(column, fields)
            hint = f" (did you mean {guess!r}?)" if guess else ""
            raise SettingError(f"--{role} names the column {column!r}{hint}, but {path} has {', '.join(map(repr, fields))}")
    found: dict[str, str | None] = {}
    for role in ("id", "name", "description", "aliases", "images"):
        taken = [column for column in (*found.values(), *given.values()) if column is not None]
        found[role] = given.get(role) or _guess(path, role, [field for field in fields if field not in taken], role in required, ask)
    if "*" in attributes:
        attributes = [field for field in fields if field not in found.values()]
    elif not attributes:
        usual = [field for field in fields if _plain(field) in map(_plain, ROLES["attributes"]) and field not in found.values()]
        attributes = usual[:1]
    return Columns(str(found["id"]), found["name"], found["description"], found["aliases"], found["images"], tuple(attributes))


def choose(role: str, names: Sequence[str], ask: Ask | None, path: Path) -> str:
    """Ask which of several names is meant.

    Raises:
        SettingError: If nobody can be asked; names the flag and the choices.
    """
    if ask is None:
        what, listed = "table" if role == "table" else "column", ", ".join(map(repr, names))
        raise SettingError(f"it is not clear which {what} of {path} is meant: say --{role} and one of {listed}")
    return ask(role, names)


def _guess(path: Path, role: str, fields: Sequence[str], needed: bool, ask: Ask | None) -> str | None:
    plain = [_plain(name) for name in ROLES[role]]
    fitting = [field for field in fields if _plain(field) in plain]
    exact = [field for field in fitting if _plain(field) == plain[0]]
    if len(exact) == 1 or len(fitting) == 1:
        return (exact or fitting)[0]
    if fitting:
        return choose(role, fitting, ask, path)
    return choose(role, fields, ask, path) if needed else None


def _plain(name: str) -> str:
    return "".join(mark for mark in name.casefold() if mark.isalnum())
