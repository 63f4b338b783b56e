"""Axes of the report's charts: where a value stands, which ticks are drawn, and the SVG around it all.

Every chart has a view box 360 wide, so that its letters have their natural size on a phone and grow on a desktop. Colours come from the
page's style sheet by class (``s0``, ``s1``, ...); lines differ in their dashes too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = ["BOTTOM", "HEIGHT", "LEFT", "RIGHT", "SHADES", "TOP", "WIDTH", "Axis", "Scale", "draw_grid", "draw_text", "to_svg"]

WIDTH = 360.0
HEIGHT = 200.0
LEFT = 44.0
RIGHT = 14.0
TOP = 12.0
BOTTOM = 34.0
SHADES = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its label, ends (None: the data's) and whether it is logarithmic."""

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False


class Scale:
    """Turns values into places along an axis.

    Args:
        axis: What the axis asks for.
        values: The data, where the axis leaves an end open; at least one.
        start: Place of the lower end in the view box.
        end: Place of the upper end.
    """

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float) -> None:
        low = min(values) if axis.low is None else axis.low
        high = max(values) if axis.high is None else axis.high
        if high <= low:
            low, high = (low / 2, low * 2) if axis.log else (low - 0.5, low + 0.5)
        self.log, self.low, self.high, self.start, self.end = axis.log, low, high, start, end

    def place(self, value: float) -> float:
        """Return where a value stands; one beyond an end stands at the end."""
        value = min(max(value, self.low), self.high)
        ends = (self.low, self.high)
        low, high, here = (math.log(part) for part in (*ends, value)) if self.log else (*ends, value)
        return self.start + (here - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values along the axis."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            factors = (1, 2, 5) if self.high < 1000 * self.low else (1,)
            marks = [factor * 10.0**power for power in powers for factor in factors]
            return [mark for mark in marks if self.low * 0.9999 <= mark <= self.high * 1.0001]
        rough = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def draw_grid(across: Scale | None, up: Scale, x_label: str, y_label: str) -> str:
    """Draw lines, ticks and labels; the horizontal axis has no ticks where it has no scale."""
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick in up.ticks():
        place = up.place(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(draw_text("tick", LEFT - 5, place + 3, _number(tick), "end"))
    if across is not None:
        parts += [draw_text("tick", across.place(tick), floor + 13, _number(tick)) for tick in across.ticks()]
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    parts.append(draw_text("label", (LEFT + right) / 2, HEIGHT - 5, x_label))
    if y_label:
        turned = f'transform="translate(10 {(TOP + floor) / 2}) rotate(-90)"'
        parts.append(f'<text class="label" {turned} text-anchor="middle">{escape(y_label)}</text>')
    return "".join(parts)


def draw_text(kind: str, x: float, y: float, text: str, anchor: str = "middle") -> str:
    """Draw letters of a class of the style sheet; ``anchor`` is ``start``, ``middle`` or ``end``."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def to_svg(parts: Sequence[str], summary: str) -> Markup:
    """Put parts into one picture that says in words what it shows."""
    head = f'<svg class="chart" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{escape(summary)}">'
    return Markup(head + "".join(parts) + "</svg>")  # labels are escaped above, everything else is numbers


def _number(value: float) -> str:
    value = round(value, 10) + 0.0  # no "-0"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.10g}k"
    return f"{value:.6g}"
