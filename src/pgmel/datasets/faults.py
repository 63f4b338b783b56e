"""The rules that a record can break, and what happens when it does: stop at once, or leave it out and remember it."""

from pathlib import Path
from typing import Literal, NamedTuple

from pgmel.errors import DataError, SettingError

__all__ = [
    "DUPLICATE_ID",
    "EMPTY_ID",
    "EMPTY_SURFACE",
    "ID_DISAGREES",
    "MALFORMED",
    "MISSING_KEY",
    "MISTYPED_KEY",
    "NOT_UTF8",
    "RESERVED_ID",
    "UNEVEN_LISTS",
    "UNKNOWN_CANDIDATE",
    "UNKNOWN_GOLD",
    "UNKNOWN_QID",
    "UNKNOWN_SPLIT_ID",
    "WRONG_FIELDS",
    "WRONG_OFFSETS",
    "WRONG_TYPE",
    "Faults",
    "OnError",
    "Place",
]

OnError = Literal["stop", "skip"]

# The sentences are constant, so that faults can be counted by rule; what was found stands in the place.
MALFORMED = "the record is not valid JSON"
NOT_UTF8 = "the line is not UTF-8 text"
MISSING_KEY = "a required key is missing"
MISTYPED_KEY = "a key is unknown and looks like a misspelt one"
WRONG_TYPE = "a value has the wrong type"
WRONG_FIELDS = "the line has the wrong number of fields"
WRONG_OFFSETS = "start and end do not enclose the mention in its context"
EMPTY_SURFACE = "the mention has no text"
EMPTY_ID = "an id is empty"
RESERVED_ID = "an entity is called NIL, which is kept for 'no entity'"
DUPLICATE_ID = "an id occurs more than once"
ID_DISAGREES = "two places give different ids to one record"
UNEVEN_LISTS = "mentions, entities and answers differ in number"
UNKNOWN_GOLD = "the gold entity is not in the knowledge base"
UNKNOWN_CANDIDATE = "a candidate is not in the knowledge base"
UNKNOWN_QID = "an id has no entity in the knowledge base"
UNKNOWN_SPLIT_ID = "a split names an id that no record has"

FIX = "Correct it, or leave faulty records out with --on-error skip (data.on_error in settings)"


class Place(NamedTuple):
    """Where a record stands: its file, and the line or key within it as a person would look for it."""

    file: Path
    text: str


class Faults:
    """Collects the faults of one data set.

    Args:
        on_error: ``stop`` raises the first fault; ``skip`` keeps all of them in ``found``.

    Raises:
        SettingError: If ``on_error`` is neither.
    """

    def __init__(self, on_error: OnError = "stop") -> None:
        if on_error not in ("stop", "skip"):
            raise SettingError(f"data.on_error must be 'stop' or 'skip', got {on_error!r}")
        self.on_error = on_error
        self.found: list[DataError] = []

    def report(self, rule: str, where: Place, detail: str = "") -> None:
        """Raise the fault, or remember it.

        Args:
            rule: One of this module's sentences.
            where: Where the record stands.
            detail: The key or value at fault.

        Raises:
            DataError: If the data set is read with ``on_error="stop"``.
        """
        place = f"{where.text}, {detail}" if detail else where.text
        error = DataError(rule, where.file, place, fix=FIX if self.on_error == "stop" else None)
        if self.on_error == "stop":
            raise error
        self.found.append(error)
