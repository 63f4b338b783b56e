"""Reliability and gates in the report: charts, tables and verdicts."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from pgmel.evaluation import measure_reliability
from pgmel.evaluation.report_axes import Axis
from pgmel.evaluation.report_charts import Line, Point, histogram_chart, line_chart, point_chart
from pgmel.evaluation.report_trust import view_gates, view_reliability
from pgmel.models import GateSummary

DICE = np.random.default_rng(5)
TRUE = DICE.random(3000)
RIGHT = DICE.random(3000) < TRUE


def gates(means: list[float], blocks: tuple[float, float] = (0.6, 0.4)) -> GateSummary:
    values = np.array(means, np.float32)
    return GateSummary(values, np.full_like(values, blocks[0]), np.full_like(values, blocks[1]), 12345, 2, 4, 2)


def test_bins_are_shown_as_dots_and_as_rows() -> None:
    view = view_reliability(measure_reliability([0.05, 0.55, 0.56], [False, True, False], np.random.default_rng(0)))
    assert view is not None
    root = ElementTree.fromstring(str(view.diagram))
    dots = list(root.iter("circle"))
    assert len(dots) == 2
    assert float(dots[0].get("cy", "")) > float(dots[1].get("cy", ""))
    assert float(dots[0].get("r", "")) < float(dots[1].get("r", ""))
    assert len([node for node in root.iter("line") if node.get("class") == "whisker"]) == 6
    assert len(view.rows) == 10
    row = view.rows[5]
    assert (row.range, row.count, row.mean_probability, row.share_right) == ("0.5 to 0.6", "2", "0.555", "0.500")
    assert row.interval == "0.095 to 0.905"
    assert view.rows[1].mean_probability == ""
    assert "probability 0.05: 0% right" in str(view.diagram)


@pytest.mark.parametrize(
    ("power", "verdict"),
    [(1.0, "no larger than chance makes it"), (0.3, "on the whole they are over-confident by 0."), (3.0, "under-confident by 0.")],
)
def test_the_verdict_says_which_way_probabilities_are_off(power: float, verdict: str) -> None:
    view = view_reliability(measure_reliability(TRUE**power, RIGHT, np.random.default_rng(0)))
    assert view is not None
    assert verdict in view.verdict


def test_right_and_wrong_answers_are_counted_in_each_bin() -> None:
    view = view_reliability(measure_reliability([0.95] * 4 + [0.05], [True] * 3 + [False] * 2, np.random.default_rng(0)))
    assert view is not None
    bars = [bar for bar in ElementTree.fromstring(str(view.counts)).iter("rect") if float(bar.get("height", "0"))]
    right, wrong = [[float(bar.get("height", "0")) for bar in bars if bar.get("class") == f"bar {shade}"] for shade in ("s2", "s3")]
    assert len(right) == 1
    assert len(wrong) == 2
    assert right[0] == pytest.approx(3 * wrong[0], rel=0.02)


def test_gates_have_a_row_per_side() -> None:
    view = view_gates({"mentions": gates([0.2, 0.4]), "entities": gates([0.7])})
    assert view is not None
    assert view.names == ("mentions", "entities")
    first = view.rows[0]
    assert (first.side, first.num_both, first.mean, first.text_block, first.image_block) == ("mentions", "2", "0.300", "0.600", "0.400")
    assert (first.num_text_only, first.num_image_only) == ("12,345", "2")
    assert first.middle == "0.210 to 0.390"


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ([0.495, 0.505], "hardly moved"),
        ([0.3, 0.7], "stay even, and differ"),
        ([0.8, 0.9], "lean towards the text"),
        ([0.1, 0.2], "lean towards the pictures"),
    ],
)
def test_gates_are_put_into_words(means: list[float], verdict: str) -> None:
    view = view_gates({"mentions": gates(means)})
    assert view is not None
    assert verdict in view.verdict


def test_no_row_with_both_modalities_leaves_the_counts() -> None:
    view = view_gates({"mentions": gates([])})
    assert view is not None
    assert view.chart is None
    assert view.rows[0].num_both == "0"
    assert "no gate to look at" in view.verdict
    assert view_gates({}) is None


@pytest.mark.parametrize(
    "chart",
    [
        point_chart([Point(0.5, 0.9, 0.8, 1.0, 1.0), Point(0, 0, 0, 0, 0)], Axis("<x>", 0, 1), Axis("<y>", 0, 1), '<"s">'),
        histogram_chart([0.1, 0.2, 0.4], [[1, 0], [0.5, 3]], Axis("<x>"), Axis("y"), "s"),
        line_chart([Line("a", [1, 2], [0, 1])], Axis("x"), Axis("y"), "s", bands=[(-5, 1.5), (7, 9)], level=3.0),
    ],
)
def test_charts_are_well_formed_and_stay_inside(chart: str) -> None:
    root = ElementTree.fromstring(str(chart))
    for node in root.iter():
        numbers = {name: float(node.get(name, "0")) for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height")}
        assert all(0 <= value <= 360 for value in numbers.values())
        assert numbers["x"] + numbers["width"] <= 360
        assert numbers["y"] + numbers["height"] <= 200
