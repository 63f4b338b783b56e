"""What stands in one cell of a row, whatever the format of its file: text, whole number, or a value to be written as text."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pgmel.errors import DataError

__all__ = ["cell_integer", "cell_text", "read_cell", "show_cell"]


def cell_text(value: Any, strip: bool = True) -> str:
    """Return a plain value as text: ``""`` for what is absent, ``12`` for 12.0.

    Args:
        value: What stands in the cell.
        strip: Whether spaces around a text go.

    Raises:
        TypeError: If it is no text and no number.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value.strip() if strip else value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes | list | tuple | dict | set):
        raise TypeError(f"holds a {type(value).__name__} where a text is expected")
    return str(value)


def cell_integer(value: Any) -> int | None:
    """Return a whole number, also one that is written as text or as 12.0; None for what is absent.

    Raises:
        TypeError: If it is no whole number.
    """
    text = cell_text(value)
    if not text:
        return None
    try:
        number = float(text) if "." in text else int(text)
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or number != int(number):
        raise TypeError(f"holds {text!r} where a whole number is expected")
    return int(number)


def read_cell(values: Mapping[str, Any], column: str | None, read: Callable[[Any], Any] = cell_text) -> Any:
    """Return what stands in a row's column, or None where no column is meant.

    Args:
        values: The row.
        column: Its column.
        read: Turns the value into what is wanted; says by a ``TypeError`` that it cannot.

    Raises:
        DataError: If the value cannot be read; it names the column.
    """
    if column is None:
        return None
    try:
        return read(values.get(column))
    except TypeError as error:
        raise DataError(f"the column {column!r} {error}") from None


def show_cell(value: Any) -> str:
    """Return any value as a cell of a text table has it; lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    shown = msgspec.json.encode(value, enc_hook=str)
    return str(msgspec.json.decode(shown)) if shown.startswith(b'"') else shown.decode()
