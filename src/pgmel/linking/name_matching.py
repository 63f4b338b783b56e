"""How the name of an entity matches the words of a mention."""

from collections.abc import Sequence

from pgmel.features.lexical import fold

__all__ = ["name_match"]


def name_match(words: str, name: str, aliases: Sequence[str]) -> str | None:
    """Return how a name matches words, without case and accents: ``name``, ``alias``, ``part`` (one is part of the other), or None."""
    wanted, spelt = _plain(words), _plain(name)
    if not wanted:
        return None
    if wanted == spelt:
        return "name"
    if any(wanted == _plain(alias) for alias in aliases):
        return "alias"
    if f" {wanted} " in f" {spelt} " or f" {spelt} " in f" {wanted} ":
        return "part"
    return None


def _plain(text: str) -> str:
    return " ".join(fold(text).split())
