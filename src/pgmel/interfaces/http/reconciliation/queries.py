"""Reconciliation queries of both versions of the API, read into one form."""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from pgmel.interfaces.http.limits import Limits
from pgmel.interfaces.http.problems import Problem
from pgmel.interfaces.http.reconciliation.bodies import decode_text

__all__ = ["Condition", "DraftBatch", "Query", "queries_of_draft", "queries_of_text"]

DEFAULT_LIMIT: Final = 10

Quantifier = Literal["any", "all", "none"]


class Condition(NamedTuple):
    """What an entity's property should be; candidates must fulfil it if it is ``required``."""

    property_id: str
    values: tuple[str, ...]
    required: bool = False
    quantifier: Quantifier = "any"


class Query(NamedTuple):
    """One query: the name as it stands in the client's data, types of which a candidate should bear one, and what else is known."""

    text: str
    types: tuple[str, ...]
    limit: int
    conditions: tuple[Condition, ...]


class _Value(msgspec.Struct):
    pid: str
    v: Any


class _Query(msgspec.Struct):
    query: str = ""
    type: Any = None
    limit: int | float | None = None
    properties: list[_Value] | None = None


class _Condition(msgspec.Struct, rename="camel"):
    match_type: Literal["name", "property"]
    property_value: Any
    property_id: str | None = None
    required: bool = False
    match_quantifier: Quantifier = "any"


class _DraftQuery(msgspec.Struct):
    conditions: list[_Condition]
    type: str | None = None
    limit: int | float | None = None


class DraftBatch(msgspec.Struct):
    """The body of ``/match`` in version 1.0-draft."""

    queries: list[_DraftQuery]


def queries_of_text(text: str, limits: Limits) -> dict[str, Query]:
    """Read the batch of version 0.2, an object of queries by the client's keys.

    Raises:
        Problem: If it is not as the specification says, or breaks a limit.
    """
    batch: Mapping[str, _Query] = decode_text(text, dict[str, _Query], "queries")
    _check_number(len(batch), limits)
    return {key: _checked(_query(query, key), key, limits) for key, query in batch.items()}


def queries_of_draft(batch: DraftBatch, limits: Limits) -> list[Query]:
    """Read the batch of version 1.0-draft.

    Raises:
        Problem: If it is not as the specification says, or breaks a limit.
    """
    _check_number(len(batch.queries), limits)
    return [_checked(_draft_query(query, number), number, limits) for number, query in enumerate(batch.queries, start=1)]


def _query(query: _Query, key: str) -> Query:
    if not query.query.strip() and not query.properties:
        raise _wrong(key, "has neither a name in query nor properties")
    conditions = tuple(Condition(value.pid, _texts(value.v)) for value in query.properties or ())
    return Query(query.query, _texts(query.type, "id"), _limit(query.limit, key), conditions)


def _draft_query(query: _DraftQuery, number: int) -> Query:
    if not query.conditions:
        raise _wrong(number, "has no conditions")
    names: list[str] = []
    conditions = []
    for condition in query.conditions:
        values = _texts(condition.property_value)
        if condition.match_type == "name":
            names += values
        elif condition.property_id is None:
            raise _wrong(number, "has a condition of matchType property without a propertyId")
        else:
            conditions.append(Condition(condition.property_id, values, condition.required, condition.match_quantifier))
    # Other spellings of the name help as names of what is meant do: as text around it.
    others = [Condition("aliases", tuple(names[1:]))] if len(names) > 1 else []
    types = (query.type,) if query.type else ()
    return Query(names[0] if names else "", types, _limit(query.limit, number), (*others, *conditions))


def _texts(value: Any, of_object: str = "name") -> tuple[str, ...]:
    """Return values as texts: a text, number or truth value, an entity by its name (or id), or a list of such."""
    if isinstance(value, list):
        return tuple(text for member in value if not isinstance(member, list) for text in _texts(member, of_object))
    if isinstance(value, dict):
        value = next((value[key] for key in (of_object, "name", "id", "str") if isinstance(value.get(key), str)), "")
    elif isinstance(value, bool):
        value = str(value).lower()
    text = "" if value is None else str(value).strip()
    return (text,) if text else ()


def _limit(limit: int | float | None, key: str | int) -> int:
    if limit is None:
        return DEFAULT_LIMIT
    if not 1 <= limit < float("inf"):
        raise _wrong(key, "has a limit below 1")
    return int(limit)


def _check_number(number: int, limits: Limits) -> None:
    if number > limits.mentions:
        raise Problem("batch_too_long", f"{number:,} queries are more than {limits.mentions:,}", "Send them in several requests")


def _checked(query: Query, key: str | int, limits: Limits) -> Query:
    longest = max(len(query.text), sum(len(value) for condition in query.conditions for value in condition.values))
    if longest > limits.text_characters:
        message = f"the query {_shown(key)} has a text of {longest:,} characters, more than {limits.text_characters:,}"
        raise Problem("text_too_long", message, "Send the name, and the sentence or paragraph around it")
    return query._replace(limit=min(query.limit, limits.top_k))


def _wrong(key: str | int, rule: str) -> Problem:
    return Problem("invalid_request", f"the query {_shown(key)} {rule}", "See the specification of the Reconciliation Service API")


def _shown(key: str | int) -> str:
    return repr(key[:20]) if isinstance(key, str) else str(key)
