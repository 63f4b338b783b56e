"""A picture descriptor without weights: where which colours are, coarsely.

It finds the same picture, flag or logo again after cropping, fading, noise, waving or other proportions, and says nothing about meaning.
Three parts are laid side by side:

1. low frequencies (discrete cosine transform) of lightness and two opponent colours of the whole picture, scaled to unit length together,
   so that fading and contrast drop out; the overall colour stands beside them with a small weight;
2. the same of the picture without its even border, so that margins, sky and cut edges matter less;
3. a soft colour histogram of the latter, which does not care where a colour is.

The constants were chosen by top-1 retrieval of distorted flags and emoji among the originals.
"""

from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np
from PIL import Image
from scipy.fft import dctn

__all__ = ["DIM", "ColourLayout", "trim_border"]

_SIDE: Final = 32
_OPPONENT: Final = np.array([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], dtype=np.float32)
_LIGHT_ORDER, _COLOUR_ORDER = 8, 6
_COLOUR_WEIGHT = 2.0  # hue tells flags and logos apart better than lightness does
_POWER = 0.7  # damps the few large coefficients
_MEAN_WEIGHTS: Final = np.array([0.3, 0.9, 0.9])
_FLAT = 0.01  # below this spread (of 0..1) a picture counts as one even colour, and what is left as noise
_LIGHT_BINS, _COLOUR_BINS = 3, 4
_BORDER_DISTANCE = 28  # of 255


def _triangle(order: int) -> np.ndarray:
    rows, columns = np.mgrid[:order, :order]
    return np.asarray((rows + columns < order) & (rows + columns > 0))


_LIGHT, _COLOUR = _triangle(_LIGHT_ORDER), _triangle(_COLOUR_ORDER)

DIM: Final = 2 * (int(_LIGHT.sum()) + 2 * int(_COLOUR.sum()) + 3) + _LIGHT_BINS * _COLOUR_BINS**2
"""Length of the descriptor."""


@final
class ColourLayout:
    """The descriptor as an image encoder."""

    name = "descriptor"
    revision: str | None = None
    target: int | None = 64

    @property
    def identity(self) -> dict[str, Any]:
        """Everything a vector depends on besides the picture."""
        return {"kind": "image-descriptor", "version": 1}

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """Return the (DIM,) float32 descriptor of an RGB picture; all the work is done here."""
        trimmed = _opponent(picture, trim_border(picture))
        parts = (_layout(_opponent(picture, None)), _layout(trimmed), _histogram(trimmed))
        return np.concatenate(parts).astype(np.float32)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """Lay prepared descriptors one under another: (pictures, DIM) float32."""
        return np.stack(prepared)


def trim_border(picture: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the box (left, top, right, bottom) of what stands out from an even border, or None if there is no such border."""
    side = 2 * _SIDE
    pixels = np.asarray(picture.resize((side, side), Image.Resampling.BOX), dtype=np.float32)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = np.median(border, axis=0)
    if (np.abs(border - background).max(axis=1) > _BORDER_DISTANCE).mean() > 0.5:
        return None
    inside = np.abs(pixels - background).max(axis=2) > _BORDER_DISTANCE
    rows, columns = np.flatnonzero(inside.mean(axis=1) > 0.03), np.flatnonzero(inside.mean(axis=0) > 0.03)
    if len(rows) < 0.2 * side or len(columns) < 0.2 * side:
        return None
    width, height = picture.width / side, picture.height / side
    box = (columns[0] * width, rows[0] * height, (columns[-1] + 1) * width, (rows[-1] + 1) * height)
    left, top = int(box[0]), int(box[1])
    return left, top, max(left + 1, int(np.ceil(box[2]))), max(top + 1, int(np.ceil(box[3])))


def _opponent(picture: Image.Image, box: tuple[int, int, int, int] | None) -> np.ndarray:
    """Return (32, 32, 3): lightness 0..1 and two colour differences -0.5..0.5."""
    small = picture.resize((_SIDE, _SIDE), Image.Resampling.BOX, box=box)
    return np.asarray(np.asarray(small, dtype=np.float32) / 255 @ _OPPONENT.T)


def _layout(pixels: np.ndarray) -> np.ndarray:
    waves = dctn(pixels, axes=(0, 1), norm="ortho") / _SIDE
    blue, red = (_COLOUR_WEIGHT * waves[:_COLOUR_ORDER, :_COLOUR_ORDER, channel][_COLOUR] for channel in (1, 2))
    changes = np.concatenate([waves[:_LIGHT_ORDER, :_LIGHT_ORDER, 0][_LIGHT], blue, red])
    changes /= max(float(np.linalg.norm(changes)), _FLAT)
    damped = np.sign(changes) * np.abs(changes) ** _POWER
    damped /= max(float(np.linalg.norm(damped)), 1.0)
    return np.concatenate([damped, _MEAN_WEIGHTS * (waves[0, 0] - np.array([0.5, 0, 0]))])


def _histogram(pixels: np.ndarray) -> np.ndarray:
    light, blue, red = pixels.reshape(-1, 3).T
    cells = np.einsum(
        "ni,nj,nk->ijk", _soft(light, 0, 1, _LIGHT_BINS), _soft(blue, -0.5, 0.5, _COLOUR_BINS), _soft(red, -0.5, 0.5, _COLOUR_BINS)
    )
    return np.asarray(np.sqrt(cells.ravel() / len(light)))


def _soft(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """Share each value between the two nearest of evenly spaced bins: (values, bins)."""
    places = np.clip((values - low) / (high - low), 0, 1) * (bins - 1)
    return np.asarray(np.clip(1 - np.abs(places[:, None] - np.arange(bins)), 0, None))
