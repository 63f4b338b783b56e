"""What the routes of the reconciliation service ask for, over the linker in service."""

import asyncio
import base64
import threading
from collections.abc import Sequence
from typing import Final, final

from pgmel.interfaces.http.problems import Problem
from pgmel.interfaces.http.reconciliation.extending import Extension, ExtensionQuery, check_extension, extend
from pgmel.interfaces.http.reconciliation.matching import Match, find_depth, find_ids, rank, to_mention
from pgmel.interfaces.http.reconciliation.options import ReconciliationOptions
from pgmel.interfaces.http.reconciliation.properties import Property, list_properties
from pgmel.interfaces.http.reconciliation.queries import Query
from pgmel.interfaces.http.reconciliation.suggesting import suggest_entities, suggest_named
from pgmel.interfaces.http.reconciliation.types import ANY_TYPE, EntityTypes, Type, gather_types
from pgmel.interfaces.http.service import Service
from pgmel.interfaces.http.serving import Serving
from pgmel.records import Entity, Link, Mention

__all__ = ["Reconciliation"]

_GATHERING_S: Final = 3.0
"""Longest time for finding out about attributes and types; OpenRefine waits five seconds for a manifest."""


@final
class Reconciliation:
    """Matches, suggests, shows and extends entities.

    Args:
        service: The linker in service.
        options: How the service presents itself.
    """

    def __init__(self, service: Service, options: ReconciliationOptions) -> None:
        self.service = service
        self.options = options
        self._lock = threading.Lock()
        self._types: tuple[Serving, EntityTypes] | None = None

    @property
    def name(self) -> str:
        """The service's name."""
        if self.options.name:
            return self.options.name
        with self.service.use() as serving:
            data = serving.linker.card.get("data")
            about = data.get("name") if isinstance(data, dict) else None
        return f"pgmel: {about}" if about else "pgmel"

    async def types(self) -> EntityTypes:
        """Return types and attributes, found out about once for each bundle."""
        with self.service.use() as serving:
            return await self._types_of(serving)

    async def default_types(self) -> list[Type]:
        """Return the types for the manifest, which tells nothing about the entities where a token guards them."""
        return [ANY_TYPE] if self.service.token_needed else (await self.types()).all()

    async def match(self, queries: Sequence[Query]) -> list[list[Match]]:
        """Return the candidates of each query, best first.

        Raises:
            Problem: If too much is waiting.
        """
        with self.service.use() as serving:
            types = await self._types_of(serving)
            links = await self._link(serving, queries, types)
            return await self.service.call(serving, _rank_all, queries, links, serving, types)

    async def suggest_entities(self, prefix: str, skip: int, number: int) -> list[tuple[Entity, list[Type]]]:
        """Return entities whose id or name fits what was typed, with their types."""
        with self.service.use() as serving:
            types = await self._types_of(serving)
            found = await self.service.call(serving, suggest_entities, serving.entities, prefix, skip, number)
        return [(entity, types.of(entity)) for entity in found]

    async def suggest_types(self, prefix: str, skip: int, number: int) -> Sequence[Type]:
        """Return types whose id or name fits what was typed."""
        with self.service.use() as serving:
            types = await self._types_of(serving)
            return await self.service.call(serving, suggest_named, types.all(), prefix, skip, number)

    async def suggest_properties(self, prefix: str, skip: int, number: int) -> Sequence[Property]:
        """Return properties whose id or name fits what was typed, with that for context."""
        with self.service.use() as serving:
            known = list_properties((await self._types_of(serving)).catalogue, for_queries=True)
            return await self.service.call(serving, suggest_named, known, prefix, skip, number)

    async def propose_properties(self, number: int) -> Sequence[Property]:
        """Return the properties that entities can be extended with."""
        return list_properties((await self.types()).catalogue)[:number]

    async def extend(self, query: ExtensionQuery, base: str) -> Extension:
        """Return values of properties.

        Args:
            query: Of which entities and properties.
            base: Address of the server's root, for those of pictures.

        Raises:
            Problem: If too much is asked for, or a setting is wrong.
        """
        check_extension(query, self.service.limits)
        entities = await self.service.ask(lambda known: known.records(query.ids))
        return extend(query, entities, base)

    async def show(self, entity_id: str, others: Sequence[str] = ()) -> tuple[Entity, list[Type]]:
        """Return an entity and its types.

        Args:
            entity_id: Its id.
            others: Ids that are meant if there is no such entity, the likeliest first.

        Raises:
            Problem: ``entity_not_found``.
        """
        with self.service.use() as serving:
            found = await self.service.call(serving, serving.entities.records, [entity_id, *others])
            entity = next((found[one] for one in (entity_id, *others) if one in found), None)
            if entity is None:
                entity = await self.service.call(serving, serving.entities.get, entity_id)
            return entity, (await self._types_of(serving)).of(entity)

    async def picture(self, entity: Entity) -> str | None:
        """Return an entity's small picture within an address of its own, or None where it cannot be shown.

        Clients show previews in a frame that has no origin, which may not load a picture from here.
        """
        try:
            content = await self.service.ask(lambda known: known.picture(entity.id))
        except Problem:
            return None
        return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"

    async def _link(self, serving: Serving, queries: Sequence[Query], types: EntityTypes) -> list[Link | None]:
        # Queries for the same number of candidates are linked together, and with those of other requests.
        groups: dict[int, list[tuple[int, Mention]]] = {}
        for place, query in enumerate(queries):
            if (mention := to_mention(query, str(place))) is not None:
                depth = find_depth(query, types.restrict(query.types), self.service.limits.top_k)
                groups.setdefault(depth, []).append((place, mention))
        found = await asyncio.gather(*(serving.batcher.link([m for _, m in group], depth) for depth, group in groups.items()))
        links: list[Link | None] = [None] * len(queries)
        for group, answers in zip(groups.values(), found, strict=True):
            self.service.monitor.count_links(answers)
            for (place, _), link in zip(group, answers, strict=True):
                links[place] = link
        return links

    async def _types_of(self, serving: Serving) -> EntityTypes:
        known = self._types
        return known[1] if known is not None and known[0] is serving else await self.service.call(serving, self._gather, serving)

    def _gather(self, serving: Serving) -> EntityTypes:
        with self._lock:
            if self._types is None or self._types[0] is not serving:
                self._types = (serving, gather_types(serving.linker.kb, self.options.type_attribute, _GATHERING_S))
            return self._types[1]


def _rank_all(queries: Sequence[Query], links: Sequence[Link | None], serving: Serving, types: EntityTypes) -> list[list[Match]]:
    entities = serving.entities.records(find_ids(queries, links))
    return [rank(query, link, entities, types) for query, link in zip(queries, links, strict=True)]
