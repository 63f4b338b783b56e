"""Link a file of mentions of any size: in order, in bounded memory, and continued after an interruption."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, final

import msgspec

from pgmel.errors import DataError
from pgmel.files import hash_json, remove_leftovers
from pgmel.linking.journal import Counts, JobFiles, JobState, read_journal, survey_source, write_journal
from pgmel.linking.lines import link_values, parse_mention, read_line
from pgmel.linking.warnings import PICTURE_BROKEN, PICTURE_MISSING
from pgmel.progress import progress_bar
from pgmel.records import Link, Mention

__all__ = ["BulkJob", "LinksMentions"]

_FLUSH_S: Final = 2.0
_SHOWN_CHARACTERS: Final = 2000
_NEW_START: Final = "Start anew with --restart, or name another output"


class LinksMentions(Protocol):
    """What a job asks of the linker."""

    def link(self, mentions: list[Mention], top_k: int = 10) -> list[Link]:
        """Link mentions."""
        ...


@final
class BulkJob:
    """One input file linked into one output file.

    Args:
        source: JSONL in the generic mention layout.
        output: JSONL, one link per mention; beside it ``<stem>.bad.jsonl`` gets the lines that could not be used.
        bundle: Identity of the bundle, to notice when a job is continued with another one.
        top_k: Candidates written for each mention.
        restart: Throw away what an interrupted job left.
        overwrite: Replace a finished output.

    Raises:
        DataError: If the input is missing or would be overwritten, the output exists, or what an interrupted job left belongs to another
            input, bundle or ``top_k``.
    """

    def __init__(self, source: Path, output: Path, bundle: str, top_k: int = 10, restart: bool = False, overwrite: bool = False) -> None:
        self.source = source
        self.files = JobFiles(output)
        self.top_k = top_k
        _check_paths(source, self.files)
        self.facts = survey_source(source)
        identity = hash_json([self.facts.digest, bundle, top_k])
        found = None if restart else read_journal(self.files.journal)
        if found is None:
            _check_free(self.files, overwrite, restart)
        elif found.identity != identity:
            raise DataError(
                "an interrupted job of this output was about another input, bundle or --top-k, or its input has changed",
                self.files.journal,
                fix=_NEW_START,
            )
        self.state = found or JobState(identity)

    @property
    def counts(self) -> Counts:
        """What became of the lines so far."""
        return self.state.counts

    def run(self, linker: LinksMentions, batch_size: int = 64, show_progress: bool = True) -> Counts:
        """Link what is left, and give the output its name.

        Whatever interrupts it, Ctrl-C included, is passed on after the state was saved; another job over the same files continues.

        Args:
            linker: Links.
            batch_size: Lines read and linked at once.
            show_progress: Whether to show a bar.

        Raises:
            DataError: If a file cannot be written, or another process works on the same output.
        """
        try:
            if not self.state.finished:
                self.files.output.parent.mkdir(parents=True, exist_ok=True)
                self._link_rest(linker, batch_size, show_progress)
            self._give_names()
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
            source = stack.enter_context(self.source.open("rb"))
            source.seek(self.state.source_bytes)
            bar = stack.enter_context(
                progress_bar("linking", self.facts.lines, unit="mentions", done=self.counts.lines, show=show_progress)
            )
            saved = time.monotonic()
            try:
                while lines := self._read_batch(source, batch_size):
                    self._link_lines(lines, linker, output, bad)
                    bar.advance(len(lines))
                    if time.monotonic() - saved > _FLUSH_S:
                        self._save(output, bad)
                        saved = time.monotonic()
            finally:
                self._save(output, bad)
        self.state = msgspec.structs.replace(self.state, finished=True)
        write_journal(self.files.journal, self.state)

    def _read_batch(self, source: BinaryIO, batch_size: int) -> list[tuple[bytes, int]]:
        lines: list[tuple[bytes, int]] = []
        left = self.facts.size - self.state.source_bytes
        while left > 0 and len(lines) < batch_size:
            line, length = read_line(source, left)
            if not length:
                raise DataError("the input became shorter while it was read", self.source, fix=_NEW_START)
            lines.append((line, length))
            left -= length
        return lines

    def _link_lines(self, lines: list[tuple[bytes, int]], linker: LinksMentions, output: BinaryIO, bad: BinaryIO) -> None:
        mentions: list[Mention] = []
        faults: list[bytes] = []
        for number, (line, _) in enumerate(lines, start=self.counts.lines + 1):
            try:
                mention = parse_mention(line, number, self.source.parent)
            except DataError as error:
                text = line.decode(errors="replace").rstrip("\r\n")[:_SHOWN_CHARACTERS]
                faults.append(_encode({"line": number, "reason": error.rule, "text": text}))
                continue
            if mention is not None:
                mentions.append(mention)
        links = linker.link(mentions, self.top_k)
        written = b"".join(_encode(link_values(link, mention)) for link, mention in zip(links, mentions, strict=True))
        kept = b"".join(faults)
        output.write(written)
        bad.write(kept)
        # One assignment, after both writes: an interruption leaves either the old state or the new one.
        self.state = JobState(
            identity=self.state.identity,
            source_bytes=self.state.source_bytes + sum(length for _, length in lines),
            output_bytes=self.state.output_bytes + len(written),
            bad_bytes=self.state.bad_bytes + len(kept),
            counts=self.counts + _count(len(lines), links, len(faults)),
        )

    def _save(self, output: BinaryIO, bad: BinaryIO) -> None:
        for file in (output, bad):
            file.flush()
            os.fsync(file.fileno())
        write_journal(self.files.journal, self.state)

    def _give_names(self) -> None:
        # The journal goes last: until then another run finds the job finished and gives the names that are missing.
        if self.counts.bad:
            if self.files.bad_part.exists():
                self.files.bad_part.replace(self.files.bad)
        else:
            self.files.bad_part.unlink(missing_ok=True)
            self.files.bad.unlink(missing_ok=True)
        if self.files.output_part.exists():
            self.files.output_part.replace(self.files.output)
        self.files.journal.unlink(missing_ok=True)


def _check_paths(source: Path, files: JobFiles) -> None:
    if files.output.is_dir():
        raise DataError("the output is a folder; name a file", files.output)
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


def _encode(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _count(lines: int, links: list[Link], bad: int) -> Counts:
    nil = sum(link.is_nil for link in links)
    warned = [warning for link in links for warning in link.warnings]
    missing = sum(warning.startswith(PICTURE_MISSING) for warning in warned)
    broken = sum(warning.startswith(PICTURE_BROKEN) for warning in warned)
    return Counts(lines, len(links) - nil, nil, bad, missing, broken)
