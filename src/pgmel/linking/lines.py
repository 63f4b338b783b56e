"""Mentions and links as lines of JSON: the generic mention layout in, one object per link out."""

from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from pgmel.errors import DataError
from pgmel.records import NIL_TEXT, Link, Mention
from pgmel.registry import nearest

__all__ = ["MAX_LINE_BYTES", "link_values", "parse_mention", "read_line"]

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""A longer line is no mention; it is skipped without being held in memory."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class _MentionLine(msgspec.Struct):
    mention: str
    id: str | int | None = None
    context: str = ""
    start: int | None = None
    end: int | None = None
    image: str | None = None


_IGNORED: Final = frozenset({"entity_id", "candidates"})


def read_line(file: BinaryIO, limit: int) -> tuple[bytes, int]:
    """Read the next line.

    Args:
        file: Open at the start of a line.
        limit: Most bytes that may be read; what stands behind them does not belong to the job.

    Returns:
        The line and how many bytes it took; of a line longer than ``MAX_LINE_BYTES`` only that much and a byte.
    """
    line = file.readline(min(limit, MAX_LINE_BYTES + 1))
    length = len(line)
    if length > MAX_LINE_BYTES:
        rest = line
        while rest and not rest.endswith(b"\n") and length < limit:
            rest = file.readline(min(limit - length, 1 << 20))
            length += len(rest)
    return line, length


def parse_mention(line: bytes, number: int, root: Path) -> Mention | None:
    """Parse a line of the generic mention layout: ``mention``, and if known ``id``, ``context``, ``start``, ``end``, ``image``.

    Args:
        line: The line.
        number: Its number from 1; a mention without an id is called ``line-<number>``.
        root: Folder that picture paths are relative to.

    Returns:
        The mention, or None for a blank line.

    Raises:
        DataError: If it is no mention; ``rule`` says why.
    """
    if number == 1:
        line = line.removeprefix(_BYTE_ORDER_MARK)
    if not line.strip():
        return None
    if len(line) > MAX_LINE_BYTES:
        raise DataError(f"the line is longer than {MAX_LINE_BYTES // 1024**2} MiB")
    try:
        value = msgspec.json.decode(line)
        row = msgspec.convert(value, _MentionLine)
    except msgspec.ValidationError as error:
        raise DataError(str(error).replace("`", "").replace(" - at $.", ": ")) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error})") from None
    if misspelt := _find_misspelt(tuple(value)):
        raise DataError(misspelt)
    if not row.mention.strip() and not row.image:
        raise DataError("the mention is empty")
    mention_id = f"line-{number}" if row.id is None else str(row.id)
    image = root / row.image if row.image else None
    return Mention(mention_id, row.mention, row.context, row.start, row.end, image)


def link_values(link: Link, mention: Mention) -> dict[str, Any]:
    """Return a link as JSON-like values; ``entity_id`` is ``"NIL"`` where no entity is meant."""
    return {
        "id": link.mention_id,
        "mention": mention.surface,
        "entity_id": NIL_TEXT if link.is_nil else link.entity_id,
        "name": None if link.is_nil else link.candidates[0].name,
        "probability": _rounded(link.probability),
        "candidates": [
            {"entity_id": c.entity_id, "name": c.name, "score": _rounded(c.score), "probability": _rounded(c.probability)}
            for c in link.candidates
        ],
        "warnings": list(link.warnings),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


@lru_cache(maxsize=1024)
def _find_misspelt(keys: tuple[str, ...]) -> str | None:
    known = set(_MentionLine.__struct_fields__)
    for key in keys:
        if key not in known | _IGNORED and (guess := nearest(key, known - set(keys))):
            return f"the key {key!r} is unknown; did you mean {guess!r}?"
    return None
