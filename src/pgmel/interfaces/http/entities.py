"""What the server tells about entities: their values, a small picture, how a name matches, and search by name."""

import io
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, final
from urllib.parse import quote

import numpy as np

from pgmel.features.lexical import fold
from pgmel.interfaces.http.names import NameSearch
from pgmel.interfaces.http.problems import Problem
from pgmel.kb import KnowledgeBase
from pgmel.pictures import PictureFault, open_picture
from pgmel.records import Entity

__all__ = ["Entities", "name_match"]

_SIDE: Final = 320
_CHUNK: Final = 4096
_CACHED_PICTURES: Final = 512


@final
class Entities:
    """The entities of a KB, for any thread.

    Args:
        kb: Where they are.
    """

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._lock = threading.Lock()
        self._search: tuple[NameSearch, list[int] | None] | None = None
        self.picture = lru_cache(maxsize=_CACHED_PICTURES)(self._picture)
        """Return the small picture of an id, as JPEG."""

    def __len__(self) -> int:
        return len(self._kb)

    def describe(self, entity_id: str) -> dict[str, Any]:
        """Return an entity's values.

        Raises:
            Problem: ``entity_not_found``.
        """
        entity = self._get(entity_id)
        return {
            "id": entity.id,
            "name": entity.name,
            "aliases": list(entity.aliases),
            "description": entity.description,
            "attributes": dict(entity.attributes),
            "picture": _picture_address(entity),
        }

    def details(self, ids: Sequence[str], words: str) -> dict[str, dict[str, Any]]:
        """Return what ``details`` adds to candidates: description, picture, and how the name matches the words."""
        wanted = list(dict.fromkeys(ids))
        return {
            entity.id: {
                "description": entity.description,
                "picture": _picture_address(entity),
                "name_match": name_match(words, entity.name, entity.aliases),
            }
            for entity in self._kb.get_many(self._kb.rows_of(wanted))
        }

    def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Find entities by name; the first call reads all names."""
        names, rows = self._names()
        found = names.find(query, limit)
        places = np.array([place if rows is None else rows[place] for place, _ in found], dtype=np.int64)
        ids, spelt = self._kb.ids_of(places), self._kb.names_of(places)
        return [{"entity_id": entity_id, "name": name, "match": hit.match} for entity_id, name, hit in zip(ids, spelt, found, strict=True)]

    def _names(self) -> tuple[NameSearch, list[int] | None]:
        with self._lock:
            if self._search is None:
                rows = None
                if len(self._kb) < self._kb.num_rows:  # rows that a removed entity left free
                    ids = self._kb.all_ids()
                    rows = self._kb.rows_of(ids).tolist()
                self._search = (NameSearch(entity.name for entity in self._kb.iter_entities(_CHUNK)), rows)
            return self._search

    def _get(self, entity_id: str) -> Entity:
        if entity_id not in self._kb:
            raise Problem("entity_not_found", "no entity of the knowledge base has this id", "Find ids with /search")
        return self._kb.get(entity_id)

    def _picture(self, entity_id: str) -> bytes:
        for path in self._get(entity_id).images:
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


def _picture_address(entity: Entity) -> str | None:
    return f"pictures/{quote(entity.id, safe='')}" if entity.images else None
