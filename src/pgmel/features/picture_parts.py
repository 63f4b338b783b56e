"""A closer look at pictures: the same encoder over five overlapping parts of each, so that what is where counts."""

from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np
from PIL import Image

from pgmel.features.descriptor import trim_border
from pgmel.features.protocols import ImageEncoder

__all__ = ["NUM_PARTS", "PictureParts", "cut_parts"]

NUM_PARTS: Final = 5

_SIDE: Final = 0.6
_CORNERS: Final = ((0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.4, 0.4), (0.2, 0.2))


@final
class PictureParts:
    """An image encoder that looks at five parts of each picture with another one.

    A vision model pools its map of a picture into one vector, which says what is there and not where. Its vectors of the four corners
    and the centre, laid side by side, say both. Costs five more encodings per picture.

    Args:
        encoder: Encodes each part.
    """

    def __init__(self, encoder: ImageEncoder) -> None:
        self._encoder = encoder
        self.name = encoder.name
        self.revision = encoder.revision
        self.target = None if encoder.target is None else 2 * encoder.target
        self.identity = {"kind": "image-parts", "version": 1, "encoder": dict(encoder.identity)}

    def prepare(self, picture: Image.Image) -> list[Any]:
        """Prepare every part of an RGB picture."""
        return [self._encoder.prepare(part) for part in cut_parts(picture)]

    def encode(self, prepared: Sequence[list[Any]]) -> np.ndarray:
        """Return (pictures, NUM_PARTS * dim) float32: the parts' vectors side by side."""
        # One part of all pictures at a time: five times as many rows at once would take five times the memory.
        return np.concatenate([self._encoder.encode(parts) for parts in zip(*prepared, strict=True)], axis=1)


def cut_parts(picture: Image.Image) -> list[Image.Image]:
    """Return four corners and the centre, each 60 % as wide and as high as the picture without its even border."""
    box = trim_border(picture)
    inner = picture if box is None else picture.crop(box)
    width, height = inner.size
    parts = []
    for x, y in _CORNERS:
        left, top = round(x * width), round(y * height)
        parts.append(inner.crop((left, top, max(left + 1, round((x + _SIDE) * width)), max(top + 1, round((y + _SIDE) * height)))))
    return parts
