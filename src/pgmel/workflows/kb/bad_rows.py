"""Rows that could not be used: the first one stops the work, or all are counted and written to a file beside the result."""

import contextlib
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Literal, Self, final

import msgspec

from pgmel.errors import DataError

__all__ = ["BadRows", "side_file"]

_SHOWN: Final = 5


def side_file(result: Path) -> Path:
    """Return where the rows that did not get into a result are listed: ``NAME.bad.jsonl`` beside it."""
    absolute = result.absolute()
    return absolute.with_name(f"{absolute.name}.bad.jsonl")


@final
class BadRows:
    """Takes bad rows.

    Args:
        file: The side file: it is replaced, or removed where no row is bad, when the work ends well, and left alone otherwise.
        on_error: ``stop`` raises the first bad row.

    Attributes:
        count: Bad rows so far.
        notes: Rows that were used without a part of theirs (a picture), so far.
        first: The first few of both, in words.
    """

    def __init__(self, file: Path, on_error: Literal["stop", "skip"]) -> None:
        self.file = file
        self.count = 0
        self.notes = 0
        self.first: list[str] = []
        self._on_error = on_error
        self._part: IO[bytes] | None = None

    def __call__(self, error: DataError) -> None:
        """Take a bad row.

        Raises:
            DataError: If rows may not be skipped.
        """
        if self._on_error == "stop":
            fix = "Correct it, or leave such rows out with --on-error skip"
            raise DataError(error.rule, error.file, error.place, f"{error.fix}. {fix}" if error.fix else fix)
        self.count += 1
        self._write(error, "row left out")

    def note(self, error: DataError) -> None:
        """Take a row that is used without a part of it."""
        self.notes += 1
        self._write(error, "picture left out")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        part = self._part
        if part is not None:
            part.close()
        if kind is None and part is not None:
            Path(part.name).replace(self.file)
        elif part is not None:
            Path(part.name).unlink(missing_ok=True)
        elif kind is None:
            self.file.unlink(missing_ok=True)

    def _write(self, error: DataError, what: str) -> None:
        if len(self.first) < _SHOWN:
            self.first.append(str(error))
        if self._part is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            prefix = f".{self.file.name}."
            self._part = tempfile.NamedTemporaryFile(prefix=prefix, suffix=".part", dir=self.file.parent, delete=False)  # noqa: SIM115
            with contextlib.suppress(OSError):
                Path(self._part.name).chmod(0o644)
        line: dict[str, Any] = {"file": error.file, "place": error.place, "what": what, "reason": error.rule}
        self._part.write(msgspec.json.encode(line) + b"\n")
