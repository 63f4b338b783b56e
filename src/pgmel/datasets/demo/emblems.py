"""Emblems that are still geometry: the Union Jack, the trigrams, the maple leaf, the Zia sun, the wheel."""

from collections.abc import Sequence
from math import cos, hypot, radians, sin
from typing import Final

from pgmel.datasets.demo.canvas import Canvas, Painter
from pgmel.datasets.demo.shapes import paint_cross, paint_disc, paint_field, paint_saltire, paint_spokes

__all__ = ["EMBLEMS"]


def _wheel(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x, y, radius, spokes = numbers
    cx, cy = canvas.at(x, y)
    size = radius * canvas.size[1]
    canvas.draw.ellipse((cx - size, cy - size, cx + size, cy + size), outline=colours[0], width=max(1, round(size * 0.13)))
    paint_spokes(canvas, colours, (x, y, 0, radius, spokes, radius * 0.07, 0))
    paint_disc(canvas, colours, (x, y, radius * 0.2))


def _trigram(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x, y, turn, bits = numbers
    (cx, cy), height = canvas.at(x, y), canvas.size[1]
    out = (cos(radians(turn)), sin(radians(turn)))  # from the flag's centre; the three bars lie across it
    for line in range(3):
        shift = (line - 1) * height * 0.0625
        middle = (cx + out[0] * shift, cy + out[1] * shift)
        pieces = [(-0.125, 0.125)] if int(bits) >> (2 - line) & 1 else [(-0.125, -0.0125), (0.0125, 0.125)]
        for start, end in pieces:
            ends = [(middle[0] - out[1] * height * part, middle[1] + out[0] * height * part) for part in (start, end)]
            canvas.fill_line(ends[0], ends[1], height / 24, colours[0])


def _union(canvas: Canvas, _colours: Sequence[str], numbers: Sequence[float]) -> None:
    left, top = (round(value) for value in canvas.at(numbers[0], numbers[1]))
    right, bottom = (round(value) for value in canvas.at(numbers[2], numbers[3]))
    jack = Canvas.blank(right - left, bottom - top)
    paint_field(jack, ["#012169"], ())
    paint_saltire(jack, ["#fff"], (0.2,))
    middle = jack.at(0.5, 0.5)
    for x, y in ((0, 0), (0, 1), (1, 0), (1, 1)):
        corner = jack.at(x, y)
        across, down = corner[0] - middle[0], corner[1] - middle[1]
        share = jack.size[1] / 15 / hypot(across, down)
        dx, dy = down * share, -across * share  # the red arm lies below the diagonal at the hoist, above it at the fly
        jack.fill([middle, corner, (corner[0] + dx, corner[1] + dy), (middle[0] + dx, middle[1] + dy)], "#C8102E")
    paint_cross(jack, ["#fff"], (0.5, 0.5, 1 / 3))
    paint_cross(jack, ["#C8102E"], (0.5, 0.5, 0.2))
    canvas.image.paste(jack.image, (left, top))


_HALF_LEAF = (
    (-90, 2030), (-45, 1167), (-156, 1069), (-1015, 1220), (-899, 900), (-919, 827), (-1860, 65), (-1648, -34), (-1614, -113),
    (-1800, -685), (-1258, -570), (-1185, -608), (-1080, -855), (-657, -401), (-546, -458), (-750, -1510), (-423, -1321), (-332, -1348),
    (0, -2000),
)  # fmt: skip


def _maple(canvas: Canvas, colours: Sequence[str], _numbers: Sequence[float]) -> None:
    leaf = [*_HALF_LEAF, *((-x, y) for x, y in reversed(_HALF_LEAF[:-1]))]
    (cx, cy), height = canvas.at(0.5, 0.5), canvas.size[1]
    canvas.fill([(cx + x * height / 4800, cy + y * height / 4800) for x, y in leaf], colours[0])


def _zia(canvas: Canvas, colours: Sequence[str], _numbers: Sequence[float]) -> None:
    (cx, cy), height = canvas.at(0.5, 0.5), canvas.size[1]
    size = 0.13 * height
    canvas.draw.ellipse((cx - size, cy - size, cx + size, cy + size), outline=colours[0], width=round(0.034 * height))
    for turn in (0, 90, 180, 270):
        ahead = (cos(radians(turn)), sin(radians(turn)))
        for side, end in ((-0.09, 0.29), (-0.03, 0.36), (0.03, 0.36), (0.09, 0.29)):
            start = (0.13 if abs(side) < 0.05 else 0.1) * height
            points = [
                (cx + ahead[0] * far - ahead[1] * side * height, cy + ahead[1] * far + ahead[0] * side * height)
                for far in (start, end * height)
            ]
            canvas.fill_line(points[0], points[1], 0.034 * height, colours[0])


EMBLEMS: Final[dict[str, Painter]] = {"maple": _maple, "trigram": _trigram, "union": _union, "wheel": _wheel, "zia": _zia}
"""More layers by name, beside the simple shapes."""
