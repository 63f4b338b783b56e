"""Link a file of mentions of any size: in order, in bounded memory, and continued after an interruption."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, final

import msgspec

from pgmel.errors import DataError
from pgmel.files import find_obstacle, hash_json, remove_leftovers
from pgmel.linking.inputs import InputOptions, MentionFile, Row
from pgmel.linking.journal import Counts, JobFiles, JobState, read_journal, write_journal
from pgmel.linking.outputs import find_output_format, open_writer
from pgmel.linking.warnings import PICTURE_BROKEN, PICTURE_MISSING
from pgmel.progress import progress_bar
from pgmel.records import Link, Mention

__all__ = ["BulkJob", "BulkOptions", "LinksMentions"]

_FLUSH_S: Final = 2.0
_NEW_START: Final = "Start anew with --restart, or name another output"


class LinksMentions(Protocol):
    """What a job asks of the linker."""

    def link(self, mentions: list[Mention], top_k: int = 10, explain: bool = False) -> list[Link]:
        """Link mentions."""
        ...


@final
@dataclass(frozen=True)
class BulkOptions:
    """What the result of a job depends on, besides its input and the bundle; a job that was begun with other options is not continued.

    Attributes:
        top_k: Candidates written for each mention.
        input: How the input is read.
        output_format: A key of ``MENTION_FORMATS``; ``auto`` goes by the output's ending.
        prefix: Put before the names of the columns that are added to a table; None puts one only where names clash.
        explain: Whether candidates come with the reasons for their scores.
    """

    top_k: int = 10
    input: InputOptions = field(default_factory=InputOptions)
    output_format: str = "auto"
    prefix: str | None = None
    explain: bool = False


@final
class BulkJob:
    """One input file linked into one output file.

    Args:
        source: Mentions as JSON lines, CSV, TSV or Parquet.
        output: One link per mention, in a format of its own; beside it ``<stem>.bad.jsonl`` gets the rows that could not be used.
        bundle: Identity of the bundle, to notice when a job is continued with another one.
        options: How to read, link and write.
        restart: Throw away what an interrupted job left.
        overwrite: Replace a finished output.
        show_progress: Whether to show a bar while the input is read through for the first time.

    Raises:
        SettingError: If an option breaks a rule, or it is not clear which column is meant.
        DataError: If the input is missing, unreadable or would be overwritten, the output exists, or what an interrupted job left
            belongs to another input, bundle or options.
        MissingExtraError: If a format needs a package that is not installed.
    """

    def __init__(
        self,
        source: Path,
        output: Path,
        bundle: str,
        options: BulkOptions | None = None,
        restart: bool = False,
        overwrite: bool = False,
        show_progress: bool = True,
    ) -> None:
        self.options = options or BulkOptions()
        self.files = JobFiles(output)
        _check_paths(source, self.files)
        kind = find_output_format(output, self.options.output_format)
        found = None if restart else read_journal(self.files.journal)
        if found is None:
            _check_free(self.files, overwrite, restart)
        self.source = MentionFile(source, self.options.input, show_progress)
        self.facts = self.source.facts
        self.writer = open_writer(kind, self.source, self.options.prefix)
        settled = replace(self.options, output_format=kind, input=self.source.settled())
        identity = hash_json([self.facts.digest, bundle, _plain(asdict(settled))])
        if found is not None and found.identity != identity:
            raise DataError(
                "an interrupted job of this output was about another input, bundle or options, or its input has changed",
                self.files.journal,
                fix=_NEW_START,
            )
        self.state = found or JobState(identity)

    @property
    def counts(self) -> Counts:
        """What became of the rows so far."""
        return self.state.counts

    def run(self, linker: LinksMentions, batch_size: int = 64, show_progress: bool = True) -> Counts:
        """Link what is left, and give the output its name.

        Whatever interrupts it, Ctrl-C included, is passed on after the state was saved; another job over the same files continues.

        Args:
            linker: Links.
            batch_size: Rows read and linked at once.
            show_progress: Whether to show a bar.

        Raises:
            DataError: If a file cannot be written, or another process works on the same output.
        """
        try:
            if not self.state.finished:
                self.files.output.parent.mkdir(parents=True, exist_ok=True)
                self._link_rest(linker, batch_size, show_progress)
            self._give_names(show_progress)
        except OSError as error:
            message = f"the job stopped: {error}"
            raise DataError(message, self.files.output, fix="Cure that and run the same command again; it continues") from None
        return self.counts

    def _link_rest(self, linker: LinksMentions, batch_size: int, show_progress: bool) -> None:
        with ExitStack() as stack:
            output = stack.enter_context(_open_part(self.files.output_part, self.state.output_bytes))
            bad = stack.enter_context(_open_part(self.files.bad_part, self.state.bad_bytes))
            # Not before the parts are locked: journal and leftovers may be another process's.
            remove_leftovers(self.files.journal)
            write_journal(self.files.journal, self.state)
            if not self.state.output_bytes:
                opening = self.writer.opening()
                output.write(opening)
                self.state = msgspec.structs.replace(self.state, output_bytes=len(opening))
            done = self.counts.rows
            rows = self.source.rows(done, only_used=not self.writer.added)
            bar = stack.enter_context(progress_bar("linking", self.facts.rows, unit="mentions", done=done, show=show_progress))
            saved = time.monotonic()
            try:
                while batch := list(islice(rows, batch_size)):
                    self._link_rows(batch, linker, output, bad)
                    bar.advance(len(batch))
                    if time.monotonic() - saved > _FLUSH_S:
                        self._save(output, bad)
                        saved = time.monotonic()
                if self.counts.rows < self.facts.rows:
                    raise DataError("the input became shorter while it was read", self.source.path, fix=_NEW_START)
            finally:
                self._save(output, bad)
        self.state = msgspec.structs.replace(self.state, finished=True)
        write_journal(self.files.journal, self.state)

    def _link_rows(self, rows: list[Row], linker: LinksMentions, output: BinaryIO, bad: BinaryIO) -> None:
        usable: list[Mapping[str, Any]] = []
        mentions: list[Mention] = []
        faults: list[bytes] = []
        for row in rows:
            try:
                mentions.append(self.source.mention(row))
                usable.append(row.values)  # type: ignore[arg-type]  # a mention came of it
            except DataError as error:
                faults.append(msgspec.json.encode(row.fault(error)) + b"\n")
        links = linker.link(mentions, self.options.top_k, self.options.explain)
        written = self.writer.encode(list(zip(usable, mentions, links, strict=True)))
        kept = b"".join(faults)
        output.write(written)
        bad.write(kept)
        # One assignment, after both writes: an interruption leaves either the old state or the new one.
        self.state = JobState(
            identity=self.state.identity,
            output_bytes=self.state.output_bytes + len(written),
            bad_bytes=self.state.bad_bytes + len(kept),
            counts=self.counts + _count(len(rows), links, len(faults)),
        )

    def _save(self, output: BinaryIO, bad: BinaryIO) -> None:
        for file in (output, bad):
            file.flush()
            os.fsync(file.fileno())
        write_journal(self.files.journal, self.state)

    def _give_names(self, show_progress: bool) -> None:
        # The journal goes last: until then another run finds the job finished and gives the names that are missing.
        if self.counts.bad:
            if self.files.bad_part.exists():
                self.files.bad_part.replace(self.files.bad)
        else:
            self.files.bad_part.unlink(missing_ok=True)
            self.files.bad.unlink(missing_ok=True)
        if self.files.output_part.exists():
            self.writer.finish(self.files.output_part, self.files.output, show_progress)
        self.files.journal.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Return options as JSON-like values; a folder counts with its whole path."""
    if isinstance(value, Path):
        return str(value.absolute())
    return {key: _plain(member) for key, member in value.items()} if isinstance(value, dict) else value


