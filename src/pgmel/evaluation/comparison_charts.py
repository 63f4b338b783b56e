"""Charts of a comparison: learning curves side by side, and differences from the reference with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final, final

from markupsafe import Markup, escape

from pgmel.evaluation.comparison_data import COMPARED, Comparison, ComparisonCell, ComparisonRow, ComparisonTable, CurveSeries
from pgmel.evaluation.report_axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Scale, draw_grid, draw_text, to_svg

__all__ = ["CurvePanel", "ForestPanel", "curve_panels", "draw_sheet", "forest_panels"]

_HUES: Final = 12
"""Classes ``c1`` to ``c12``; ``c0`` is the reference."""

_NAME_LETTERS: Final = 23
"""Letters of a system's name that fit beside its interval; longer names go on below."""

_X_TITLES: Final = {"updates": "updates of the discriminator", "seconds": "training seconds"}


@final
@dataclass(frozen=True, slots=True)
class CurvePanel:
    """Learning curves of some systems on one data set.

    Args:
        title: Data set, and group where there are groups.
        charts: Heading and picture: each metric over updates and over seconds.
        legend: Class and name of each line.
    """

    title: str
    charts: tuple[tuple[str, Markup], ...]
    legend: tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True, slots=True)
class ForestPanel:
    """Differences of all systems from the reference on one data set, or on the mean."""

    title: str
    chart: Markup


def curve_panels(comparison: Comparison) -> list[CurvePanel]:
    """Draw learning curves: one panel per data set, and per group of systems where there are groups; the reference is in each."""
    panels = []
    for data, heading in comparison.data.items():
        here = [series for series in comparison.curves if series.data == data and len(series.updates) > 1]
        groups = list(dict.fromkeys(series.group for series in here if series.system != comparison.reference))
        for group in groups or [""]:
            chosen = [series for series in here if series.system == comparison.reference or series.group == group]
            if chosen:
                title = f"{heading}: {group}" if group else heading
                panels.append(_curve_panel(title, chosen, comparison.reference))
    return panels


def _curve_panel(title: str, chosen: Sequence[CurveSeries], reference: str) -> CurvePanel:
    ordered = sorted(chosen, key=lambda series: series.system == reference)  # drawn last, the reference lies on top
    others = [series.system for series in ordered if series.system != reference]
    classes = {system: f"c{place % _HUES + 1}" for place, system in enumerate(others)} | {reference: "c0"}
    charts = []
    for metric, name in COMPARED.items():
        for across, x_title in _X_TITLES.items():
            lines = [(classes[one.system], getattr(one, across), getattr(one, metric)) for one in ordered]
            ends = "; ".join(f"{one.label} {getattr(one, metric)[-1]:.3f}" for one in chosen)
            summary = f"{title}: {name} on dev over {x_title}; at the end {ends}"
            charts.append((f"{name} over {across}", _lines_chart(lines, x_title, summary)))
    legend = tuple((classes[one.system], one.label) for one in reversed(ordered))
    return CurvePanel(title, tuple(charts), (legend[0], *reversed(legend[1:])))


def _lines_chart(lines: Sequence[tuple[str, Sequence[float], Sequence[float]]], x_title: str, summary: str) -> Markup:
    across = Scale(Axis(x_title, low=0.0), [x for _, xs, _ in lines for x in xs], LEFT, WIDTH - RIGHT)
    up = Scale(Axis(""), [y for _, _, ys in lines for y in ys], HEIGHT - BOTTOM, TOP)
    parts = [draw_grid(across, up, x_title, "")]
    for shade, xs, ys in lines:
        points = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in zip(xs, ys, strict=True))
        parts.append(f'<polyline class="curve {shade}" points="{points}"/>')
    return to_svg(parts, summary)


def forest_panels(comparison: Comparison, table: ComparisonTable, metric: str = "h_at_1") -> list[ForestPanel]:
    """Draw, for the mean and for each data set, how far each system lies from the reference, with intervals."""
    panels = []
    for data, heading in [("", "mean over data sets"), *comparison.data.items()]:
        found = [(row.label, cell.differences[metric]) for row in table.rows if (cell := _cell(row, data)) and metric in cell.differences]
        if not found:
            continue
        rows = [(label, one.value.value, one.value.low, one.value.high, one.differs()) for label, one in found]
        spoken = "; ".join(f"{label} {value:+.4f}" for label, value, *_ in rows)
        summary = f"{heading}: difference in {COMPARED[metric]} from {comparison.reference_label}: {spoken}"
        panels.append(ForestPanel(heading, _forest(rows, summary)))
    return panels


