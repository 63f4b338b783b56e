"""Where a job over a file stands, so that it goes on after an interruption without losing or doubling a row.

Beside ``links.csv`` lie, while the job is unfinished, ``links.csv.part`` and ``links.bad.jsonl.part`` with what is done, and
``links.csv.journal``. The journal is written after the other two have reached the disk and says how many rows of the input are done and
how many bytes of the two count; what was written later is cut off when the job goes on.
"""

from pathlib import Path
from typing import Final, final

import msgspec

from pgmel.errors import DataError
from pgmel.files import read_json, write_json

__all__ = ["Counts", "JobFiles", "JobState", "read_journal", "write_journal"]

JOURNAL_VERSION: Final = 3


@final
class Counts(msgspec.Struct, frozen=True):
    """What became of the rows so far; blank ones are not counted. ``unsure`` are those of the ``nil`` whose decision is that."""

    rows: int = 0
    linked: int = 0
    nil: int = 0
    bad: int = 0
    pictures_missing: int = 0
    pictures_broken: int = 0
    unsure: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add the counts of further rows."""
        return Counts(*(mine + its for mine, its in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)))


@final
class JobState(msgspec.Struct, frozen=True):
    """How far a job is; ``identity`` stands for its input, bundle and options."""

    identity: str
    version: int = JOURNAL_VERSION
    output_bytes: int = 0
    bad_bytes: int = 0
    counts: Counts = Counts()
    finished: bool = False


@final
class JobFiles(msgspec.Struct, frozen=True):
    """The files of a job."""

    output: Path

    @property
    def bad(self) -> Path:
        """Rows that could not be used."""
        return self.output.with_name(f"{self.output.stem}.bad.jsonl")

    @property
    def output_part(self) -> Path:
        """The output while it is unfinished."""
        return self.output.with_name(f"{self.output.name}.part")

    @property
    def bad_part(self) -> Path:
        """The bad rows while the job is unfinished."""
        return self.bad.with_name(f"{self.bad.name}.part")

    @property
    def journal(self) -> Path:
        """How far the job is."""
        return self.output.with_name(f"{self.output.name}.journal")

    def all(self) -> tuple[Path, ...]:
        """Return every file that the job may write."""
        return self.output, self.bad, self.output_part, self.bad_part, self.journal


def read_journal(path: Path) -> JobState | None:
    """Read a journal, or return None where there is none.

    Raises:
        DataError: If it is damaged or of another version.
    """
    if not path.exists():
        return None
    try:
        state = msgspec.convert(read_json(path), JobState)
    except msgspec.ValidationError as error:
        raise DataError(f"the journal is damaged ({error})", path, fix="Start anew with --restart") from None
    if state.version != JOURNAL_VERSION:
        raise DataError(
            f"the journal has version {state.version}, this pgmel reads {JOURNAL_VERSION}", path, fix="Start anew with --restart"
        )
    return state


def write_journal(path: Path, state: JobState) -> None:
    """Write a journal atomically."""
    write_json(path, state)
