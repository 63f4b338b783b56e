"""Types of entities: the values of one attribute, or a single type where there is none."""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple, final

from pgmel.features.lexical import fold
from pgmel.kb import Catalogue, KnowledgeBase, gather_catalogue, split_values
from pgmel.records import Entity

__all__ = ["ANY_TYPE", "WIKIDATA_TYPE", "EntityTypes", "Type", "gather_types"]

WIKIDATA_TYPE: Final = "instance of"
"""The attribute that building a KB from a Wikidata dump writes; it gives the types where no other is named."""


class Type(NamedTuple):
    """A type, as clients see it."""

    id: str
    name: str


ANY_TYPE: Final = Type("entity", "Entity")
"""What every entity is."""


@final
class EntityTypes:
    """The types of a KB.

    Args:
        catalogue: Attributes and types that were found.
        names: Names of types whose id is that of an entity.
    """

    def __init__(self, catalogue: Catalogue, names: Mapping[str, str]) -> None:
        self.catalogue = catalogue
        self._names = names
        self._attribute = catalogue.type_attribute if catalogue.types else None

    def all(self) -> list[Type]:
        """Return all types, the most frequent first."""
        return [self._type(type_id) for type_id in self.catalogue.types] if self._attribute else [ANY_TYPE]

    def of(self, entity: Entity) -> list[Type]:
        """Return an entity's types."""
        if self._attribute is None:
            return [ANY_TYPE]
        return [self._type(type_id) for type_id in split_values(entity.attributes.get(self._attribute, ""))]

    def restrict(self, wanted: Collection[str]) -> bool:
        """Whether asking for these types sorts out any entity."""
        return self._attribute is not None and bool(wanted) and ANY_TYPE.id not in wanted

    def fits(self, entity: Entity, wanted: Collection[str]) -> bool:
        """Whether an entity has one of the types, given by id or name; every entity has where types do not restrict anything."""
        if not self.restrict(wanted):
            return True
        names = {fold(text) for text in wanted}
        return any(found.id in wanted or fold(found.id) in names or fold(found.name) in names for found in self.of(entity))

    def _type(self, type_id: str) -> Type:
        return Type(type_id, self._names.get(type_id, type_id))


def gather_types(kb: KnowledgeBase, type_attribute: str | None, budget_s: float) -> EntityTypes:
    """Find out about attributes and types.

    Args:
        kb: The entities.
        type_attribute: The attribute whose values are the types; None takes that of Wikidata where the KB has it.
        budget_s: Most seconds for reading attributes; the names of types take little more.

    Raises:
        KnowledgeBaseError: If the KB is damaged.
    """
    catalogue = gather_catalogue(kb, type_attribute or WIKIDATA_TYPE, budget_s)
    ids = list(catalogue.types)
    rows = kb.rows_of(ids)
    known = [(type_id, row) for type_id, row in zip(ids, rows.tolist(), strict=True) if row >= 0]
    names = kb.names_of([row for _, row in known])
    return EntityTypes(catalogue, {type_id: name for (type_id, _), name in zip(known, names, strict=True) if name})
