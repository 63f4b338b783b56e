"""Links as JSON-like values: one object per link."""

from collections.abc import Mapping
from typing import Any, Final

from pgmel.linking.explanation_lines import explanation_values
from pgmel.records import NIL_TEXT, Candidate, Link, Mention

__all__ = ["LINK_COLUMNS", "link_values"]

LINK_COLUMNS: Final[Mapping[str, str]] = {
    "entity_id": "text",
    "decision": "text",
    "name": "text",
    "probability": "number",
    "candidates": "json",
    "warnings": "text",
}
"""What a link adds to a table, and what such a column holds; ``candidates`` are JSON, ``warnings`` have a semicolon between them."""


def link_values(link: Link, mention: Mention) -> dict[str, Any]:
    """Return a link as JSON-like values; ``entity_id`` is ``"NIL"`` where nothing is linked; with explanations if the link has them."""
    return {
        "id": link.mention_id,
        "mention": mention.surface,
        "entity_id": NIL_TEXT if link.is_nil else link.entity_id,
        "decision": link.decision,
        "name": None if link.is_nil else link.candidates[0].name,
        "probability": _rounded(link.probability),
        "candidates": [_candidate_values(candidate) for candidate in link.candidates],
        "warnings": list(link.warnings),
    }


def _candidate_values(candidate: Candidate) -> dict[str, Any]:
    values: dict[str, Any] = {"entity_id": candidate.entity_id, "name": candidate.name}
    values |= {"score": _rounded(candidate.score), "probability": _rounded(candidate.probability)}
    return values if candidate.explanation is None else values | {"explanation": explanation_values(candidate.explanation)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
