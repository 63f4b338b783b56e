"""Turn figures into the bars, charts and tables of the report's template: scores, ranks, NIL."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from pgmel.evaluation.bootstrap import Interval
from pgmel.evaluation.nil import NilCurve
from pgmel.evaluation.report_axes import Axis
from pgmel.evaluation.report_charts import Line, column_chart, line_chart
from pgmel.evaluation.report_data import RankSeries

__all__ = ["BarView", "RankView", "view_bar", "view_nil_curve", "view_ranks"]

_BUCKETS = (("1", 1), ("2", 2), ("3", 3), ("4-5", 5), ("6-10", 10), ("11-30", 30), ("31-100", 100), (">100", math.inf))


@dataclass(frozen=True, slots=True)
class BarView:
    """A value between 0 and 1 as a bar, with its interval as a whisker; all in percent of the track."""

    width: float
    whisker_left: float | None
    whisker_width: float | None
    value: str
    range: str


@dataclass(frozen=True, slots=True)
class RankView:
    """Spread of ranks: two charts, and the same as a table (bucket, share per system)."""

    columns: Markup
    reach: Markup
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def view_bar(interval: Interval) -> BarView:
    """Prepare a share (0 to 1) as a bar."""
    if interval.low is None or interval.high is None:
        return BarView(_percent(interval.value), None, None, f"{interval.value:.3f}", "")
    left, right = _percent(interval.low), _percent(interval.high)
    whiskers = f"{interval.low:.3f} to {interval.high:.3f}"
    return BarView(_percent(interval.value), left, round(right - left, 2), f"{interval.value:.3f}", whiskers)


def view_ranks(series: Sequence[RankSeries]) -> RankView | None:
    """Prepare the spread of ranks; None if there are none."""
    filled = [one for one in series if len(one.ranks)]
    if not filled:
        return None
    shares = [_bucket_shares(one.ranks) for one in filled]
    labels = [label for label, _ in _BUCKETS]
    last = max(10.0, min(1000.0, max(float(np.max(one.ranks)) for one in filled)))
    ks = np.unique(np.round(np.geomspace(1, last, 60)))
    lines = [Line(one.name, ks.tolist(), [float(np.mean(one.ranks <= k)) for k in ks], shade) for shade, one in enumerate(filled)]
    low = math.floor(10 * min(line.ys[0] for line in lines)) / 10
    spoken = "; ".join(f"{line.name}: {line.ys[0]:.0%} at rank 1, {line.ys[-1]:.0%} up to rank {last:,.0f}" for line in lines)
    return RankView(
        column_chart(labels, shares, Axis("share of mentions", high=1.0), "rank of the gold entity", f"Shares of ranks. {spoken}"),
        line_chart(lines, Axis("k", log=True), Axis("gold among the first k", low, 1.0), f"Share of mentions by rank. {spoken}"),
        tuple(one.name for one in filled),
        tuple((label, tuple(f"{row[place]:.1%}" for row in shares)) for place, label in enumerate(labels)),
    )


def view_nil_curve(curve: NilCurve | None, threshold: float | None) -> Markup | None:
    """Prepare precision and recall of NIL over the probability that the KB has the entity; None if there is no curve.

    Args:
        curve: NIL is answered below its thresholds.
        threshold: The one that is used, on the same scale.
    """
    if curve is None or len(curve.thresholds) < 2:
        return None
    lines = []
    for shade, (name, values) in enumerate((("precision", curve.precision), ("recall", curve.recall)), start=2):
        defined = np.isfinite(values)
        if defined.any():
            lines.append(Line(name, curve.thresholds[defined].tolist(), values[defined].tolist(), shade))
    if not lines:
        return None
    where = "" if threshold is None else f", which stands at {threshold:.3g}"
    summary = f"Precision and recall of the answer NIL over the threshold{where}"
    return line_chart(lines, Axis("probability that the KB has the entity"), Axis("share", 0.0, 1.0), summary, marker=threshold)


def _bucket_shares(ranks: npt.NDArray[np.float64]) -> list[float]:
    # Realistic ranks end in .5 when an even number ties: 1.5 belongs to "2", as it is no hit at 1.
    edges = [top for _, top in _BUCKETS]
    counts = np.bincount(np.searchsorted(edges, ranks, side="left"), minlength=len(edges))
    return [float(count) / len(ranks) for count in counts]


def _percent(share: float) -> float:
    return round(100 * min(max(share, 0.0), 1.0), 2)
