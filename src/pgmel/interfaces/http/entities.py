"""What the server tells about entities: their values, a small picture, how a name matches, and search by name."""

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, final
from urllib.parse import quote

from pgmel.candidates import NameIndex
from pgmel.interfaces.http.names import NameSearch
from pgmel.interfaces.http.problems import Problem
from pgmel.kb import KnowledgeBase
from pgmel.linking import name_match
from pgmel.pictures import PictureFault, open_picture
from pgmel.records import Entity

__all__ = ["Entities", "picture_address"]

_SIDE: Final = 320
_CACHED_PICTURES: Final = 512


@final
class Entities:
    """The entities of a KB, for any thread.

    Args:
        kb: Where they are.
        names: Their names, for search; None to collect them at the first one.
    """

    def __init__(self, kb: KnowledgeBase, names: NameIndex | None = None) -> None:
        self._kb = kb
        self._search = NameSearch(kb, names)
        self.picture = lru_cache(maxsize=_CACHED_PICTURES)(self._picture)
        """Return the small picture of an id, as JPEG."""

    def __len__(self) -> int:
        return len(self._kb)

    def describe(self, entity_id: str) -> dict[str, Any]:
        """Return an entity's values.

        Raises:
            Problem: ``entity_not_found``.
        """
        entity = self.get(entity_id)
        return {
            "id": entity.id,
            "name": entity.name,
            "aliases": list(entity.aliases),
            "description": entity.description,
            "attributes": dict(entity.attributes),
            "picture": picture_address(entity),
        }

    def details(self, ids: Sequence[str], words: str) -> dict[str, dict[str, Any]]:
        """Return what ``details`` adds to candidates: description, picture, and how the name matches the words."""
        wanted = list(dict.fromkeys(ids))
        return {
            entity.id: {
                "description": entity.description,
                "picture": picture_address(entity),
                "name_match": name_match(words, entity.name, entity.aliases),
            }
            for entity in self._kb.get_many(self._kb.rows_of(wanted))
        }

    def records(self, ids: Sequence[str]) -> dict[str, Entity]:
        """Return the entities of ids, leaving out ids that do not exist."""
        rows = self._kb.rows_of(list(dict.fromkeys(ids)))
        return {entity.id: entity for entity in self._kb.get_many(rows[rows >= 0])}

    def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Find entities by name or alias; where the bundle has no name index, the first call reads all names."""
        found = self._search.find(query, limit)
        return [{"entity_id": hit.entity.id, "name": hit.entity.name, "match": hit.match} for hit in found]

    def get(self, entity_id: str) -> Entity:
        """Return an entity.

        Raises:
            Problem: ``entity_not_found``.
        """
        if entity_id not in self._kb:
            raise Problem("entity_not_found", "no entity of the knowledge base has this id", "Find ids with /search")
        return self._kb.get(entity_id)

    def _picture(self, entity_id: str) -> bytes:
        for path in self.get(entity_id).images:
            try:
                # Decoded and encoded anew: what is sent is a picture, whatever the knowledge base names.
                picture = open_picture(path, target=_SIDE)
            except PictureFault:
                continue
            picture.thumbnail((_SIDE, _SIDE))
            content = io.BytesIO()
            picture.save(content, "JPEG", quality=85)
            return content.getvalue()
        raise Problem("picture_not_found", "the entity has no picture that can be shown", "Show none")


def picture_address(entity: Entity) -> str | None:
    """Return the address of an entity's picture, relative to the server's root, or None if it has none."""
    return f"pictures/{quote(entity.id, safe='')}" if entity.images else None
