"""The report's section on entities that the KB lacks."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from pgmel.evaluation import (
    NilCurve,
    RemovedGold,
    ReportData,
    RiskCurve,
    measure_nil,
    measure_reliability,
    measure_risk_coverage,
    nil_curve,
    render_html_report,
    risk_curve,
)
from pgmel.evaluation.report_removed import view_removed

RNG = np.random.default_rng(0)
LIKELY = RNG.random(400)
RIGHT = RNG.random(400) < LIKELY
NIL = ~RIGHT & (RNG.random(400) < 0.6)
CURVES = (nil_curve(LIKELY, NIL), risk_curve(LIKELY, RIGHT))


def found(num_folds: int = 5, threshold: float | None = 0.7, answers: np.ndarray | None = None) -> RemovedGold:
    measured = (100, 0.95, np.random.default_rng(0))
    return RemovedGold(
        share=0.2,
        num_removed=1234,
        num_entities=5000,
        num_folds=num_folds,
        nil=measure_nil(NIL, LIKELY < 0.3 if answers is None else answers, RIGHT, *measured, threshold=threshold),
        risk=measure_risk_coverage(LIKELY, RIGHT, *measured),
        reliability=measure_reliability(LIKELY, RIGHT, np.random.default_rng(0), groups=range(400)),
    )


def section(data: ReportData) -> str:
    page = re.search(r'<section id="removed".*?</section>', render_html_report(data), re.DOTALL)
    return page.group() if page else ""


def page(removed: RemovedGold, curves: tuple[NilCurve | None, RiskCurve | None] = CURVES) -> ReportData:
    return ReportData("Run", removed=removed, removed_nil_curve=curves[0], removed_risk_curve=curves[1], decision_note="NIL where <likely>")


def test_figures_stand_in_the_section_with_their_intervals() -> None:
    one = found()
    text = section(page(one))
    for interval in (one.nil.precision, one.nil.recall, one.nil.f1, one.nil.accuracy, one.risk.aurc, one.reliability.error_interval):
        assert interval is not None
        assert f'<span class="big">{interval.value:.3f}</span><small>{interval.low:.3f} to {interval.high:.3f}</small>' in text
    assert "20 % of the gold entities (1,234, drawn at random)" in text
    assert f"{one.nil.num_nil} of 400 mentions now mean none of the KB" in text
    assert "NIL where &lt;likely&gt;." in text
    assert text.count("<svg") == 4
    for risk in one.risk.risks:
        assert f"<td>{risk.risk.value:.3f}</td>" in text
    assert f"<td>{one.nil.true_nil}</td><td>{one.nil.missed_nil}</td>" in text


def test_nothing_removed_means_no_section() -> None:
    assert section(ReportData("Run")) == ""
    assert "Not in the KB" not in render_html_report(ReportData("Run"))
    assert view_removed(None, None, None) is None


def test_nil_that_was_never_answered_is_said() -> None:
    text = section(page(found(threshold=None, answers=np.zeros(400, bool))))
    assert "NIL was never answered" in text
    assert "None" not in text
    assert "(dotted: the bundle's)" not in text


@pytest.mark.parametrize(
    ("folds", "said"),
    [(0, "fitted on other mentions and has not seen these"), (1, "too good to be true"), (5, "dealt out to 5 parts")],
)
def test_it_is_said_how_the_decision_was_judged(folds: int, said: str) -> None:
    assert said in section(page(found(num_folds=folds)))


def test_charts_mark_what_the_decision_links() -> None:
    one = found()
    view = view_removed(one, *CURVES)
    assert view is not None
    markers = []
    for chart in (view.risk_chart, view.nil_chart):
        lines = ElementTree.fromstring(str(chart)).iter("line")
        markers.append([float(line.get("x1", "")) for line in lines if line.get("class") == "marker"])
    linked = 1 - (one.nil.true_nil + one.nil.false_nil) / 400
    assert markers[0] == [pytest.approx(44 + linked * (360 - 14 - 44), abs=0.1)]
    assert markers[1][0] == pytest.approx(44 + 0.3 * (360 - 14 - 44), abs=2)


def test_without_curves_the_figures_stand_alone() -> None:
    assert section(page(replace(found(), num_folds=0), (None, None))).count("<svg") == 2
