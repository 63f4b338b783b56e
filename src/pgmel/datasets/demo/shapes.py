"""The simple shapes that flags are made of.

Every painter takes the canvas, its colours, then numbers. ``x`` is a fraction of the flag's width and ``y`` of its height; radii and
thicknesses are fractions of the height, so that circles stay round. Angles are in degrees, clockwise.
"""

from collections.abc import Sequence
from math import cos, radians, sin
from typing import Final

from PIL import Image, ImageDraw

from pgmel.datasets.demo.canvas import Canvas, Painter, point_around

__all__ = ["SHAPES", "paint_cross", "paint_disc", "paint_field", "paint_saltire", "paint_spokes"]


def paint_field(canvas: Canvas, colours: Sequence[str], _numbers: Sequence[float]) -> None:
    """Cover the whole flag."""
    canvas.fill_between(0, 0, 1, 1, colours[0])


def _stack(canvas: Canvas, colours: Sequence[str], weights: Sequence[float], upright: bool) -> None:
    total, start = sum(weights), 0.0
    for colour, weight in zip(colours, weights, strict=True):
        end = start + weight / total
        box = (start, 0.0, end, 1.0) if upright else (0.0, start, 1.0, end)
        canvas.fill_between(*box, colour)
        start = end


def _horizontal(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    _stack(canvas, colours, numbers, upright=False)


def _vertical(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    _stack(canvas, colours, numbers, upright=True)


def _stripes(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    count = int(numbers[0])
    _stack(canvas, [colours[row % 2] for row in range(count)], [1.0] * count, upright=False)


def _rect(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x0, y0, x1, y1 = numbers
    canvas.fill_between(x0, y0, x1, y1, colours[0])


def _poly(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    canvas.fill([canvas.at(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)], colours[0])


def _hoist(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    canvas.fill([canvas.at(0, 0), canvas.at(numbers[0], 0.5), canvas.at(0, 1)], colours[0])


def paint_disc(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    """Paint a disc: x, y, radius."""
    x, y, radius = numbers
    canvas.fill_disc(canvas.at(x, y), radius * canvas.size[1], colours[0])


def _half(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x, y, radius, angle = numbers
    cx, cy = canvas.at(x, y)
    size = radius * canvas.size[1]
    canvas.draw.pieslice((cx - size, cy - size, cx + size, cy + size), angle, angle + 180, fill=colours[0])


def _star(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x, y, radius, points, inner, turn = [*numbers, *(5.0, 0.382, 0.0)[len(numbers) - 3 :]]
    canvas.fill_star(canvas.at(x, y), radius * canvas.size[1], int(points), inner, turn, colours[0])


def _ring_of_stars(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x, y, radius, size, count, turn = [*numbers, *(0.0,)[len(numbers) - 5 :]]
    height = canvas.size[1]
    for star in range(int(count)):
        centre = point_around(canvas.at(x, y), radius * height, turn + star * 360 / count)
        canvas.fill_star(centre, size * height, 5, 0.382, 0, colours[0])


def _starfield(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x0, y0, x1, y1, columns, rows, size = numbers
    for row in range(int(rows)):
        for column in range(row % 2, int(columns), 2):
            centre = canvas.at(x0 + (x1 - x0) * (column + 0.5) / columns, y0 + (y1 - y0) * (row + 0.5) / rows)
            canvas.fill_star(centre, size * canvas.size[1], 5, 0.382, 0, colours[0])


def _polygram(canvas: Canvas, colour: str, numbers: Sequence[float], points: int) -> None:
    x, y, radius, thickness = numbers
    height = canvas.size[1]
    corners = [point_around(canvas.at(x, y), radius * height, corner * 360 / points) for corner in range(points)]
    for corner in range(points):
        canvas.fill_line(corners[corner], corners[(corner + 2) % points], thickness * height, colour)


def _pentagram(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    _polygram(canvas, colours[0], numbers, 5)


def _hexagram(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    _polygram(canvas, colours[0], numbers, 6)


def paint_spokes(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    """Paint bars around a point: x, y, start, end, count, thickness, turn."""
    x, y, start, end, count, thickness, turn = numbers
    centre, height = canvas.at(x, y), canvas.size[1]
    for spoke in range(int(count)):
        angle = turn + spoke * 360 / count
        canvas.fill_line(
            point_around(centre, start * height, angle), point_around(centre, end * height, angle), thickness * height, colours[0]
        )


def _crescent(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x, y, radius, gap, inner, turn = [*numbers, *(0.0,)[len(numbers) - 5 :]]
    (cx, cy), height = canvas.at(x, y), canvas.size[1]
    mask = Canvas(Image.new("L", canvas.image.size, 0), canvas.draw)
    mask = Canvas(mask.image, ImageDraw.Draw(mask.image))
    mask.fill_disc((cx, cy), radius * height, "white")
    mask.fill_disc((cx + gap * height * cos(radians(turn)), cy + gap * height * sin(radians(turn))), inner * height, "black")
    canvas.image.paste(colours[0], mask=mask.image)


def paint_cross(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    """Paint a cross whose arms reach the edges: x and y of its middle, thickness."""
    x, y, thickness = numbers
    width, height = canvas.size
    across = thickness * height / width
    canvas.fill_between(x - across / 2, 0, x + across / 2, 1, colours[0])
    canvas.fill_between(0, y - thickness / 2, 1, y + thickness / 2, colours[0])


def _plus(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    x, y, arm, thickness = numbers
    width, height = canvas.size
    along, across = arm * height / width, thickness * height / width
    canvas.fill_between(x - along, y - thickness / 2, x + along, y + thickness / 2, colours[0])
    canvas.fill_between(x - across / 2, y - arm, x + across / 2, y + arm, colours[0])


def paint_saltire(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    """Paint a diagonal cross from corner to corner: thickness."""
    _band(canvas, colours, (numbers[0], 0, 0, 1, 1))
    _band(canvas, colours, (numbers[0], 0, 1, 1, 0))


def _bar(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    thickness, x0, y0, x1, y1 = numbers
    canvas.fill_line(canvas.at(x0, y0), canvas.at(x1, y1), thickness * canvas.size[1], colours[0])


def _band(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    thickness, x0, y0, x1, y1 = numbers  # a bar that runs on beyond both ends, so that corners are filled
    _bar(canvas, colours, (thickness, 2 * x0 - x1, 2 * y0 - y1, 2 * x1 - x0, 2 * y1 - y0))


def _chequer(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    columns, rows = int(numbers[0]), int(numbers[1])
    for row in range(rows):
        for column in range(columns):
            canvas.fill_between(column / columns, row / rows, (column + 1) / columns, (row + 1) / rows, colours[(row + column) % 2])


def _rays(canvas: Canvas, colours: Sequence[str], numbers: Sequence[float]) -> None:
    count, y = int(numbers[0]), numbers[1]
    centre, reach = canvas.at(0.5, y), sum(canvas.size)
    for ray in range(count):
        start, end = (-90 + 180 * edge / count for edge in (ray, ray + 1))
        canvas.fill([centre, point_around(centre, reach, start), point_around(centre, reach, end)], colours[ray % 2])


SHAPES: Final[dict[str, Painter]] = {
    "band": _band,
    "bar": _bar,
    "chequer": _chequer,
    "crescent": _crescent,
    "cross": paint_cross,
    "disc": paint_disc,
    "field": paint_field,
    "h": _horizontal,
    "half": _half,
    "hexagram": _hexagram,
    "hoist": _hoist,
    "pentagram": _pentagram,
    "plus": _plus,
    "poly": _poly,
    "rays": _rays,
    "rect": _rect,
    "ring-of-stars": _ring_of_stars,
    "saltire": paint_saltire,
    "spokes": paint_spokes,
    "star": _star,
    "starfield": _starfield,
    "stripes": _stripes,
    "v": _vertical,
}
"""Layers by name; the colours and numbers that follow the name in a flag's description are the painter's, in its order."""
