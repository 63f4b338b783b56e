"""Turn reliability and gates into the report's charts and tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from pgmel.evaluation.reliability import Reliability
from pgmel.evaluation.report_axes import Axis
from pgmel.evaluation.report_charts import Point, histogram_chart, point_chart

if TYPE_CHECKING:
    from pgmel.models import GateSummary

__all__ = ["GateRow", "GateView", "ReliabilityRow", "ReliabilityView", "view_gates", "view_reliability"]

_GATE_BINS = 24
_EVEN = 0.5
_HARDLY = 0.02


@dataclass(frozen=True, slots=True)
class ReliabilityRow:
    """One bin as a table's row, all as text; empty where there is nothing to say."""

    range: str
    count: str
    mean_probability: str
    share_right: str
    interval: str


@dataclass(frozen=True, slots=True)
class ReliabilityView:
    """The diagram, the counts below it, the same as a table, and the verdict in a sentence."""

    diagram: Markup
    counts: Markup
    rows: tuple[ReliabilityRow, ...]
    verdict: str


@dataclass(frozen=True, slots=True)
class GateRow:
    """Gates of one side, all as text."""

    side: str
    num_both: str
    mean: str
    middle: str
    text_block: str
    image_block: str
    num_text_only: str
    num_image_only: str


@dataclass(frozen=True, slots=True)
class GateView:
    """The spread of mean gates, a table, and what they come to in a sentence; no chart where no row has both modalities."""

    chart: Markup | None
    names: tuple[str, ...]
    rows: tuple[GateRow, ...]
    verdict: str


def view_reliability(found: Reliability | None) -> ReliabilityView | None:
    """Prepare the reliability diagram; None where there are no probabilities."""
    if found is None:
        return None
    points, rows = [], []
    for one in found.bins:
        span = f"{one.low:.2g} to {one.high:.2g}"
        if one.mean_probability is None or one.share_right is None:
            rows.append(ReliabilityRow(span, "0", "", "", ""))
            continue
        share = one.share_right
        low, high = share.low or 0.0, 1.0 if share.high is None else share.high
        points.append(Point(one.mean_probability, share.value, low, high, one.count / found.num_mentions))
        rows.append(ReliabilityRow(span, f"{one.count:,}", f"{one.mean_probability:.3f}", f"{share.value:.3f}", f"{low:.3f} to {high:.3f}"))
    spoken = "; ".join(f"probability {point.x:.2f}: {point.y:.0%} right" for point in points)
    edges = [found.bins[0].low, *(one.high for one in found.bins)]
    right = [one.count * one.share_right.value if one.share_right else 0.0 for one in found.bins]
    wrong = [one.count - hits for one, hits in zip(found.bins, right, strict=True)]
    counted = "; ".join(f"{row.range}: {row.count}" for row in rows)
    return ReliabilityView(
        point_chart(
            points, Axis("probability given", 0.0, 1.0), Axis("share right", 0.0, 1.0), f"Share of right answers by probability. {spoken}"
        ),
        histogram_chart(
            edges, [right, wrong], Axis("probability given"), Axis("mentions"), f"Number of mentions by probability. {counted}", first=2
        ),
        tuple(rows),
        _judge(found),
    )


def view_gates(gates: "Mapping[str, GateSummary]") -> GateView | None:
    """Prepare the gates; None where the run fuses nothing by them."""
    if not gates:
        return None
    filled = {side: summary for side, summary in gates.items() if len(summary.means)}
    rows = tuple(_gate_row(side, summary) for side, summary in gates.items())
    if not filled:
        return GateView(None, (), rows, "No row has both text and a usable picture, so there is no gate to look at.")
    everything = np.concatenate([summary.means for summary in filled.values()])
    low, high = float(everything.min()), float(everything.max())
    margin = max((high - low) * 0.02, 1e-4)
    edges = np.linspace(max(low - margin, 0.0), min(high + margin, 1.0), _GATE_BINS + 1)
    series = [(np.histogram(summary.means, edges)[0] / len(summary.means)).tolist() for summary in filled.values()]
    spoken = "; ".join(f"{row.side}: mean {row.mean}, middle nine tenths {row.middle}" for row in rows if row.mean)
    chart = histogram_chart(
        edges.tolist(), series, Axis("mean gate of a row"), Axis("share of rows"), f"Spread of the mean gate. {spoken}", first=1
    )
    return GateView(chart, tuple(filled), rows, _judge_gates(everything))


def _gate_row(side: str, summary: "GateSummary") -> GateRow:
    counts = f"{summary.num_text_only:,}", f"{summary.num_image_only:,}"
    if not len(summary.means):
        return GateRow(side, "0", "", "", "", "", *counts)
    low, high = np.quantile(summary.means, [0.05, 0.95])
    blocks = f"{summary.text_block.mean():.3f}", f"{summary.image_block.mean():.3f}"
    return GateRow(side, f"{len(summary.means):,}", f"{summary.means.mean():.3f}", f"{low:.3f} to {high:.3f}", *blocks, *counts)


def _judge(found: Reliability) -> str:
    gap = found.mean_probability - found.share_right
    tendency = "under-confident" if gap < 0 else "over-confident"
    usual = f"with exactly right probabilities it would stay below {found.chance_high:.3f} in {found.confidence:.0%} of such samples"
    if found.error <= found.chance_high:
        return f"The calibration error is no larger than chance makes it: {usual}."
    lean = f"; on the whole they are {tendency} by {abs(gap):.3f}" if abs(gap) >= 0.005 else ""
    return f"The calibration error is larger than chance makes it ({usual}): the probabilities are off{lean}."


def _judge_gates(means: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> str:
    low, high = np.quantile(means, [0.05, 0.95])
    if max(abs(low - _EVEN), abs(high - _EVEN)) < _HARDLY:
        return (
            "The gates have hardly moved from one half, where training starts them: what was learned about text and pictures lies in "
            "their projections, not in the gates. Mind the scale of the chart."
        )
    middle = float(means.mean())
    if abs(middle - _EVEN) < _HARDLY:
        return "On the whole the gates stay even, and differ from row to row."
    return f"On the whole the gates lean towards {'the text' if middle > _EVEN else 'the pictures'}."
