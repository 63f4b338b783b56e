"""Lines of a file, decompressed and decoded; gzip, bzip2 and xz are told by their first bytes, UTF-16 by its byte-order mark."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from pgmel.errors import DataError, SettingError
from pgmel.files import open_data

__all__ = ["MAX_LINE_BYTES", "check_encoding", "find_encoding", "first_lines", "read_lines", "read_texts"]

MAX_LINE_BYTES: Final = 64 << 20
"""Longest line that is read; a file without line ends would otherwise fill the memory."""

_BOM: Final = codecs.BOM_UTF8
_WIDE_BOMS: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DAMAGE: Final = (EOFError, zlib.error, lzma.LZMAError, OSError)


def read_lines(path: Path, cut: bool = False) -> Iterator[tuple[int, bytes]]:
    """Yield the number (from 1) and content of every line, without a byte-order mark.

    Args:
        path: The file.
        cut: A line longer than ``MAX_LINE_BYTES`` comes as its first ``MAX_LINE_BYTES + 1`` bytes, and the rest of it is passed over.

    Raises:
        DataError: If the file is missing, unreadable or damaged, or, unless it is cut, a line is longer than ``MAX_LINE_BYTES``.
    """
    number = 0
    with _open(path) as file:
        while True:
            try:
                line = file.readline(MAX_LINE_BYTES + 1)
                if cut and len(line) > MAX_LINE_BYTES:
                    _skip_line(file, line)
            except _DAMAGE as error:
                raise DataError(f"the file cannot be read any further ({error})", path, f"after line {number}", "Get it again") from None
            if not line:
                return
            number += 1
            if len(line) > MAX_LINE_BYTES and not cut:
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


def read_texts(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Yield every line as text, with its line end and without a byte-order mark.

    Bytes that are no text in this encoding become lone surrogates, so that one bad line does not end the file.

    Raises:
        DataError: As ``read_lines``; also if a file in UTF-16 or UTF-32 is none.
    """
    if not _is_wide(encoding):
        encoding = encoding.removesuffix("-sig")  # the mark is gone already
        for _, line in read_lines(path):
            yield line.decode(encoding, "surrogateescape")
        return
    number = 0
    with _open(path) as file, io.TextIOWrapper(file, encoding, newline="\n") as texts:
        while True:
            try:
                text = texts.readline(MAX_LINE_BYTES)
            except (*_DAMAGE, UnicodeError) as error:
                raise DataError(f"the file is damaged, or not in {encoding} ({error})", path, f"after line {number}") from None
            if not text:
                return
            number += 1
            yield text.removeprefix("\ufeff") if number == 1 else text


def find_encoding(path: Path) -> str:
    """Return what a file's byte-order mark says, ``utf-8-sig`` for that of UTF-8; UTF-8 where there is none.

    Raises:
        DataError: If the file is missing or unreadable.
    """
    with _open(path) as file:
        try:
            start = file.read(4)
        except _DAMAGE:
            return "utf-8"
    if start.startswith(_BOM):
        return "utf-8-sig"
    mark = next((mark for mark in _WIDE_BOMS if start.startswith(mark)), b"")
    return {4: "utf-32", 2: "utf-16"}.get(len(mark), "utf-8")


def check_encoding(name: str) -> str:
    """Return an encoding's name as Python has it.

    Raises:
        SettingError: If there is no such encoding of text.
    """
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        usual = "utf-8, cp1252 (Windows), latin-1, utf-16, shift_jis, gb18030"
        raise SettingError(f"--encoding {name!r} is unknown; usual ones are {usual}") from None


def _is_wide(encoding: str) -> bool:
    return encoding.replace("_", "-").startswith(("utf-16", "utf-32"))


def _skip_line(file: BinaryIO, start: bytes) -> None:
    rest = start
    while rest and not rest.endswith(b"\n"):
        rest = file.readline(1 << 20)


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
