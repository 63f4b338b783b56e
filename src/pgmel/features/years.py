"""The years channel: which years a text speaks of.

Sentence encoders hardly see numbers: that "in 1870" speaks for somebody who lived from 1826 to 1882, and against a namesake born in 1946,
is lost on them. Here a mention is the years of its sentence, an entity the span from the first to the last year of its description, both
spread over the same periods: the dot product says how well the years fall into the span.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Float16

__all__ = ["NUM_PERIODS", "YEARS_IDENTITY", "find_years", "mark_spans", "mark_years"]

_STARTS: Final = np.array([*range(1000, 1400, 50), *range(1400, 1700, 25), *range(1700, 2100, 10)])

NUM_PERIODS: Final = len(_STARTS)
"""Columns of the channel: periods of 50 years from 1000 on, of 25 from 1400, of 10 from 1700 to 2099."""

YEARS_IDENTITY: Final[dict[str, Any]] = {"kind": "years", "version": 1, "periods": NUM_PERIODS}
"""What the channel depends on besides the texts."""

_LIFETIME: Final = 80
_NEIGHBOUR: Final = 0.5
_YEAR: Final = re.compile(r"(?<![\d.,])(?:1\d{3}|20\d{2})(?!\d|[.,]\d)")


def find_years(text: str) -> list[int]:
    """Return the numbers from 1000 to 2099 that stand alone; 1,850 and 1850.5 are no years."""
    return [int(year) for year in _YEAR.findall(text)]


def mark_years(texts: Sequence[str]) -> Float16[np.ndarray, "texts periods"]:
    """Mark the periods of each text's years, half as strongly those beside them; unit rows, zero where there is no year."""
    marks = np.zeros((len(texts), NUM_PERIODS), np.float32)
    for row, text in enumerate(texts):
        for period in map(_period, find_years(text)):
            marks[row, period] += 1
            for beside in (period - 1, period + 1):
                if 0 <= beside < NUM_PERIODS:
                    marks[row, beside] += _NEIGHBOUR
    return _unit(marks)


def mark_spans(texts: Sequence[str]) -> Float16[np.ndarray, "texts periods"]:
    """Mark all periods from each text's first year to its last; a single year stands for itself and the 80 years after it.

    Unit rows, zero where there is no year. A lone year is nearly always that of a birth or a beginning.
    """
    marks = np.zeros((len(texts), NUM_PERIODS), np.float32)
    for row, text in enumerate(texts):
        if years := find_years(text):
            first, last = min(years), max(years)
            marks[row, _period(first) : _period(last if last > first else first + _LIFETIME) + 1] = 1
    return _unit(marks)


def _period(year: int) -> int:
    return int(np.searchsorted(_STARTS, year, side="right")) - 1


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float16)
