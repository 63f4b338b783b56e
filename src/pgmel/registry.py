"""Look parts up by name, and help whoever mistyped one."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

from pgmel.errors import SettingError

__all__ = ["look_up", "nearest"]

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like the given one, or None if none is close."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def look_up(table: Mapping[str, T], name: str, setting: str) -> T:
    """Return the entry of a registry.

    Args:
        table: The registry, name to part.
        name: What the user asked for.
        setting: The setting the name came from, for the message.

    Raises:
        SettingError: If the name is not in the registry; names the nearest one and all valid ones.
    """
    if name in table:
        return table[name]
    guess = nearest(name, table)
    hint = f" (did you mean {guess!r}?)" if guess else ""
    raise SettingError(f"{setting} must be one of {', '.join(sorted(table))}; got {name!r}{hint}")
