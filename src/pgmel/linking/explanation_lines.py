"""Explanations as JSON-like values."""

from typing import Any

from pgmel.records import Explanation

__all__ = ["explanation_values"]


def explanation_values(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON-like values; figures have six decimals."""
    picture = explanation.picture
    return {
        "kinds": {kind: round(value, 6) for kind, value in explanation.by_kind.items()},
        "parts": [{"name": part.name, "kind": part.kind, "stage": part.stage, "value": round(part.value, 6)} for part in explanation.parts],
        "gates": {"mention": _rounded(explanation.mention_gate), "entity": _rounded(explanation.entity_gate)},
        "name_match": explanation.name_match,
        "words": [
            {"word": word.word, "place": word.place, "start": word.start, "end": word.end, "effect": round(word.effect, 6)}
            for word in explanation.words
        ],
        "picture": None
        if picture is None
        else {"rows": picture.rows, "columns": picture.columns, "effects": [round(effect, 6) for effect in picture.effects]},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
