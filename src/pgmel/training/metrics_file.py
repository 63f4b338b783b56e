"""Read a run's ``metrics.csv`` as it is, faults and all: a run may have been killed in mid-line, or its disk been full."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pgmel.errors import DataError
from pgmel.files import read_data

__all__ = ["MetricsFile", "read_metrics"]

_WORDS = frozenset({"phase"})
"""Columns that do not hold numbers."""


class MetricsFile(NamedTuple):
    """What ``metrics.csv`` says, and what is wrong with it.

    Attributes:
        rows: Its usable rows, by rising step: column to text, empty where nothing was logged or where the cell is at fault.
        faults: One sentence for each line or cell that was left out, with its line number.
    """

    rows: tuple[Mapping[str, str], ...]
    faults: tuple[str, ...] = ()


def read_metrics(file: Path) -> MetricsFile:
    """Read the rows of a run's ``metrics.csv``; columns that this version does not know are kept.

    Raises:
        DataError: If the file is missing, cannot be read, or does not begin with the names of its columns.
    """
    text = read_data(file).decode("utf-8", errors="replace")
    lines = text.split("\n")
    columns = [name.strip() for name in _cells(lines[0]) or []]
    if "step" not in columns:
        raise DataError(
            "the first line does not name the columns, step among them", file, "line 1", fix="It is no file that `pgmel train` wrote"
        )
    faults: list[str] = []
    return MetricsFile(tuple(_rows(lines[1:], columns, faults)), tuple(faults))


def _rows(lines: list[str], columns: list[str], faults: list[str]) -> Iterator[dict[str, str]]:
    last = -1
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        cells = _cells(line)
        if cells is None or len(cells) != len(columns):
            found = "cannot be told apart" if cells is None else f"are {len(cells)}"
            faults.append(f"line {number}: its cells {found}, the columns are {len(columns)}; the line is left out")
            continue
        row = dict(zip(columns, cells, strict=True))
        step = row["step"].strip()
        if not (step.isascii() and step.isdigit() and len(step) < 19):
            faults.append(f"line {number}: step {step[:20]!r} is no whole number; the line is left out")
        elif int(step) <= last:
            faults.append(f"line {number}: step {step} comes after step {last}; the line is left out")
        else:
            last = int(step)
            yield {name: _clean(name, value, number, faults) for name, value in row.items()}


def _cells(line: str) -> list[str] | None:
    try:
        return next(csv.reader([line.rstrip("\r")], strict=True), [])
    except csv.Error:
        return None


def _clean(column: str, value: str, number: int, faults: list[str]) -> str:
    value = value.strip()
    if not value or column in _WORDS:
        return value
    try:
        usable = math.isfinite(float(value))
    except ValueError:
        usable = False
    if not usable:
        faults.append(f"line {number}: {column} {value[:20]!r} is no finite number; the cell is left empty")
    return value if usable else ""
