"""A small drawing surface: polygons, discs and bars, in pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, hypot, radians, sin
from typing import final

from PIL import Image, ImageDraw

__all__ = ["Canvas", "Painter", "Point", "point_around"]

Point = tuple[float, float]
Painter = Callable[["Canvas", Sequence[str], Sequence[float]], None]


@final
@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture and its pencil."""

    image: Image.Image
    draw: ImageDraw.ImageDraw

    @classmethod
    def blank(cls, width: int, height: int) -> "Canvas":
        """Start with a white picture."""
        image = Image.new("RGB", (width, height), "white")
        return cls(image, ImageDraw.Draw(image))

    @property
    def size(self) -> Point:
        """Width and height in pixels."""
        return float(self.image.width), float(self.image.height)

    def at(self, x: float, y: float) -> Point:
        """Turn fractions into pixels."""
        return x * self.image.width, y * self.image.height

    def fill(self, points: Sequence[Point], colour: str) -> None:
        """Fill a polygon given in pixels."""
        self.draw.polygon(list(points), fill=colour)

    def fill_between(self, x0: float, y0: float, x1: float, y1: float, colour: str) -> None:
        """Fill a rectangle given in fractions; neighbours that share an edge leave no gap and do not overlap."""
        left, top = (round(value) for value in self.at(x0, y0))
        right, bottom = (round(value) for value in self.at(x1, y1))
        if right > left and bottom > top:
            self.draw.rectangle((left, top, right - 1, bottom - 1), fill=colour)

    def fill_disc(self, centre: Point, radius: float, colour: str) -> None:
        """Fill a disc given in pixels."""
        x, y = centre
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def fill_star(self, centre: Point, radius: float, points: int, inner: float, turn: float, colour: str) -> None:
        """Fill a star given in pixels; ``inner`` is the inner corners' share of the radius, ``turn`` in degrees."""
        step = 180 / points
        corners = [point_around(centre, radius * (inner if corner % 2 else 1), turn + corner * step) for corner in range(2 * points)]
        self.fill(corners, colour)

    def fill_line(self, start: Point, end: Point, thickness: float, colour: str) -> None:
        """Fill a straight bar with square ends, given in pixels."""
        (x0, y0), (x1, y1) = start, end
        length = hypot(x1 - x0, y1 - y0)
        dx, dy = (y1 - y0) / length * thickness / 2, (x0 - x1) / length * thickness / 2
        self.fill([(x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy), (x0 - dx, y0 - dy)], colour)


def point_around(centre: Point, radius: float, angle: float) -> Point:
    """Return the point at a distance and an angle (degrees, clockwise from straight up) from another."""
    return centre[0] + radius * sin(radians(angle)), centre[1] - radius * cos(radians(angle))
