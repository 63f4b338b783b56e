"""The data set as the rest of pgmel sees it, whatever its files look like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pgmel.datasets.faults import Faults
from pgmel.errors import DataError
from pgmel.records import Entity, Mention

__all__ = ["SPLIT_NAMES", "Contents", "Dataset", "Layout", "Published"]

SPLIT_NAMES: Mapping[str, str] = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test"}
"""What publishers call a split, and what it is called here."""


class Published(NamedTuple):
    """What a published record says of itself and no mention carries, because it may give the answer away; only the audit reads it.

    Attributes:
        record_id: Its id or key; None where records have none.
        picture: Name or address of its picture; None where it has none.
    """

    record_id: str | None = None
    picture: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A knowledge base and the mentions that link to it.

    ``splits`` has the keys ``train``, ``dev`` and ``test``, in this order, as far as the files have them, and after them the ``derived``
    splits: those that an audit made, each mapped to the split that it is a part of. Mention ids are unique over all splits but the derived
    ones. ``faults`` holds what was left out under ``on_error="skip"``. ``notes`` says, in sentences, where the files deviate from their
    layout without being at fault: a test split that was withheld, records that no split names. ``published`` has the mentions' ids as keys.
    """

    name: str
    layout: str
    root: Path
    entities: tuple[Entity, ...]
    splits: Mapping[str, tuple[Mention, ...]]
    faults: tuple[DataError, ...] = ()
    notes: tuple[str, ...] = ()
    derived: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, Published] = field(default_factory=dict, repr=False)

    @property
    def published_splits(self) -> dict[str, tuple[Mention, ...]]:
        """The splits that the files have, without derived ones."""
        return {name: mentions for name, mentions in self.splits.items() if name not in self.derived}


@dataclass(frozen=True)
class Contents:
    """What a layout's loader returns; ``name`` where the files give the data set one."""

    entities: tuple[Entity, ...]
    splits: Mapping[str, tuple[Mention, ...]]
    notes: tuple[str, ...] = ()
    name: str | None = None
    published: Mapping[str, Published] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Layout:
    """One way in which data sets lie on disk.

    Args:
        name: What the user calls it.
        description: One line for ``pgmel data layouts``.
        looks_for: The files by which it is recognised, for the message when none is.
        detect: Whether a path looks like this layout; reads names and at most the first bytes of a file.
        load: Reads everything, and reports faulty records.
    """

    name: str
    description: str
    looks_for: str
    detect: Callable[[Path], bool] = field(repr=False)
    load: Callable[[Path, Faults], Contents] = field(repr=False)
