"""Lines of a file, decompressed on the way: gzip, bzip2 and xz are told by their first bytes."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from pgmel.errors import DataError
from pgmel.files import open_data

__all__ = ["MAX_LINE_BYTES", "first_lines", "read_lines"]

MAX_LINE_BYTES: Final = 64 << 20
"""Longest line that is read; a file without line ends would otherwise fill the memory."""

_BOM: Final = b"\xef\xbb\xbf"
_DAMAGE: Final = (EOFError, zlib.error, lzma.LZMAError, OSError)


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number (from 1) and content of every line, without a byte-order mark.

    Raises:
        DataError: If the file is missing, unreadable or damaged, or a line is longer than ``MAX_LINE_BYTES``.
    """
    number = 0
    with _open(path) as file:
        while True:
            try:
                line = file.readline(MAX_LINE_BYTES + 1)
            except _DAMAGE as error:
                raise DataError(f"the file cannot be read any further ({error})", path, f"after line {number}", "Get it again") from None
            if not line:
                return
            number += 1
            if len(line) > MAX_LINE_BYTES:
                fix = "Is it of another format? Name it with --format"
                raise DataError(f"a line is longer than {MAX_LINE_BYTES >> 20} MB", path, f"line {number}", fix)
            yield number, line.removeprefix(_BOM) if number == 1 else line


def first_lines(path: Path, count: int) -> list[bytes]:
    """Return the first lines that are not blank.

    Raises:
        DataError: As ``read_lines``.
    """
    found: list[bytes] = []
    for _, line in read_lines(path):
        if line.strip():
            found.append(line)
        if len(found) >= count:
            break
    return found


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    with open_data(path) as raw:
        magic = raw.read(6)
        raw.seek(0)
        if magic.startswith(b"\x1f\x8b"):
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        elif magic.startswith(b"BZh"):
            yield cast(BinaryIO, bz2.BZ2File(raw))
        elif magic.startswith(b"\xfd7zXZ\x00"):
            yield cast(BinaryIO, lzma.LZMAFile(raw))  # noqa: SIM115 - it only wraps the file that is closed here
        else:
            yield raw
