"""Everything an evaluation found, in one value that goes to JSON and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from pgmel.errors import DataError
from pgmel.evaluation.comparison import PairedComparison
from pgmel.evaluation.metrics import Metrics
from pgmel.evaluation.nil import NilMetrics
from pgmel.evaluation.removed_gold import RemovedGold
from pgmel.files import read_json, write_json

__all__ = ["PROTOCOLS", "EvaluationResult", "read_result"]

Protocol = Literal["kb", "candidates"]

PROTOCOLS: Mapping[Protocol, str] = {
    "kb": "ranked against the whole KB",
    "candidates": "ranked within given candidate lists, the gold entity always among them",
}
"""Protocol to what it means."""

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What one system scored on one split.

    Args:
        system: Name of what was measured: ``zero-shot``, ``trained``.
        protocol: ``kb`` or ``candidates``.
        overall: Figures over all ranked mentions.
        num_entities: Entities in the KB.
        slices: Slice to figures, from ``measure_slices``.
        excluded: Reason to number of mentions that were not ranked: ``{"gold is NIL": 120, "gold not in the KB": 3}``.
        nil: Figures of the NIL decision, where it was taken.
        data: Description of the data: name, layout, split, counts.
        settings: Settings of the run.
        seeds: Seed, or seeds, behind it.
        versions: Package to version.
        candidate_recall: Share of candidate lists that hold the gold entity (candidate-list protocol only).
        removed_gold: Figures with gold entities removed from the KB, where that was asked for.
        single_vector: What the same mentions score before the second stage, where this result is of a system with one.
        second_stage: Hits at 1 before and after the second stage, compared mention by mention.
    """

    system: str
    protocol: Protocol
    overall: Metrics
    num_entities: int
    slices: dict[str, Metrics] = field(default_factory=dict)
    excluded: dict[str, int] = field(default_factory=dict)
    nil: NilMetrics | None = None
    data: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    candidate_recall: float | None = None
    removed_gold: RemovedGold | None = None
    single_vector: "EvaluationResult | None" = None
    second_stage: PairedComparison | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers, with the number of the format."""
        return {"format": _FORMAT, **msgspec.to_builtins(self)}

    @classmethod
    def from_dict(cls, value: Any, file: Path | None = None) -> "EvaluationResult":
        """Read what ``to_dict`` gave.

        Args:
            value: The dict.
            file: Where it came from, for messages.

        Raises:
            DataError: If it is no evaluation result, or of another format; names the field.
        """
        if not isinstance(value, dict) or value.get("format") != _FORMAT:
            found = value.get("format") if isinstance(value, dict) else None
            raise DataError(
                f"not an evaluation result of format {_FORMAT} (found format {found!r})", file, fix="Evaluate again with this version"
            )
        try:
            return msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            raise DataError(f"not a complete evaluation result ({error})", file, fix="Evaluate again with this version") from None

    def save(self, path: Path) -> None:
        """Write the result as JSON, atomically."""
        write_json(path, self.to_dict())


def read_result(path: Path) -> EvaluationResult:
    """Read a result from the JSON that ``EvaluationResult.save`` wrote.

    Raises:
        DataError: If the file is missing, not JSON, or no evaluation result.
    """
    return EvaluationResult.from_dict(read_json(path), path)
