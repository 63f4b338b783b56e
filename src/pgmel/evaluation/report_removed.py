"""The report's section on mentions whose entity the KB lacks."""

from dataclasses import dataclass

from markupsafe import Markup

from pgmel.evaluation.nil import NilCurve
from pgmel.evaluation.removed_gold import RemovedGold
from pgmel.evaluation.report_axes import Axis
from pgmel.evaluation.report_charts import Line, line_chart
from pgmel.evaluation.report_figures import view_nil_curve
from pgmel.evaluation.report_trust import ReliabilityView, view_reliability
from pgmel.evaluation.risk_coverage import RiskCurve

__all__ = ["RemovedView", "RiskRow", "view_removed"]


@dataclass(frozen=True, slots=True)
class RiskRow:
    """Risk at one coverage, as text."""

    coverage: str
    risk: str
    interval: str


@dataclass(frozen=True, slots=True)
class RemovedView:
    """Charts and tables: risk over coverage, NIL over its threshold, reliability; and how the decision was judged, in a sentence."""

    risk_chart: Markup | None
    risk_rows: tuple[RiskRow, ...]
    nil_chart: Markup | None
    reliability: ReliabilityView | None
    judged: str


def view_removed(found: RemovedGold | None, nil_curve: NilCurve | None, risk_curve: RiskCurve | None) -> RemovedView | None:
    """Prepare the section; None where nothing was removed."""
    if found is None:
        return None
    rows = tuple(
        RiskRow(
            f"{one.coverage:.0%}",
            f"{one.risk.value:.3f}",
            "" if one.risk.low is None or one.risk.high is None else f"{one.risk.low:.3f} to {one.risk.high:.3f}",
        )
        for one in found.risk.risks
    )
    nil = found.nil
    chart = None if risk_curve is None else _draw_risk(risk_curve, 1 - (nil.true_nil + nil.false_nil) / nil.num_mentions, rows)
    limit = None if nil.threshold is None else 1 - nil.threshold
    return RemovedView(chart, rows, view_nil_curve(nil_curve, limit), view_reliability(found.reliability), _describe_judging(found))


def _draw_risk(curve: RiskCurve, linked: float, rows: tuple[RiskRow, ...]) -> Markup:
    spoken = "; ".join(f"{row.risk} at {row.coverage}" for row in rows)
    line = Line("risk", curve.coverage.tolist(), curve.risk.tolist(), 1)
    summary = f"Share of wrong links over the share of mentions linked. {spoken}"
    return line_chart([line], Axis("coverage", 0.0, 1.0), Axis("risk", 0.0), summary, marker=linked)


def _describe_judging(found: RemovedGold) -> str:
    if found.num_folds == 0:
        return "The decision was fitted on other mentions and has not seen these."
    if found.num_folds == 1:
        return "The decision was fitted on these very mentions, too few for cross-fitting, so this is too good to be true."
    return (
        "The decision was fitted on these mentions, so they are judged by cross-fitting: they are dealt out to "
        f"{found.num_folds} parts, those that share a sentence or a picture to the same, and each part is judged by a decision fitted on "
        "the others, with the whole KB. The model's early stopping saw all of them."
    )
