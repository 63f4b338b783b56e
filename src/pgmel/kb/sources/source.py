"""What every kind of source offers: the names of its fields, and its rows with the places where they stand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from pgmel.errors import DataError

__all__ = ["Located", "Report", "Source", "reject"]

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
