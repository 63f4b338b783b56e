"""From queries to mentions, and from links to candidates with scores, types and features."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pgmel.features import LexicalHasher
from pgmel.features.lexical import fold
from pgmel.interfaces.http.reconciliation.properties import CONTEXT, property_named, values_of
from pgmel.interfaces.http.reconciliation.queries import Condition, Query
from pgmel.interfaces.http.reconciliation.types import EntityTypes
from pgmel.linking import name_match
from pgmel.records import Candidate, Entity, Link, Mention

__all__ = ["FEATURES", "Match", "find_depth", "find_ids", "rank", "to_mention"]

FEATURES: Final = {
    "probability": "Probability that this entity is meant",
    "similarity": "Similarity of mention and entity to the model, -1 to 1",
    "name_similarity": "Share of letter sequences that name and query have in common, 0 to 1",
    "name_match": "The query is the entity's name or an alias, but for case and accents",
    "type_match": "The entity has a type that was asked for",
    "id_match": "The query is the entity's id",
}
"""Matching features, with their names for people."""

_TEXTS: Final = (CONTEXT, "description", "aliases", "name")
"""Properties whose values are taken as they stand; of others the text says what they are."""

_DIM: Final = 1 << 16

_LEAST_MATCH: Final = 0.5
"""Clients accept a match without asking anybody, so it must be likelier right than wrong, whatever the bundle links."""


class Match(NamedTuple):
    """A candidate for a query, in the form that both versions of the API write."""

    entity: Entity
    score: float
    match: bool
    features: Mapping[str, bool | float]


def to_mention(query: Query, mention_id: str) -> Mention | None:
    """Return the mention of a query, or None where nothing is in it.

    The name is the mention; what the properties say becomes the text around it. Without a name, the properties are the mention.
    """
    meant = [condition for condition in query.conditions if condition.quantifier != "none"]
    given = [(condition.property_id, value) for condition in meant for value in condition.values]
    texts = [value for property_id, value in given if property_id in _TEXTS]
    facts = [f"{property_named(property_id).name}: {value}" for property_id, value in given if property_id not in _TEXTS]
    surface = " ".join(query.text.split())
    if not surface:
        words = " ".join(value for _, value in given).strip()
        return Mention(mention_id, words) if words else None
    context = " ".join((*texts, "; ".join(facts))).strip()
    place = context.find(surface)
    return Mention(mention_id, surface, context) if place < 0 else Mention(mention_id, surface, context, place, place + len(surface))


def find_depth(query: Query, filtered: bool, most: int) -> int:
    """Return how many candidates the linker is asked for: more where some may be sorted out."""
    return most if filtered or any(condition.required for condition in query.conditions) else min(query.limit, most)


def find_ids(queries: Iterable[Query], links: Iterable[Link | None]) -> list[str]:
    """Return the ids of which ``rank`` needs the entities: those of candidates, and queries that may be ids."""
    ids = [candidate.entity_id for link in links if link is not None for candidate in link.candidates]
    return list(dict.fromkeys((*ids, *(query.text.strip() for query in queries))))


def rank(query: Query, link: Link | None, entities: Mapping[str, Entity], types: EntityTypes) -> list[Match]:
    """Return the candidates of a query, best first.

    Args:
        query: What was asked.
        link: What the linker says, with enough candidates; None where there was nothing to link.
        entities: The entities of ``find_ids``, as far as they exist.
        types: Types of entities.
    """
    candidates = () if link is None else link.candidates
    found = [(candidate, entities[candidate.entity_id]) for candidate in candidates if candidate.entity_id in entities]
    kept = [(candidate, entity) for candidate, entity in found if types.fits(entity, query.types) and _fulfils(entity, query.conditions)]
    likeness = _likeness(query.text, [entity.name for _, entity in kept])
    matches = [
        _match(query, link, candidate, entity, alike, types)
        for (candidate, entity), alike in zip(kept, likeness, strict=True)
        if link is not None
    ]
    if sum(bool(match.features["name_match"]) for match in matches) > 1:
        matches = [match if "probability" in match.features else match._replace(match=False) for match in matches]
    named = entities.get(query.text.strip())
    if named is not None:
        matches = [_identified(named, link), *(match for match in matches if match.entity.id != named.id)]
    return sorted(matches, key=lambda match: -match.score)[: query.limit]


def _match(query: Query, link: Link, candidate: Candidate, entity: Entity, alike: float, types: EntityTypes) -> Match:
    same_name = name_match(query.text, entity.name, entity.aliases) in ("name", "alias")
    features: dict[str, bool | float] = {} if candidate.probability is None else {"probability": round(candidate.probability, 6)}
    features |= {"similarity": round(candidate.score, 6), "name_similarity": round(alike, 6), "name_match": same_name}
    if query.types:
        features["type_match"] = types.fits(entity, query.types)
    linked = candidate.entity_id == link.entity_id
    if candidate.probability is None:
        # Nothing says how sure the best candidate is, so only its name can, and only where no other candidate has it too: see rank.
        return Match(entity, round(100 * min(1.0, max(0.0, candidate.score)), 4), linked and same_name, features)
    sure = linked and candidate.probability >= _LEAST_MATCH
    return Match(entity, round(100 * min(1.0, candidate.probability), 4), sure, features)


def _identified(entity: Entity, link: Link | None) -> Match:
    agreed = link is None or link.is_nil or link.entity_id == entity.id
    return Match(entity, 100.0, agreed, {"id_match": True})


def _fulfils(entity: Entity, conditions: Sequence[Condition]) -> bool:
    return all(_fits(entity, condition) for condition in conditions if condition.required and condition.property_id != CONTEXT)


def _fits(entity: Entity, condition: Condition) -> bool:
    has = {_plain(value) for value in values_of(entity, condition.property_id)}
    wanted = [_plain(value) in has for value in condition.values]
    match condition.quantifier:
        case "all":
            return all(wanted)
        case "none":
            return not any(wanted)
    return any(wanted)


def _plain(text: str) -> str:
    return " ".join(fold(text).split())


def _likeness(query: str, names: Sequence[str]) -> list[float]:
    if not names:
        return []
    vectors = LexicalHasher(_DIM).encode([query, *names])
    found: Any = (vectors[1:] @ vectors[0].T).toarray()[:, 0]
    return [min(1.0, float(value)) for value in found]
