"""Answers as the API writes them, in version 0.2 and 1.0-draft."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pgmel.interfaces.http.entities import picture_address
from pgmel.interfaces.http.reconciliation.extending import Extension
from pgmel.interfaces.http.reconciliation.matching import FEATURES, Match
from pgmel.interfaces.http.reconciliation.properties import Property
from pgmel.interfaces.http.reconciliation.types import EntityTypes, Type
from pgmel.records import Entity

__all__ = [
    "write_draft_candidates",
    "write_draft_extension",
    "write_entities",
    "write_extension",
    "write_named",
    "write_results",
]


def write_results(results: Mapping[str, Sequence[Match]], types: EntityTypes) -> dict[str, Any]:
    """Return a result batch of version 0.2."""
    return {key: {"result": [_candidate(match, types) for match in matches]} for key, matches in results.items()}


def write_draft_candidates(results: Iterable[Sequence[Match]], types: EntityTypes, base: str) -> dict[str, Any]:
    """Return a result batch of version 1.0-draft; ``base`` is the address of the server's root."""
    return {"results": [{"candidates": [_draft_candidate(match, types, base) for match in matches]} for matches in results]}


def write_entities(found: Iterable[tuple[Entity, list[Type]]], base: str | None = None) -> list[dict[str, Any]]:
    """Return suggested entities; with their pictures, which version 1.0-draft knows, if the address of the server's root is given."""
    # Types as ids alone: OpenRefine joins them into a text.
    return [_entity(entity, base) | {"notable": [one.id for one in types]} for entity, types in found]


def write_named(found: Iterable[Type | Property]) -> list[dict[str, Any]]:
    """Return types or properties."""
    return [{key: value for key, value in one._asdict().items() if value} for one in found]


def write_extension(extension: Extension) -> dict[str, Any]:
    """Return a data extension response of version 0.2."""
    ids = [one.id for one in extension.properties]
    rows = {key: {one: _values(values) for one, values in zip(ids, row, strict=True)} for key, row in extension.rows}
    return {"meta": _meta(extension), "rows": rows}


def write_draft_extension(extension: Extension) -> dict[str, Any]:
    """Return a data extension response of version 1.0-draft."""
    ids = [one.id for one in extension.properties]
    rows = [
        {"id": key, "properties": [{"id": one, "values": _values(values)} for one, values in zip(ids, row, strict=True)]}
        for key, row in extension.rows
    ]
    return {"meta": _meta(extension), "rows": rows}


def _candidate(match: Match, types: EntityTypes) -> dict[str, Any]:
    return {
        **_entity(match.entity),
        "type": [{"id": one.id, "name": one.name} for one in types.of(match.entity)],
        "score": match.score,
        "match": match.match,
        "features": [{"id": feature, "value": value} for feature, value in match.features.items()],
    }


def _draft_candidate(match: Match, types: EntityTypes, base: str) -> dict[str, Any]:
    features = [{"id": feature, "name": FEATURES[feature], "value": value} for feature, value in match.features.items()]
    return _candidate(match, types) | _entity(match.entity, base) | {"features": features}


def _entity(entity: Entity, base: str | None = None) -> dict[str, Any]:
    found = {"id": entity.id, "name": entity.name or entity.id}
    if entity.description:
        found["description"] = entity.description
    address = picture_address(entity)
    if base is not None and address is not None:
        found["image"] = f"{base}/{address}"
    return found


def _meta(extension: Extension) -> list[dict[str, str]]:
    return [{"id": one.id, "name": one.name} for one in extension.properties]


def _values(values: Sequence[str]) -> list[dict[str, str]]:
    return [{"str": value} for value in values]
