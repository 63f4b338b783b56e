"""Which flags look so much alike that a photograph cannot tell them apart."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from PIL import Image

__all__ = ["find_lookalikes"]

_SIZE: Final = (24, 16)


def find_lookalikes(flags: Mapping[str, Image.Image], tolerance: float = 17.0) -> frozenset[frozenset[str]]:
    """Find pairs of flags that look alike when both are drawn small and to the same proportions.

    Args:
        flags: Flags by place id.
        tolerance: Largest mean difference of their pixels, in levels of 0..255.

    Returns:
        The ids of every such pair.
    """
    ids = list(flags)
    small = np.stack([np.asarray(flags[place_id].resize(_SIZE, Image.Resampling.BOX), dtype=np.float32).ravel() for place_id in ids])
    pairs: set[frozenset[str]] = set()
    for row, place_id in enumerate(ids):
        near = np.abs(small[row + 1 :] - small[row]).mean(axis=1) <= tolerance
        pairs.update(frozenset((place_id, ids[row + 1 + int(other)])) for other in np.flatnonzero(near))
    return frozenset(pairs)
