"""Curves of training in the report."""

import xml.etree.ElementTree as ElementTree

import pytest

from pgmel.evaluation import CurveChart, TrainingCurves
from pgmel.evaluation.report_curves import view_training

PHASES = {"a": "first phase", "b": "second phase", "c": "third phase"}


def lines_of(curves: TrainingCurves, place: int = 0) -> list[list[str]]:
    """Return the points of every line of a chart."""
    view = view_training(curves)
    assert view is not None
    root = ElementTree.fromstring(str(view.charts[place].chart))
    return [node.get("points", "").split() for node in root.iter("polyline")]


def titles(curves: TrainingCurves) -> list[str]:
    view = view_training(curves)
    return [] if view is None else [chart.title for chart in view.charts]


def test_columns_that_are_missing_not_a_number_or_constant_are_skipped() -> None:
    rows = [{"step": step, "loss": 1 / step, "flat": 3, "text": "a", "dev": "" if step % 2 else step, "bad": "nan"} for step in range(1, 9)]
    assert titles(TrainingCurves(rows)) == ["loss", "dev"]
    charts = (CurveChart("asked", {"dev": "dev"}), CurveChart("absent", {"absent": "x"}), CurveChart("flat", {"flat": "flat"}))
    assert titles(TrainingCurves(rows, charts=charts)) == ["asked", "flat"]


def test_long_curves_are_thinned() -> None:
    rows = [{"step": step, "loss": float(step % 7)} for step in range(10_000)]
    [points] = lines_of(TrainingCurves(rows))
    assert 100 < len(points) < 200


def test_one_row_gives_dots() -> None:
    view = view_training(TrainingCurves([{"step": "5", "loss": "0.5"}], charts=(CurveChart("loss", {"loss": "loss"}),)))
    assert view is not None
    assert view.num_rows == 1
    assert len(list(ElementTree.fromstring(str(view.charts[0].chart)).iter("circle"))) == 1
    assert "loss 0.5 at step 5" in str(view.charts[0].chart)


def test_zeros_stand_on_the_floor() -> None:
    [points] = lines_of(TrainingCurves([{"step": 1, "share": 0}, {"step": 2, "share": 0}], charts=(CurveChart("share", {"share": "s"}),)))
    assert {point.split(",")[1] for point in points} == {"166.0"}


def test_lines_of_one_chart_share_it_and_are_named() -> None:
    rows = [{"step": step, "up": step, "down": -step} for step in (1, 2, 3)]
    charts = (CurveChart("both", {"up": "rising", "absent": "x", "down": "falling"}, level=("zero", 0.0)),)
    curves = TrainingCurves(rows, charts=charts)
    view = view_training(curves)
    assert view is not None
    assert view.charts[0].names == ("rising", "falling")
    assert view.charts[0].values == "at the end 3, -3"
    assert "rising from 1 to 3" in str(view.charts[0].chart)
    assert "dashed: zero, 0" in str(view.charts[0].chart)
    up, down = lines_of(curves)
    assert float(up[0].split(",")[1]) > float(up[-1].split(",")[1])
    assert float(down[0].split(",")[1]) < float(down[-1].split(",")[1])


def test_a_known_start_stands_at_step_0() -> None:
    rows = [{"step": 10, "dev": 0.5}, {"step": 20, "dev": 0.7}]
    [points] = lines_of(TrainingCurves(rows, charts=(CurveChart("dev", {"dev": "dev"}),), start={"dev": 0.4}))
    assert len(points) == 3
    assert points[0].split(",")[0] == "44.0"  # the left end of the axis


@pytest.mark.parametrize(
    ("place", "values"),
    [(20.0, "best 0.7; at the end 0.6"), (30.0, "best 0.6"), (25.0, "at the end 0.6")],
)
def test_a_marked_place_has_a_line_and_its_values(place: float, values: str) -> None:
    rows = [{"step": 10, "dev": 0.5}, {"step": 20, "dev": 0.7}, {"step": 30, "dev": 0.6}]
    view = view_training(TrainingCurves(rows, charts=(CurveChart("dev", {"dev": "dev"}, marker=("best", place)),)))
    assert view is not None
    root = ElementTree.fromstring(str(view.charts[0].chart))
    [line] = [node for node in root.iter("line") if node.get("class") == "marker"]
    assert float(line.get("x1", "")) == pytest.approx(44 + (place - 10) / 20 * (360 - 14 - 44), abs=0.1)
    assert view.charts[0].values == values
    assert ("dotted: best, step 20, 0.7" in root.get("aria-label", "")) is (place == 20)


def phased(**options: bool) -> TrainingCurves:
    phases = ["a", "a", "b", "b", "c", "c"]
    rows = [{"step": step, "phase": phase, "loss": "" if phase == "b" else step} for step, phase in enumerate(phases, start=1)]
    return TrainingCurves(rows, charts=(CurveChart("loss", {"loss": "loss"}, **options),), phases=PHASES)


def test_a_line_breaks_off_in_a_phase_without_it() -> None:
    assert [len(points) for points in lines_of(phased())] == [2, 2]


def test_a_line_that_is_to_be_joined_goes_on() -> None:
    assert [len(points) for points in lines_of(phased(joined=True))] == [4]


def test_phases_are_named_with_their_steps_and_shaded_in_turn() -> None:
    view = view_training(phased())
    assert view is not None
    assert [(phase.name, phase.first, phase.last) for phase in view.phases] == [
        ("first phase", "0", "2"),
        ("second phase", "2", "4"),
        ("third phase", "4", "6"),
    ]
    root = ElementTree.fromstring(str(view.charts[0].chart))
    bands = [node for node in root.iter("rect") if node.get("class") == "band"]
    assert len(bands) == 2
    assert float(bands[0].get("x", "")) < float(bands[1].get("x", ""))


def test_folded_charts_stand_apart() -> None:
    rows = [{"step": 1, "a": 1, "b": 2}]
    view = view_training(TrainingCurves(rows, charts=(CurveChart("A", {"a": "a"}), CurveChart("B", {"b": "b"}, folded=True))))
    assert view is not None
    assert [chart.title for chart in view.charts] == ["A"]
    assert [chart.title for chart in view.folded] == ["B"]


@pytest.mark.parametrize("curves", [None, TrainingCurves([]), TrainingCurves([{"step": 1, "phase": "a"}], phases=PHASES)])
def test_nothing_to_draw_is_no_section(curves: TrainingCurves | None) -> None:
    assert view_training(curves) is None


def test_faults_alone_are_worth_a_section() -> None:
    view = view_training(TrainingCurves([], faults=tuple(f"line {number}" for number in range(9))))
    assert view is not None
    assert view.num_faults == 9
    assert view.faults == ("line 0", "line 1", "line 2", "line 3", "line 4")
