"""Take the pictures out of an archive, trusting nothing that stands in it.

Names that leave the folder, links and devices are passed over; sizes are counted while bytes come out, not believed from headers.
"""

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, Final, final

from pgmel.errors import DataError
from pgmel.progress import progress_bar

__all__ = ["PICTURE_ENDINGS", "Extracted", "extract_pictures", "is_archive"]

PICTURE_ENDINGS: Final = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".jp2", ".avif", ".ico", ".ppm", ".pgm")
)
"""Endings of the files that are taken out."""

MAX_MEMBERS: Final = 5_000_000
MAX_FILE_BYTES: Final = 256 << 20
MAX_TOTAL_BYTES: Final = 200 << 30
_BLOCK: Final = 1 << 20
_DAMAGE: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
)


@final
@dataclass
class Extracted:
    """What became of an archive: pictures taken out, files of other kinds passed over, and unsafe members refused."""

    pictures: int = 0
    others: int = 0
    refused: int = 0


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar archive, by its content."""
    try:
        return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))
    except OSError:
        return False


def extract_pictures(
    archive: Path,
    folder: Path,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_total_bytes: int = MAX_TOTAL_BYTES,
    show_progress: bool = True,
) -> Extracted:
    """Write the pictures of a zip or tar archive below a folder, under their own names.

    Args:
        archive: The file.
        folder: Made if absent.
        max_file_bytes: Most bytes of one picture; a larger one is refused.
        max_total_bytes: Most bytes of all.
        show_progress: Whether to show a bar.

    Raises:
        DataError: If it is no archive, damaged, or holds more than the limits allow.
    """
    account = Extracted()
    left = max_total_bytes
    try:
        with progress_bar(f"Taking pictures out of {archive.name}", None, unit="files", show=show_progress) as bar:
            for number, (name, stream) in enumerate(_members(archive)):
                bar.advance()
                if number >= MAX_MEMBERS:
                    raise DataError(f"the archive holds more than {MAX_MEMBERS:,} files", archive)
                target = None if stream is None else _inside(folder, name)
                if stream is None or target is None:
                    account.refused += 1
                elif target.suffix.lower() not in PICTURE_ENDINGS:
                    account.others += 1
                else:
                    taken = _copy(stream, target, min(max_file_bytes, left))
                    if taken is None and left < max_file_bytes:
                        raise DataError(f"its pictures take more than {max_total_bytes:,} bytes", archive, fix="Name a folder instead")
                    account.refused += taken is None
                    account.pictures += taken is not None
                    left -= taken or 0
    except _DAMAGE as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"the archive cannot be read any further ({error})", archive, fix="Get it again, or unpack it yourself") from None
    return account


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield name and content of every file; None stands for what is no plain file."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for entry in zipped.infolist():
                if entry.is_dir():
                    continue
                mode = entry.external_attr >> 16
                if entry.flag_bits & 1 or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
                    yield entry.filename, None
                    continue
                with zipped.open(entry) as stream:
                    yield entry.filename, stream
    else:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                if member.isdir():
                    continue
                yield member.name, tar.extractfile(member) if member.isreg() else None
                tar.members = []  # type: ignore[attr-defined] # or it would remember every one of them


def _inside(folder: Path, name: str) -> Path | None:
    """Return where a member goes, or None if its name leads out of the folder or is impossible."""
    plain = name.replace("\\", "/")
    parts = PurePosixPath(plain).parts
    if plain.startswith("/") or ".." in parts or not parts or any(":" in part or "\x00" in part for part in parts):
        return None
    longest = max(len(part.encode("utf-8", "replace")) for part in parts)
    # No file system takes longer names; and no link can stand in the way, since the folder is ours and links are never written.
    return folder.joinpath(*parts) if longest < 256 and len(plain.encode("utf-8", "replace")) < 1024 else None


def _copy(stream: IO[bytes], target: Path, limit: int) -> int | None:
    """Write a stream into a file; return its size, or None (and no file) where it is too large or another member is in its way."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):  # another member is a file where this one needs a folder
        return None
    if target.is_dir():
        return None
    size = 0
    with target.open("wb") as file:
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > limit:
                break
            file.write(block)
    if size > limit:
        target.unlink()
        return None
    return size
