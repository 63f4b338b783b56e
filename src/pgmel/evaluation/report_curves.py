"""Turn what training logged into the report's charts."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup

from pgmel.evaluation.report_axes import Axis
from pgmel.evaluation.report_charts import Line, line_chart
from pgmel.evaluation.report_data import CurveChart, TrainingCurves

__all__ = ["CurveView", "PhaseView", "TrainingView", "view_training"]

_MOST_POINTS = 160
_MOST_CURVES = 8
_LISTED_FAULTS = 5

Points = tuple[list[float], list[float]]


@dataclass(frozen=True, slots=True)
class CurveView:
    """One small chart: ``names`` of its lines where there are several (legend), values at the end and at the marker, how to read it."""

    title: str
    chart: Markup
    values: str
    note: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One stretch of training: its name, and first and last logged step."""

    name: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class TrainingView:
    """All charts: those to see at once, those folded away, the phases, and what could not be read."""

    charts: tuple[CurveView, ...]
    folded: tuple[CurveView, ...]
    phases: tuple[PhaseView, ...]
    is_shaded: bool
    num_rows: int
    faults: tuple[str, ...]
    num_faults: int


def view_training(training: TrainingCurves | None) -> TrainingView | None:
    """Prepare the charts of training; None if there is nothing to show, not even a fault.

    A chart is drawn where one of its columns holds a number; of one row, it shows dots.
    """
    if training is None:
        return None
    stretches = _stretches(training)
    bands = [(first, last) for place, (_, first, last) in enumerate(stretches) if place % 2 == 0] if len(stretches) > 1 else []
    asked = training.charts or tuple(CurveChart(name, {name: name}) for name in _changing_columns(training))
    drawn = [(chart, _draw(chart, training, bands)) for chart in asked]
    charts = tuple(view for chart, view in drawn if view and not chart.folded)
    folded = tuple(view for chart, view in drawn if view and chart.folded)
    if not charts and not folded and not training.faults:
        return None
    phases = tuple(PhaseView(name, f"{first:,.6g}", f"{last:,.6g}") for name, first, last in stretches)
    faults = training.faults
    return TrainingView(charts, folded, phases, bool(bands), len(training.rows), faults[:_LISTED_FAULTS], len(faults))


def _draw(chart: CurveChart, training: TrainingCurves, bands: Sequence[tuple[float, float]]) -> CurveView | None:
    found = {name: _points(training, column) for column, name in chart.lines.items()}
    filled = {name: points for name, points in found.items() if points[0]}
    if not filled:
        return None
    first_shade = 1 if len(filled) == 1 else 2
    ends = [] if chart.joined else [end for _, _, end in _stretches(training)]
    lines = [
        Line(name, *_thin(*piece), shade=first_shade + place)
        for place, (name, points) in enumerate(filled.items())
        for piece in _pieces(points, ends)
    ]
    level = None if chart.level is None else chart.level[1]
    spoken = "; ".join(_speak(name, points, training.x) for name, points in filled.items())
    place = None if chart.marker is None else chart.marker[1]
    values = "at the end " + ", ".join(f"{points[1][-1]:.4g}" for points in filled.values())
    marked = [f"{ys[xs.index(place)]:.4g}" for xs, ys in filled.values() if place in xs]
    if chart.marker is not None and marked:
        spoken += f"; dotted: {chart.marker[0]}, {training.x} {place:,.6g}, {', '.join(marked)}"
        is_end = all(place == xs[-1] for xs, _ in filled.values())
        values = f"{chart.marker[0]} {', '.join(marked)}" + ("" if is_end else f"; {values}")
    if chart.level is not None:
        spoken += f"; dashed: {chart.level[0]}, {chart.level[1]:.4g}"
    steps = [_number(row, training.x) for row in training.rows]
    known = [step for step in steps if step is not None]
    across = Axis(training.x, 0.0 if training.start else min(known), max(known))
    is_zero = not any(y for points in filled.values() for y in points[1])
    up = Axis("", 0.0, 1.0) if is_zero else Axis("")  # around a flat line of zeros the axis would reach below them
    picture = line_chart(lines, across, up, f"{chart.title}: {spoken}", marker=place, bands=bands, level=level)
    return CurveView(chart.title, picture, values, chart.note, tuple(filled) if len(filled) > 1 else ())


def _speak(name: str, points: Points, x: str) -> str:
    xs, ys = points
    if len(xs) == 1:
        return f"{name} {ys[0]:.4g} at {x} {xs[0]:.6g}"
    return f"{name} from {ys[0]:.4g} to {ys[-1]:.4g} over {x} {xs[0]:.6g} to {xs[-1]:.6g}"


def _stretches(training: TrainingCurves) -> list[tuple[str, float, float]]:
    """Return name, start and end of each run of rows of one phase; a stretch starts where the one before ended."""
    steps = [(step, str(row.get("phase") or "")) for row in training.rows if (step := _number(row, training.x)) is not None]
    stretches: list[tuple[str, float, float]] = []
    for phase, rows in groupby(steps, key=lambda pair: pair[1]):
        if phase in training.phases:
            places = [step for step, _ in rows]
            stretches.append((training.phases[phase], stretches[-1][2] if stretches else 0.0, places[-1]))
    return stretches


def _pieces(points: Points, ends: Sequence[float]) -> list[Points]:
    """Cut a line where a whole stretch of training has no point of it; ``ends`` are the last steps of the stretches."""
    pieces: list[Points] = []
    last = -1
    for x, y in zip(*points, strict=True):
        stretch = bisect_left(ends, x)
        if not pieces or stretch > last + 1:
            pieces.append(([], []))
        pieces[-1][0].append(x)
        pieces[-1][1].append(y)
        last = stretch
    return pieces


def _changing_columns(training: TrainingCurves) -> tuple[str, ...]:
    names = dict.fromkeys(name for row in training.rows for name in row if name != training.x)
    return tuple(name for name in names if len(set(_points(training, name)[1])) > 1)[:_MOST_CURVES]


def _points(training: TrainingCurves, column: str) -> Points:
    pairs = [(_number(row, training.x), _number(row, column)) for row in training.rows]
    kept = [(x, y) for x, y in pairs if x is not None and y is not None]
    if column in training.start:
        kept.insert(0, (0.0, training.start[column]))
    return [x for x, _ in kept], [y for _, y in kept]


def _number(row: Mapping[str, Any], column: str) -> float | None:
    try:
        value = float(row[column])
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _thin(xs: list[float], ys: list[float]) -> Points:
    """Average neighbours until few enough points are left to draw."""
    if len(xs) <= _MOST_POINTS:
        return xs, ys
    parts = np.array_split(np.arange(len(xs)), _MOST_POINTS)
    return [float(np.mean([xs[i] for i in part])) for part in parts], [float(np.mean([ys[i] for i in part])) for part in parts]
