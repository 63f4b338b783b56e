"""Small charts as inline SVG, drawn so that they can be read on a phone and follow the page's light or dark colours.

Every chart has a view box 360 wide, so that its letters have their natural size on a phone and grow on a desktop. Colours come from the
page's style sheet by class (``s0``, ``s1``, ...); lines differ in their dashes too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = ["Axis", "Line", "column_chart", "line_chart"]

_WIDTH, _HEIGHT = 360.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 14.0, 12.0, 34.0
_SHADES = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name and points; ``shade`` picks the colour (0 to 3)."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    shade: int = 0


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its label, ends (None: the data's) and whether it is logarithmic."""

    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False


class _Scale:
    """Turns values into places along an axis."""

    def __init__(self, axis: Axis, values: Sequence[float], start: float, end: float) -> None:
        low = min(values) if axis.low is None else axis.low
        high = max(values) if axis.high is None else axis.high
        if high <= low:
            low, high = (low / 2, low * 2) if axis.log else (low - 0.5, low + 0.5)
        self.log, self.low, self.high, self.start, self.end = axis.log, low, high, start, end

    def place(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        ends = (self.low, self.high)
        low, high, here = (math.log(part) for part in (*ends, value)) if self.log else (*ends, value)
        return self.start + (here - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
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


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, summary: str, marker: float | None = None) -> Markup:
    """Draw lines.

    Args:
        lines: At least one with a point.
        x: Horizontal axis.
        y: Vertical axis.
        summary: What the chart shows, in words, for those who do not see it.
        marker: Where to draw a vertical line, if anywhere.
    """
    across = _Scale(x, [value for line in lines for value in line.xs], _LEFT, _WIDTH - _RIGHT)
    up = _Scale(y, [value for line in lines for value in line.ys], _HEIGHT - _BOTTOM, _TOP)
    parts = [_grid(across, up, x.label, y.label)]
    if marker is not None and across.low <= marker <= across.high:
        place = f"{across.place(marker):.1f}"
        parts.append(f'<line class="marker" x1="{place}" x2="{place}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
    for line in lines:
        shade = f"s{line.shade % _SHADES}"
        points = [(across.place(a), up.place(b)) for a, b in zip(line.xs, line.ys, strict=True)]
        if len(points) == 1:
            parts.append(f'<circle class="dot {shade}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="3"/>')
        else:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
            parts.append(f'<polyline class="line {shade}" points="{path}"/>')
    return _svg(parts, summary)


def column_chart(labels: Sequence[str], series: Sequence[Sequence[float]], y: Axis, x_label: str, summary: str) -> Markup:
    """Draw groups of upright bars.

    Args:
        labels: One per group.
        series: One row of heights per system, each as long as ``labels``; from 0.
        y: Vertical axis.
        x_label: What the groups are.
        summary: What the chart shows, in words.
    """
    up = _Scale(Axis(y.label, 0.0, y.high), [height for row in series for height in row], _HEIGHT - _BOTTOM, _TOP)
    floor, slot = _HEIGHT - _BOTTOM, (_WIDTH - _LEFT - _RIGHT) / len(labels)
    wide = slot * 0.8 / len(series)
    parts = [_grid(None, up, x_label, y.label)]
    for column, label in enumerate(labels):
        middle = _LEFT + (column + 0.5) * slot
        parts.append(_text("tick", middle, floor + 13, label))
        for position, row in enumerate(series):
            # A bar that is there at all stays visible.
            tall = max(floor - up.place(row[column]), 1.0) if row[column] > 0 else 0.0
            box = f'x="{middle - slot * 0.4 + position * wide:.1f}" y="{floor - tall:.1f}" width="{wide * 0.92:.1f}" height="{tall:.1f}"'
            parts.append(f'<rect class="bar s{position % _SHADES}" {box}/>')
    return _svg(parts, summary)


def _grid(across: _Scale | None, up: _Scale, x_label: str, y_label: str) -> str:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for tick in up.ticks():
        place = up.place(tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(_text("tick", _LEFT - 5, place + 3, _number(tick), "end"))
    if across is not None:
        parts += [_text("tick", across.place(tick), floor + 13, _number(tick)) for tick in across.ticks()]
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>')
    parts.append(_text("label", (_LEFT + right) / 2, _HEIGHT - 5, x_label))
    if y_label:
        turned = f'transform="translate(10 {(_TOP + floor) / 2}) rotate(-90)"'
        parts.append(f'<text class="label" {turned} text-anchor="middle">{escape(y_label)}</text>')
    return "".join(parts)


def _text(kind: str, x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _number(value: float) -> str:
    value = round(value, 10) + 0.0  # no "-0"
    if abs(value) >= 10_000:
        return f"{value / 1000:,.10g}k"
    return f"{value:.6g}"


def _svg(parts: Sequence[str], summary: str) -> Markup:
    head = f'<svg class="chart" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(summary)}">'
    return Markup(head + "".join(parts) + "</svg>")  # labels are escaped above, everything else is numbers
