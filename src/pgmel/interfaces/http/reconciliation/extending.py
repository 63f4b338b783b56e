"""Data extension: values of properties for entities that were reconciled."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from pgmel.interfaces.http.entities import picture_address
from pgmel.interfaces.http.limits import Limits
from pgmel.interfaces.http.problems import Problem
from pgmel.interfaces.http.reconciliation.properties import Property, property_named, values_of
from pgmel.records import Entity

__all__ = ["Extension", "ExtensionQuery", "check_extension", "extend"]

_MOST_PROPERTIES: Final = 100


class _Wanted(msgspec.Struct):
    id: str
    settings: dict[str, Any] | None = None


class ExtensionQuery(msgspec.Struct):
    """A data extension query; the same in both versions."""

    ids: list[str]
    properties: list[_Wanted]


class Extension(NamedTuple):
    """What was asked for: properties, and for each id, in the order of the query, the values of each property in their order."""

    properties: list[Property]
    rows: list[tuple[str, list[Sequence[str]]]]


def check_extension(query: ExtensionQuery, limits: Limits) -> None:
    """Check how much is asked for.

    Raises:
        Problem: If it is too much, or a setting is wrong.
    """
    if len(query.ids) > limits.mentions:
        raise Problem("batch_too_long", f"{len(query.ids):,} ids are more than {limits.mentions:,}", "Send them in several requests")
    if len(query.properties) > _MOST_PROPERTIES:
        message = f"{len(query.properties):,} properties are more than {_MOST_PROPERTIES}"
        raise Problem("batch_too_long", message, "Ask for them in several requests")
    for wanted in query.properties:
        _limit(wanted)


def extend(query: ExtensionQuery, entities: Mapping[str, Entity], base: str) -> Extension:
    """Return the values; an id that the KB does not have gets none.

    Args:
        query: What is asked for.
        entities: The entities of its ids, as far as they exist.
        base: Address of the server's root, for those of pictures.
    """
    wanted = list({one.id: one for one in query.properties}.values())
    rows: list[tuple[str, list[Sequence[str]]]] = []
    for entity_id in dict.fromkeys(query.ids):
        entity = entities.get(entity_id)
        rows.append((entity_id, [() if entity is None else _values(entity, one, base) for one in wanted]))
    return Extension([property_named(one.id) for one in wanted], rows)


def _values(entity: Entity, wanted: _Wanted, base: str) -> Sequence[str]:
    separate = (wanted.settings or {}).get("lists") != "together"
    address = picture_address(entity)
    return values_of(entity, wanted.id, address and f"{base}/{address}", separate)[: _limit(wanted) or None]


def _limit(wanted: _Wanted) -> int:
    """Return the setting; clients that fill in forms send numbers as text."""
    given = (wanted.settings or {}).get("limit", 0)
    try:
        limit = int(given) if given != "" else 0
    except (TypeError, ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise Problem("invalid_request", "the setting limit of a property is no number from 0 on", "Leave it out, or send 0 for all")
    return limit
