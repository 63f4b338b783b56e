"""Where a job over a file stands, so that it goes on after an interruption without losing or doubling a line.

Beside ``links.jsonl`` lie, while the job is unfinished, ``links.jsonl.part`` and ``links.bad.jsonl.part`` with what is done, and
``links.jsonl.journal``. The journal is written after the other two have reached the disk and says how many of their bytes count; what was
written later is cut off when the job goes on.
"""

import hashlib
from pathlib import Path
from typing import Final, final

import msgspec

from pgmel.errors import DataError
from pgmel.files import read_json, write_json

__all__ = ["Counts", "JobFiles", "JobState", "SourceFacts", "read_journal", "survey_source", "write_journal"]

JOURNAL_VERSION: Final = 1
_READ_AT_ONCE: Final = 1 << 20


@final
class Counts(msgspec.Struct, frozen=True):
    """What became of the lines so far; ``lines`` counts blank ones too."""

    lines: int = 0
    linked: int = 0
    nil: int = 0
    bad: int = 0
    pictures_missing: int = 0
    pictures_broken: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add the counts of further lines."""
        return Counts(*(mine + its for mine, its in zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)))


@final
class JobState(msgspec.Struct, frozen=True):
    """How far a job is; ``identity`` stands for its input, bundle and options."""

    identity: str
    version: int = JOURNAL_VERSION
    source_bytes: int = 0
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
        """Lines that could not be used."""
        return self.output.with_name(f"{self.output.stem}.bad.jsonl")

    @property
    def output_part(self) -> Path:
        """The output while it is unfinished."""
        return self.output.with_name(f"{self.output.name}.part")

    @property
    def bad_part(self) -> Path:
        """The bad lines while the job is unfinished."""
        return self.bad.with_name(f"{self.bad.name}.part")

    @property
    def journal(self) -> Path:
        """How far the job is."""
        return self.output.with_name(f"{self.output.name}.journal")

    def all(self) -> tuple[Path, ...]:
        """Return every file that the job may write."""
        return self.output, self.bad, self.output_part, self.bad_part, self.journal


@final
class SourceFacts(msgspec.Struct, frozen=True):
    """An input file's size in bytes, its lines, and the digest of its content."""

    size: int
    lines: int
    digest: str


def survey_source(path: Path) -> SourceFacts:
    """Read an input file once, to know it again and to know how much there is to do.

    Raises:
        DataError: If it is missing, no regular file, or unreadable.
    """
    if not path.exists():
        raise DataError("the file does not exist", path)
    if not path.is_file():
        raise DataError("this is no regular file, and only such a one can be continued after an interruption", path)
    digest = hashlib.blake2b(digest_size=16)
    size = lines = 0
    last = b"\n"
    try:
        with path.open("rb") as file:
            while block := file.read(_READ_AT_ONCE):
                digest.update(block)
                size += len(block)
                lines += block.count(b"\n")
                last = block[-1:]
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror})", path) from None
    return SourceFacts(size, lines + (last != b"\n"), digest.hexdigest())


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
