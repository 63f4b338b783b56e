"""Draw a flag from its description in ``flags.toml``."""

import re
from dataclasses import dataclass
from typing import Final, final

from PIL import Image

from pgmel.datasets.demo.canvas import Canvas, Painter
from pgmel.datasets.demo.emblems import EMBLEMS
from pgmel.datasets.demo.shapes import SHAPES

__all__ = ["Flag", "draw_flag", "parse_flag"]

_PAINTERS: Final[dict[str, Painter]] = {**SHAPES, **EMBLEMS}
_COLOUR: Final = re.compile(r"([0-9A-Fa-f]{6}|[0-9A-Fa-f]{3})(?:\*(\d+))?")
_NUM_COLOURS: Final = {"chequer": 2, "rays": 2, "stripes": 2, "union": 0}
_OVERSAMPLING: Final = 2  # shapes have hard edges; drawing larger and shrinking softens them


@final
@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as geometry: height over width, and its layers from back to front as (painter, colours, numbers)."""

    ratio: float
    layers: tuple[tuple[Painter, tuple[str, ...], tuple[float, ...]], ...]


def parse_flag(description: str) -> Flag:
    """Read ``"height:width | layer | layer ..."``.

    Raises:
        ValueError: If a layer is unknown or a colour or number cannot be read.
    """
    proportions, *layers = (part.strip() for part in description.split("|"))
    height, width = proportions.split(":")
    return Flag(float(height) / float(width), tuple(_parse_layer(layer) for layer in layers))


def _parse_layer(layer: str) -> tuple[Painter, tuple[str, ...], tuple[float, ...]]:
    name, *words = layer.split()
    if name not in _PAINTERS:
        raise ValueError(f"unknown layer {name!r} in {layer!r}")
    if name in ("h", "v"):
        matches = [_match_colour(word) for word in words]
        return _PAINTERS[name], tuple(f"#{match[1]}" for match in matches), tuple(float(match[2] or 1) for match in matches)
    num_colours = _NUM_COLOURS.get(name, 1)
    colours = tuple(f"#{_match_colour(word)[1]}" for word in words[:num_colours])
    return _PAINTERS[name], colours, tuple(float(word) for word in words[num_colours:])


def _match_colour(word: str) -> re.Match[str]:
    match = _COLOUR.fullmatch(word)
    if match is None:
        raise ValueError(f"{word!r} is not a colour")
    return match


def draw_flag(flag: Flag | str, height: int) -> Image.Image:
    """Draw a flag.

    Args:
        flag: The flag, or its description.
        height: Height of the picture in pixels; its width follows from the flag's proportions.

    Returns:
        An RGB picture.
    """
    flag = parse_flag(flag) if isinstance(flag, str) else flag
    canvas = Canvas.blank(round(height * _OVERSAMPLING / flag.ratio), height * _OVERSAMPLING)
    for painter, colours, numbers in flag.layers:
        painter(canvas, colours, numbers)
    return canvas.image.reduce(_OVERSAMPLING)
