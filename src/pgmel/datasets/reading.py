"""Read files record by record, so that one faulty record does not spoil the rest."""

import json
import re
from collections.abc import Hashable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from pgmel.datasets.faults import DUPLICATE_ID, MALFORMED, MISSING_KEY, NOT_UTF8, WRONG_TYPE, Faults, Place
from pgmel.errors import DataError
from pgmel.files import open_data, read_data

__all__ = ["list_names", "parse_record", "read_content", "read_items", "read_members", "read_table", "read_value"]

T = TypeVar("T")

_MISSING = re.compile(r"Object missing required field `(?P<key>[^`]*)`(?: - at `\$\.?(?P<path>[^`]*)`)?")
_WRONG = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)


def read_content(path: Path) -> bytes:
    """Read a whole file, without its byte-order mark.

    Raises:
        DataError: If it is missing or unreadable.
    """
    return read_data(path).removeprefix(b"\xef\xbb\xbf")


def read_value(path: Path, kind: type[T]) -> T:
    """Read a small JSON file whose form must be right as a whole, such as a list of splits.

    Raises:
        DataError: If it is missing, no JSON or of another form.
    """
    content = read_content(path)
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        rule, detail = _explain(error)
        raise DataError(rule, path, detail) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(path, content, error) from None


def read_items(path: Path) -> list[msgspec.Raw]:
    """Read a JSON file that holds a list; its items are still to be parsed, each on its own.

    Raises:
        DataError: If it is missing, no JSON or no list.
    """
    content = read_content(path)
    try:
        return msgspec.json.decode(content, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise DataError("the file must hold a JSON list", path) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(path, content, error) from None


def read_members(path: Path, faults: Faults) -> dict[str, Any]:
    """Read a JSON file that holds an object; of a key that occurs twice the first value stays, the others are reported.

    Raises:
        DataError: If it is missing, no JSON or no object, or (with ``on_error="stop"``) if a key occurs twice.
    """
    content = read_content(path)
    members: list[tuple[str, Any]] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal members
        members = pairs  # the outermost object closes last
        return dict(pairs)

    # Not msgspec: of a repeated key it keeps the last value without a word, and a record would be lost.
    try:
        value = json.loads(content, object_pairs_hook=keep)
        if rb"\ud" in content.lower():
            msgspec.json.decode(content)  # json lets half a surrogate pair through, which cannot be written as UTF-8
    except json.JSONDecodeError as error:
        raise DataError(f"not valid JSON ({error.msg})", path, f"line {error.lineno}, column {error.colno}") from None
    except (UnicodeDecodeError, RecursionError, msgspec.DecodeError) as error:
        raise _malformed(path, content, error) from None
    if not isinstance(value, dict):
        raise DataError("the file must hold a JSON object", path)
    first: dict[str, Any] = {}
    for key, member in members:
        if key in first:
            faults.report(DUPLICATE_ID, Place(path, f'key "{key}"'))
        else:
            first[key] = member
    return first


def parse_record(value: Any, kind: type[T], faults: Faults, where: Place) -> T | None:
    """Turn a raw or decoded JSON value into a typed record, or report why that is impossible and return None."""
    try:
        if isinstance(value, msgspec.Raw):
            record: T = _decoder(cast(Hashable, kind)).decode(value)
            return record
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        rule, detail = _explain(error)
        faults.report(rule, where, detail)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        faults.report(MALFORMED, where, str(error))
    return None


def read_table(path: Path, faults: Faults, separator: str = "\t") -> Iterator[tuple[Place, list[str]]]:
    """Yield place and fields of every non-empty line of a text table; a line that is not UTF-8 is reported.

    Quotes are undone where a CSV writer set them: around a field whose own quotes are doubled.

    Raises:
        DataError: If the file is missing or unreadable.
    """
    with open_data(path) as file:
        for number, line in enumerate(file, start=1):
            where = Place(path, f"line {number}")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                faults.report(NOT_UTF8, where, error.reason)
                continue
            if text.strip():
                yield where, [_unquote(field) for field in text.split(separator)]


def list_names(folder: Path) -> frozenset[str]:
    """Return the names in a folder, none if it does not exist."""
    try:
        return frozenset(entry.name for entry in folder.iterdir())
    except OSError:
        return frozenset()


@lru_cache(maxsize=32)
def _decoder(kind: Hashable) -> Any:
    return msgspec.json.Decoder(kind)


def _unquote(field: str) -> str:
    inner = field[1:-1]
    if len(field) > 2 and field[0] == field[-1] == '"' and '""' in inner and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return field


def _explain(error: msgspec.ValidationError) -> tuple[str, str]:
    message = str(error)
    if missing := _MISSING.fullmatch(message):
        path = f"{missing['path']}." if missing["path"] else ""
        return MISSING_KEY, f'key "{path}{missing["key"]}"'
    wrong = _WRONG.fullmatch(message)
    what = (wrong["what"] if wrong else message).replace("`", "")
    what = what[:1].lower() + what[1:]
    return WRONG_TYPE, f'key "{wrong["path"]}": {what}' if wrong and wrong["path"] else what


def _malformed(path: Path, content: bytes, error: Exception) -> DataError:
    found = re.search(r"byte (\d+)", str(error))
    place = f"line {content.count(10, 0, int(found[1])) + 1}" if found else None
    return DataError(f"not valid JSON ({error})", path, place)