def _check_paths(source: Path, files: JobFiles) -> None:
    if files.output.is_dir():
        raise DataError("the output is a folder; name a file", files.output)
    if obstacle := find_obstacle(files.output):
        raise DataError(f"the output cannot be written: {obstacle}", files.output, fix="Name another output")
    if any(_is_same(source, path) for path in files.all()):
        raise DataError("the output would overwrite the input", source, fix="Name another output")


def _is_same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _check_free(files: JobFiles, overwrite: bool, restart: bool) -> None:
    for path in (files.output, files.bad):
        if path.exists() and not overwrite:
            raise DataError("the file exists already", path, fix="Name another output, or replace it with --overwrite")
    for path in (files.output_part, files.bad_part):
        if not restart and path.exists() and path.stat().st_size:
            raise DataError("the file is in the way, and there is no journal that says whose it is", path, fix=_NEW_START)


@contextmanager
def _open_part(path: Path, size: int) -> Iterator[BinaryIO]:
    """Open a part for appending after its first ``size`` bytes; nobody else may."""
    path.touch()
    with path.open("r+b") as file:
        _lock(file, path)
        if path.stat().st_size < size:
            raise DataError(f"the file has lost bytes: it should have {size:,} at least", path, fix=_NEW_START)
        file.truncate(size)
        file.seek(size)
        yield file


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError("another process is writing this file", path, fix="Wait for it, or name another output") from None


def _count(rows: int, links: list[Link], bad: int) -> Counts:
    nil = sum(link.is_nil for link in links)
    warned = [warning for link in links for warning in link.warnings]
    missing = sum(warning.startswith(PICTURE_MISSING) for warning in warned)
    broken = sum(warning.startswith(PICTURE_BROKEN) for warning in warned)
    unsure = sum(link.decision == "unsure" for link in links)
    return Counts(rows, len(links) - nil, nil, bad, missing, broken, unsure)
