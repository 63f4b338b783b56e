"""Write files so that an interruption leaves the old one or the new one, and read JSON with errors that say where."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pgmel.errors import DataError

__all__ = [
    "atomic_folder",
    "atomic_path",
    "encode_json",
    "find_obstacle",
    "hash_bytes",
    "hash_file",
    "hash_json",
    "open_data",
    "read_data",
    "read_json",
    "read_jsonl",
    "remove_leftovers",
    "write_bytes",
    "write_json",
    "write_text",
]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; when the block ends well it replaces ``path``, else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)  # mkstemp makes files private; a result should have the user's usual mode
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def find_obstacle(path: Path) -> str | None:
    """Return why no file or folder can be written under a name, as far as one can see before the work; None if nothing is in the way."""
    nearest = next((folder for folder in path.absolute().parents if folder.exists()), Path("/"))
    if not nearest.is_dir():
        return f"{nearest} is a file"
    return None if os.access(nearest, os.W_OK | os.X_OK) else f"nothing may be written in {nearest}"


def remove_leftovers(path: Path) -> None:
    """Remove what a process that was killed in the midst of writing ``path`` left beside it; only for who alone writes ``path``."""
    for found in path.parent.iterdir():
        if found.name.startswith(f".{path.name}.") and found.suffix == ".part" and found.is_file():
            found.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path``; when the block ends well it takes ``path``'s place, else it is removed.

    The old folder is moved aside before the new one comes, so between the two moves ``path`` is absent for an instant, never mixed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    old = part.with_suffix(".old")
    try:
        yield part
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o777 & ~mask)
        if path.exists():
            path.rename(old)
        part.rename(path)
    finally:
        if old.exists() and not path.exists():  # also where Ctrl-C came between the two moves
            old.rename(path)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with atomic_path(path) as part:
        part.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, content.encode())


def encode_json(value: Any) -> bytes:
    """Encode to indented JSON that ends in a newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically."""
    write_bytes(path, encode_json(value))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: If the file is missing, unreadable or not JSON; names the line of the fault.
    """
    content = read_data(path)
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error})", path, _place(content, str(error))) from None


def open_data(path: Path) -> BinaryIO:
    """Open a data file for reading.

    Raises:
        DataError: If the file is missing or unreadable.
    """
    with _as_data_error(path):
        return path.open("rb")


def read_data(path: Path) -> bytes:
    """Read a whole data file.

    Raises:
        DataError: If the file is missing or unreadable.
    """
    with _as_data_error(path):
        return path.read_bytes()


def read_jsonl(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield line number (from 1) and value of every non-empty line; a line that is not JSON comes as the ``DataError`` to raise or count.

    Raises:
        DataError: If the file is missing or unreadable.
    """
    with open_data(path) as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # editors on Windows open a file with a byte-order mark
            if not line.strip():
                continue
            try:
                yield number, msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield number, DataError(f"not valid JSON ({error})", path, f"line {number}")


def hash_bytes(*parts: bytes) -> str:
    """Return a 128-bit hexadecimal digest of the parts; their borders count."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """Return a 128-bit hexadecimal digest of a file's content.

    Raises:
        OSError: If the file is missing or cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def hash_json(value: Any) -> str:
    """Return a digest of a JSON-like value that does not depend on the order of keys."""
    return hash_bytes(msgspec.json.encode(value, order="deterministic"))


@contextmanager
def _as_data_error(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be read."""
    try:
        yield
    except FileNotFoundError:
        raise DataError("the file does not exist", path) from None
    except OSError as error:
        raise DataError(f"the file cannot be read ({error.strerror})", path) from None


def _place(content: bytes, message: str) -> str | None:
    """Turn msgspec's "(byte 123)" into a line number."""
    found = re.search(r"\bbyte (\d+)\)", message)
    return f"line {content[: int(found[1])].count(10) + 1}" if found else None
