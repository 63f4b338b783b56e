"""What every kind of source offers: the names of its fields, and its rows with the places where they stand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from pgmel.errors import DataError

__all__ = ["Located", "Report", "RowError", "Source", "TornRowError", "reject"]


class RowError(DataError):
    """A row that cannot be read; ``text`` is how it stands in the file."""

    def __init__(self, rule: str, file: object, place: str, fix: str | None = None, text: str = "") -> None:
        super().__init__(rule, file, place, fix)
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rule, self.file, self.place, self.fix, self.text)


class TornRowError(RowError):
    """A row that is no text in the encoding in which the file is read."""


Located = tuple[str, Mapping[str, Any] | DataError]
"""A row's place, as a person would look for it (``line 12``), and its values by field, or what is wrong with it."""

Report = Callable[[DataError], None]
"""Takes a bad row: raises it, or counts it and lets the work go on."""


class Source(Protocol):
    """A file of entities."""

    path: Path
    """The file."""

    fields: tuple[str, ...]
    """Names of its fields; of a file without a header those of its first records."""

    num_left_out: int
    """Rows that were left out because nobody asked for them, so far."""

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:
        """Yield the rows, once.

        Args:
            fields: Those that will be looked at; others may be absent. Empty for all.

        Raises:
            DataError: If the file cannot be read any further.
        """
        ...


def reject(error: DataError) -> NoReturn:
    """Raise a bad row: the report of who stops at the first one."""
    raise error
