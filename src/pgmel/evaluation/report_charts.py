"""Small charts as inline SVG, drawn so that they can be read on a phone and follow the page's light or dark colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pgmel.evaluation.report_axes import BOTTOM, HEIGHT, LEFT, RIGHT, SHADES, TOP, WIDTH, Axis, Scale, draw_grid, draw_text, to_svg

__all__ = ["Line", "Point", "column_chart", "histogram_chart", "line_chart", "point_chart"]

_MOST_DOTS = 24


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name and points; ``shade`` picks the colour (0 to 3, 0 being dashed)."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    shade: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One dot with a whisker from ``low`` to ``high``; ``weight`` (0 to 1) is the share of the whole that it stands for."""

    x: float
    y: float
    low: float
    high: float
    weight: float


def line_chart(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    summary: str,
    marker: float | None = None,
    bands: Sequence[tuple[float, float]] = (),
    level: float | None = None,
) -> Markup:
    """Draw lines; where a line has few points, each gets a dot.

    Args:
        lines: At least one with a point.
        x: Horizontal axis.
        y: Vertical axis.
        summary: What the chart shows, in words, for those who do not see it.
        marker: Where to draw a vertical line, if anywhere.
        bands: Stretches of the horizontal axis to shade.
        level: Where to draw a horizontal line, if anywhere; the vertical axis is stretched to hold it.
    """
    across = Scale(x, [value for line in lines for value in line.xs], LEFT, WIDTH - RIGHT)
    heights = [value for line in lines for value in line.ys] + ([] if level is None else [level])
    up = Scale(y, heights, HEIGHT - BOTTOM, TOP)
    parts = [_band(across, start, end) for start, end in bands if end > across.low and start < across.high]
    parts.append(draw_grid(across, up, x.label, y.label))
    if level is not None:
        place = f"{up.place(level):.1f}"
        parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place}" y2="{place}"/>')
    if marker is not None and across.low <= marker <= across.high:
        place = f"{across.place(marker):.1f}"
        parts.append(f'<line class="marker" x1="{place}" x2="{place}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for line in lines:
        shade = f"s{line.shade % SHADES}"
        points = [(across.place(a), up.place(b)) for a, b in zip(line.xs, line.ys, strict=True)]
        if len(points) > 1:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
            parts.append(f'<polyline class="line {shade}" points="{path}"/>')
        if len(points) <= _MOST_DOTS:
            parts += [f'<circle class="dot {shade}" cx="{a:.1f}" cy="{b:.1f}" r="{3 if len(points) == 1 else 2.4}"/>' for a, b in points]
    return to_svg(parts, summary)


def column_chart(labels: Sequence[str], series: Sequence[Sequence[float]], y: Axis, x_label: str, summary: str) -> Markup:
    """Draw groups of upright bars.

    Args:
        labels: One per group.
        series: One row of heights per system, each as long as ``labels``; from 0.
        y: Vertical axis.
        x_label: What the groups are.
        summary: What the chart shows, in words.
    """
    up = Scale(Axis(y.label, 0.0, y.high), [height for row in series for height in row], HEIGHT - BOTTOM, TOP)
    slot = (WIDTH - LEFT - RIGHT) / len(labels)
    parts = [draw_grid(None, up, x_label, y.label)]
    for column, label in enumerate(labels):
        middle = LEFT + (column + 0.5) * slot
        parts.append(draw_text("tick", middle, HEIGHT - BOTTOM + 13, label))
        parts += _bars([row[column] for row in series], middle - slot * 0.4, slot * 0.8, up)
    return to_svg(parts, summary)


def histogram_chart(edges: Sequence[float], series: Sequence[Sequence[float]], x: Axis, y: Axis, summary: str, first: int = 0) -> Markup:
    """Draw how values are spread over bins of a numeric axis, the bars of several series side by side in each bin.

    Args:
        edges: Rising borders of the bins.
        series: One row of heights per series, each one shorter than ``edges``; from 0.
        x: Horizontal axis; its ends are the outer edges.
        y: Vertical axis, from 0.
        summary: What the chart shows, in words.
        first: Shade of the first series.
    """
    across = Scale(Axis(x.label, edges[0], edges[-1]), [], LEFT, WIDTH - RIGHT)
    up = Scale(Axis(y.label, 0.0, y.high), [height for row in series for height in row], HEIGHT - BOTTOM, TOP)
    parts = [draw_grid(across, up, x.label, y.label)]
    for place in range(len(edges) - 1):
        left, right = across.place(edges[place]), across.place(edges[place + 1])
        parts += _bars([row[place] for row in series], left + 0.06 * (right - left), 0.88 * (right - left), up, first)
    return to_svg(parts, summary)


def point_chart(points: Sequence[Point], x: Axis, y: Axis, summary: str) -> Markup:
    """Draw dots with whiskers over the diagonal from corner to corner; the more a dot stands for, the larger it is.

    Args:
        points: In any order.
        x: Horizontal axis, with both ends given.
        y: Vertical axis, with both ends given.
        summary: What the chart shows, in words.
    """
    across, up = Scale(x, [], LEFT, WIDTH - RIGHT), Scale(y, [], HEIGHT - BOTTOM, TOP)
    parts = [draw_grid(across, up, x.label, y.label)]
    parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{TOP}"/>')
    for point in points:
        a, b, low, high = across.place(point.x), up.place(point.y), up.place(point.low), up.place(point.high)
        parts.append(f'<line class="whisker" x1="{a:.1f}" x2="{a:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
        parts += [f'<line class="whisker" x1="{a - 3:.1f}" x2="{a + 3:.1f}" y1="{end:.1f}" y2="{end:.1f}"/>' for end in (low, high)]
        # The area of a dot, not its width, is what the eye compares.
        parts.append(f'<circle class="dot s1" cx="{a:.1f}" cy="{b:.1f}" r="{2.5 + 5 * min(point.weight, 1.0) ** 0.5:.1f}"/>')
    return to_svg(parts, summary)


def _band(across: Scale, start: float, end: float) -> str:
    left, right = across.place(start), across.place(end)
    return f'<rect class="band" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{HEIGHT - BOTTOM - TOP}"/>'


def _bars(heights: Sequence[float], left: float, width: float, up: Scale, first: int = 0) -> list[str]:
    floor, wide = HEIGHT - BOTTOM, width / len(heights)
    bars = []
    for position, height in enumerate(heights):
        # A bar that is there at all stays visible.
        tall = max(floor - up.place(height), 1.0) if height > 0 else 0.0
        box = f'x="{left + position * wide:.1f}" y="{floor - tall:.1f}" width="{wide * 0.92:.1f}" height="{tall:.1f}"'
        bars.append(f'<rect class="bar s{(first + position) % SHADES}" {box}/>')
    return bars
