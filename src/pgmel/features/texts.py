"""Which texts of a record each channel encodes."""

from collections.abc import Callable, Mapping
from typing import Final

from pgmel.records import Entity, Mention

__all__ = [
    "ENTITY_TEXTS",
    "MENTION_TEXTS",
    "clean_text",
    "entity_context",
    "entity_lexical",
    "entity_name",
    "mention_context",
    "mention_name",
]


def clean_text(text: str) -> str:
    """Collapse white space, and replace what no tokenizer takes (lone surrogates)."""
    return " ".join(text.encode("utf-8", "replace").decode("utf-8").split())


def mention_name(mention: Mention) -> str:
    """Return the mention's surface."""
    return clean_text(mention.surface)


def mention_context(mention: Mention) -> str:
    """Return the surface followed by its sentence, as far as there is one."""
    return _join(mention_name(mention), clean_text(mention.context))


def entity_name(entity: Entity) -> str:
    """Return the entity's name."""
    return clean_text(entity.name)


def entity_context(entity: Entity) -> str:
    """Return the name followed by the description, or by the aliases where there is no description."""
    return _join(entity_name(entity), clean_text(entity.description) or clean_text(", ".join(entity.aliases)))


def entity_lexical(entity: Entity) -> str:
    """Return the name and all aliases, as words in a row."""
    return clean_text(" ".join((entity.name, *entity.aliases)))


def _join(head: str, rest: str) -> str:
    return f"{head}. {rest}" if head and rest else head or rest


MENTION_TEXTS: Final[Mapping[str, Callable[[Mention], str]]] = {"name": mention_name, "context": mention_context}
"""Channel of the text encoder to what it reads of a mention."""

ENTITY_TEXTS: Final[Mapping[str, Callable[[Entity], str]]] = {"name": entity_name, "context": entity_context}
"""Channel of the text encoder to what it reads of an entity."""
