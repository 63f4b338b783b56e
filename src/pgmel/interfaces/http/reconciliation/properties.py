"""What the API calls properties: the attributes of entities, and what every entity has anyway."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from pgmel.kb import Catalogue, split_values
from pgmel.records import Entity

__all__ = ["CONTEXT", "Property", "list_properties", "property_named", "values_of"]

CONTEXT: Final = "context"
"""Property of queries alone: the text in which the name stands."""

_ATTRIBUTE: Final = "attribute:"


class Property(NamedTuple):
    """A property, as clients see it."""

    id: str
    name: str
    description: str


_BUILT_IN: Final = {
    known.id: known
    for known in (
        Property("description", "Description", "The entity's description"),
        Property("aliases", "Aliases", "Its other names"),
        Property("picture", "Picture", "Address of its picture"),
        Property("name", "Name", "Its name"),
    )
}
_CONTEXT: Final = Property(CONTEXT, "Context", "The sentence or text in which the name stands; for queries only")
_TAKEN: Final = frozenset((*_BUILT_IN, CONTEXT))


def list_properties(catalogue: Catalogue, for_queries: bool = False) -> list[Property]:
    """Return all properties: what every entity has, then attributes, the most frequent first."""
    first = [_CONTEXT] if for_queries else []
    return first + list(_BUILT_IN.values()) + [_attribute(key) for key in catalogue.attributes]


def property_named(property_id: str) -> Property:
    """Return the property of an id; an attribute that no entity has is one too."""
    return _BUILT_IN.get(property_id) or (_CONTEXT if property_id == CONTEXT else Property(property_id, _key(property_id), ""))


def values_of(entity: Entity, property_id: str, picture: str | None = None, separate: bool = True) -> Sequence[str]:
    """Return an entity's values of a property.

    Args:
        entity: The entity.
        property_id: An id of ``list_properties``, or any other, which has no values.
        picture: Address of its picture, or None.
        separate: Whether an attribute that holds a list gives one value for each member.
    """
    match property_id:
        case "name":
            return [entity.name]
        case "description":
            return [entity.description] if entity.description else []
        case "aliases":
            return entity.aliases
        case "picture":
            return [picture] if picture else []
    text = entity.attributes.get(_key(property_id), "") if property_id != CONTEXT else ""
    return split_values(text) if separate else [text] if text else []


def _attribute(key: str) -> Property:
    # An attribute may bear the name of what every entity has.
    taken = key in _TAKEN or key.startswith(_ATTRIBUTE)
    return Property(f"{_ATTRIBUTE}{key}" if taken else key, key, "")


def _key(property_id: str) -> str:
    return property_id.removeprefix(_ATTRIBUTE)
