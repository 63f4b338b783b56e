"""Which attributes the entities of a KB have, and how many are of which type, without reading more than a given time allows."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from pgmel.kb.store import KnowledgeBase

__all__ = ["VALUE_SEPARATOR", "Catalogue", "gather_catalogue", "split_values"]

VALUE_SEPARATOR: Final = "; "
"""Between the values of an attribute that has several, as building a KB joins them."""

_BLOCK: Final = 4096
_MOST_KEYS: Final = 10_000
_MOST_TYPES: Final = 50_000


@final
@dataclass(frozen=True, slots=True)
class Catalogue:
    """Attributes and types, most frequent first, with how many of the entities read have them.

    ``type_attribute`` is the attribute whose values are the types. ``complete`` is False where time ran out, or where there were more
    names than are kept; what is missing then is rare.
    """

    attributes: Mapping[str, int]
    types: Mapping[str, int]
    type_attribute: str | None
    complete: bool


def gather_catalogue(kb: KnowledgeBase, type_attribute: str | None = None, budget_s: float = 3.0) -> Catalogue:
    """Read attributes until all are read or the time is up, here and there in the KB so that what was read stands for all of it.

    Args:
        kb: The entities.
        type_attribute: The attribute whose values are types; None for none.
        budget_s: Seconds after which no further block of rows is read.

    Raises:
        KnowledgeBaseError: If the KB is damaged.
    """
    until = time.monotonic() + budget_s
    attributes: Counter[str] = Counter()
    types: Counter[str] = Counter()
    blocks = np.random.default_rng(0).permutation(-(-kb.num_rows // _BLOCK)).tolist()
    complete = True
    for block in blocks:
        if time.monotonic() > until:
            complete = False
            break
        found = kb.attributes_between(block * _BLOCK, (block + 1) * _BLOCK)
        # Rows are much alike, so each set of names and each value is taken apart once for all rows that have it.
        for names, number in Counter(map(tuple, found)).items():
            attributes.update(dict.fromkeys(names, number))
        if type_attribute is not None:
            values = Counter(row[type_attribute] for row in found if type_attribute in row)
            for value, number in values.items():
                types.update(dict.fromkeys(split_values(value), number))
        complete &= _cut(attributes, _MOST_KEYS) & _cut(types, _MOST_TYPES)
    return Catalogue(dict(_ranked(attributes)), dict(_ranked(types)), type_attribute, complete)


def split_values(text: str) -> list[str]:
    """Return the values of an attribute, each once."""
    return list(dict.fromkeys(value.strip() for value in text.split(VALUE_SEPARATOR) if value.strip()))


def _cut(counts: Counter[str], most: int) -> bool:
    """Drop the rarest where there are more than are kept; return whether nothing was dropped."""
    if len(counts) <= most:
        return True
    for name, _ in counts.most_common()[most:]:
        del counts[name]
    return False


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