def _cell(row: ComparisonRow, data: str) -> ComparisonCell | None:
    return row.cells.get(data) if data else row.mean


def _forest(rows: Sequence[tuple[str, float, float | None, float | None, bool]], summary: str) -> Markup:
    left = 148.0
    names = [wrap(label, _NAME_LETTERS) or [""] for label, *_ in rows]
    depths = [max(17.0, 13.0 * len(lines) + 5) for lines in names]
    floor = TOP + sum(depths)
    ends = [end for _, value, low, high, _ in rows for end in (value, low, high) if end is not None]
    across = Scale(Axis(""), [*ends, 0.0], left, WIDTH - RIGHT)
    parts = []
    for tick in across.ticks(4):
        place = f"{across.place(tick):.1f}"
        parts.append(f'<line class="grid" x1="{place}" x2="{place}" y1="{TOP}" y2="{floor}"/>')
        parts.append(draw_text("tick", across.place(tick), floor + 13, f"{100 * tick:+.3g}" if tick else "0"))
    zero = f"{across.place(0.0):.1f}"
    parts.append(f'<line class="axis" x1="{zero}" x2="{zero}" y1="{TOP - 4}" y2="{floor}"/>')
    for number, (_, value, low, high, differs) in enumerate(rows):
        middle = TOP + sum(depths[:number]) + depths[number] / 2
        kind = ("up" if value > 0 else "down") if differs else "same"
        lines = names[number]
        parts += [
            draw_text("name", left - 8, middle + 3.5 + 13.0 * (place - (len(lines) - 1) / 2), line, "end")
            for place, line in enumerate(lines)
        ]
        if low is not None and high is not None:
            parts.append(
                f'<line class="span {kind}" x1="{across.place(low):.1f}" x2="{across.place(high):.1f}" y1="{middle}" y2="{middle}"/>'
            )
        parts.append(f'<circle class="spot {kind}" cx="{across.place(value):.1f}" cy="{middle}" r="3.6"/>')
    head = f'<svg class="chart" viewBox="0 0 {WIDTH:.0f} {floor + 22:.0f}" role="img" aria-label="{escape(summary)}">'
    return Markup(head + "".join(parts) + "</svg>")  # labels are escaped by draw_text, everything else is numbers


def draw_sheet(comparison: Comparison, style: str) -> str:
    """Return all learning curves as one SVG file: a row of charts per panel, with its legend.

    Args:
        comparison: What was found.
        style: Style sheet with the classes of the lines.
    """
    panels = curve_panels(comparison)
    columns = 2 * len(COMPARED)
    width = columns * WIDTH + 40
    parts = [f'<text class="title" x="20" y="30">{escape(comparison.title)}</text>']
    top = 50.0
    for panel in panels:
        parts.append(f'<text class="panel" x="20" y="{top + 16:.0f}">{escape(panel.title)}</text>')
        legend, depth = _legend(panel, width, top + 34)
        parts.append(legend)
        top += 34 + depth
        for place, (heading, chart) in enumerate(panel.charts):
            left = 20 + place * WIDTH
            parts.append(f'<text class="head" x="{left + LEFT:.0f}" y="{top + 10:.0f}">{escape(heading)}</text>')
            size = f'x="{left:.0f}" y="{top + 14:.0f}" width="{WIDTH:.0f}" height="{HEIGHT:.0f}"'
            parts.append(str(chart).replace("<svg ", f"<svg {size} ", 1))
        top += HEIGHT + 40
    if not panels:
        parts.append(f'<text class="panel" x="20" y="{top + 16:.0f}">no finished run yet</text>')
        top += 40
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {top:.0f}" width="{width:.0f}" height="{top:.0f}">'
    return f'{head}<style>{style}</style><rect class="paper" width="100%" height="100%"/>{"".join(parts)}</svg>\n'


def _legend(panel: CurvePanel, width: float, top: float) -> tuple[str, float]:
    """Return the legend and how high it is."""
    parts = []
    x, y = 20.0, top
    for shade, name in panel.legend:
        space = 46 + 6.6 * len(name)
        if x + space > width - 20 and x > 20:
            x, y = 20.0, y + 16
        parts.append(f'<line class="curve {shade}" x1="{x:.0f}" x2="{x + 24:.0f}" y1="{y - 4:.0f}" y2="{y - 4:.0f}"/>')
        parts.append(f'<text class="key" x="{x + 30:.0f}" y="{y:.0f}">{escape(name)}</text>')
        x += space
    return "".join(parts), y - top + 12
