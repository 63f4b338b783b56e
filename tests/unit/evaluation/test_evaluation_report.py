"""The HTML report: what is in it, what is left out, and that nothing breaks or escapes from it."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pgmel import NIL, Candidate, Entity, Link, Mention
from pgmel.evaluation import (
    CurveChart,
    ErrorSample,
    LinkExample,
    Metrics,
    Ranks,
    RankSeries,
    ReportData,
    SliceScores,
    SystemScores,
    TrainingCurves,
    aggregate_seeds,
    compare_paired,
    measure,
    measure_nil,
    measure_reliability,
    nil_curve,
    render_html_report,
    write_html_report,
)
from pgmel.evaluation.report_axes import Axis
from pgmel.evaluation.report_cases import view_case
from pgmel.evaluation.report_charts import Line, column_chart, line_chart
from pgmel.evaluation.report_figures import view_bar, view_ranks
from pgmel.evaluation.report_pictures import Thumbnails
from pgmel.features import FeatureReport, PictureProblem
from pgmel.models import GateSummary

EVIL = "<script>alert('x')</script>\"'&"
VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and fails on tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attrs for name, attrs in self.tags if name == tag)


def metrics(*ranks: float) -> Metrics:
    return measure(make_ranks(*ranks), 100, 0.95, np.random.default_rng(0))


def make_ranks(*ranks: float) -> Ranks:
    values = np.array(ranks, np.float64)
    return Ranks(values, values, values, np.zeros(len(ranks), np.float32))


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / f"{name}.png" for name in ("mention", "gold", "other", "broken")}
    for shade, name in enumerate(("mention", "gold", "other")):
        Image.new("RGB", (600, 300), (80 * shade, 10, 200)).save(paths[name])
    paths["broken"].write_bytes(b"<html>")
    return paths


@pytest.fixture
def examples(pictures: dict[str, Path]) -> dict[str, LinkExample]:
    entities = {
        "Q1": Entity("Q1", "Guinea", description="capital Conakry", images=(pictures["broken"], pictures["gold"])),
        "Q2": Entity("Q2", "Guinea-Bissau", images=(pictures["other"],)),
    }
    candidates = (Candidate("Q1", "Guinea", 0.8, 0.75), Candidate("Q2", "Guinea-Bissau", 0.5, 0.2))

    def example(name: str, gold: object, chosen: object, image: str | None = None, rank: float | None = None) -> LinkExample:
        mention = Mention(
            name, "Guinea", f"In {name}, Guinea won.", len(name) + 5, len(name) + 11, pictures[image] if image else None, gold
        )
        return LinkExample(mention, Link(name, chosen, 0.7, candidates), entities, rank)

    return {
        "right": example("right", "Q1", "Q1", "mention", 1),
        "right_nil": example("right_nil", NIL, NIL),
        "wrong_entity": example("wrong_entity", "Q2", "Q1", "broken", 2),
        "missed_nil": example("missed_nil", NIL, "Q2"),
        "false_nil": example("false_nil", "Q1", NIL),
        "open": example("open", None, "Q1"),
    }


def make_gates(means: list[float]) -> GateSummary:
    values = np.array(means, np.float32)
    return GateSummary(values, values, values, 3, 0, 4, 2)


@pytest.fixture
def full(examples: dict[str, LinkExample]) -> ReportData:
    before, after = metrics(1, 2, 3, 40), metrics(1, 1, 1, 2)
    return ReportData(
        title="Demo run",
        summary="What it was.",
        notice="Made-up data",
        facts={"KB": "2 entities"},
        command="pgmel quickstart",
        data={"split": "dev", "mentions": 12345},
        settings={"training.margin": 0.2, "training.max_steps": None, "linking.nil": True},
        versions={"numpy": "2.4"},
        systems=(SystemScores("zero-shot", before), SystemScores("trained", after)),
        comparison=compare_paired([1, 0, 0, 0], [1, 1, 1, 0], np.random.default_rng(0), resamples=99),
        seeds={"trained": aggregate_seeds([after, before])},
        modalities=(SystemScores("text only", before), SystemScores("fused", after)),
        slices=(SliceScores("seen", (before, after)), SliceScores("my own slice", (None, after))),
        ranks=(RankSeries("zero-shot", np.array([1, 2, 3, 40.0])), RankSeries("trained", np.array([1, 1, 1, 2.0]))),
        training=TrainingCurves(
            [{"step": 1, "loss": "0.5", "dev": ""}, {"step": 2, "loss": "0.3", "dev": ""}],
            charts=(CurveChart("hinge loss", {"loss": "loss"}),),
        ),
        nil=measure_nil([1, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 0], 100, 0.95, np.random.default_rng(0), threshold=0.4),
        nil_curve=nil_curve([0.1, 0.8, 0.3, 0.5], [1, 0, 0, 1]),
        reliability=measure_reliability([0.1, 0.8, 0.85], [False, True, False], np.random.default_rng(0)),
        reliability_note="Judged by cross-fitting.",
        gates={"mentions": make_gates([0.2, 0.4]), "entities": make_gates([])},
        pictures={"dev": FeatureReport.of_pictures(7, [PictureProblem("m1", Path("/data/a.png"), "missing", "the file does not exist")])},
        picture_root=Path("/data"),
        examples=(examples["right"], examples["right_nil"], examples["open"]),
        errors=(examples["wrong_entity"], examples["missed_nil"], examples["false_nil"]),
        notes=("Read with care.",),
    )


SECTIONS = {
    *("examples", "systems", "modalities", "slices", "ranks", "reliability", "nil", "gates", "training", "errors", "pictures", "run"),
}


def test_a_full_report_has_every_section_and_links_to_each(full: ReportData) -> None:
    page = Page(render_html_report(full))
    assert {attrs["id"] for attrs in page.all("section")} == SECTIONS
    assert {attrs["href"] for attrs in page.all("a")} >= {f"#{name}" for name in SECTIONS}
    for part in (
        "Demo run",
        "What it was.",
        "Made-up data",
        "2 entities",
        "pgmel quickstart",
        "12,345",
        "Read with care.",
        "hinge loss",
        "none",
        "Judged by cross-fitting.",
        "A gate of 1 takes a dimension from the text alone",
        "the file does not exist",
    ):
        assert part in page.text


def test_paths_of_pictures_are_shown_from_the_data_set_on(full: ReportData) -> None:
    page = Page(render_html_report(full))
    assert "a.png" in page.text
    assert "/data/a.png" not in page.text


def test_settings_that_differ_from_the_default_show_it(full: ReportData) -> None:
    data = replace(full, settings={"model": {"dim": 8, "hidden": 0}, "seed": 1}, defaults={"model": {"dim": 4, "hidden": 0}, "seed": 1})
    text = " ".join(Page(render_html_report(data)).text.split())
    assert "dim 8 (4)" in text.replace("dim8", "dim 8")
    assert "(0)" not in text
    assert "(1)" not in text


def test_text_that_no_file_can_hold_does_not_stop_the_report(tmp_path: Path) -> None:
    write_html_report(tmp_path / "report.html", ReportData(title="half a pair: \ud800", summary="\u202eright to left"))
    assert "half a pair: ?" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_empty_report_is_a_page_without_sections() -> None:
    page = Page(render_html_report(ReportData(title="Nothing yet")))
    assert list(page.all("section")) == []
    assert "Nothing yet" in page.text


@pytest.mark.parametrize(
    ("field", "section"),
    [
        ("examples", "examples"),
        ("modalities", "modalities"),
        ("slices", "slices"),
        ("ranks", "ranks"),
        ("training", "training"),
        ("reliability", "reliability"),
        ("gates", "gates"),
        ("pictures", "pictures"),
        ("errors", "errors"),
    ],
)
def test_a_section_without_data_is_left_out(full: ReportData, field: str, section: str) -> None:
    values = {name: getattr(full, name) for name in full.__slots__}
    values[field] = type(values[field])() if isinstance(values[field], tuple | dict) else None
    page = Page(render_html_report(ReportData(**values)))
    assert {attrs["id"] for attrs in page.all("section")} == SECTIONS - {section}
    assert f"#{section}" not in {attrs["href"] for attrs in page.all("a")}


def test_one_system_alone_is_reported_without_a_gain() -> None:
    page = Page(render_html_report(ReportData(title="t", systems=(SystemScores("trained", metrics(1, 2)),))))
    assert "against" not in page.text
    assert "0.500" in page.text


def test_nothing_is_loaded_from_elsewhere(full: ReportData) -> None:
    html = render_html_report(full)
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    assert all(attrs["src"].startswith("data:image/") for attrs in page.all("img"))
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", html)
    policy = next(attrs["content"] for attrs in page.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_all_text_is_escaped(pictures: dict[str, Path]) -> None:
    entities = {"Q1": Entity(EVIL, EVIL, description=EVIL, images=(pictures["gold"],))}
    mention = Mention(EVIL, EVIL, f"a {EVIL} b", 2, 2 + len(EVIL), pictures["mention"], "Q1")
    example = LinkExample(mention, Link(EVIL, "Q2", 0.5, (Candidate("Q1", EVIL, 0.5, 0.5),), (EVIL,)), entities, 1, EVIL, slices=(EVIL,))
    other = replace(example, slices=("seen",))
    system = SystemScores(EVIL, metrics(1, 2), EVIL)
    data = ReportData(
        title=EVIL,
        summary=EVIL,
        notice=EVIL,
        facts={EVIL: EVIL},
        command=EVIL,
        data={EVIL: [EVIL]},
        settings={EVIL: {EVIL: EVIL}},
        versions={EVIL: EVIL},
        systems=(system, system),
        seeds={EVIL: aggregate_seeds([metrics(1, 2)])},
        modalities=(system,),
        slices=(SliceScores(EVIL, (metrics(1), metrics(2))),),
        ranks=(RankSeries(EVIL, np.array([1.0, 2.0])),),
        defaults={EVIL: {EVIL: 0}},
        training=TrainingCurves(
            [{EVIL: 1, "step": 1, "phase": EVIL}, {EVIL: 2, "step": 2}],
            charts=(CurveChart(EVIL, {EVIL: EVIL}, EVIL, (EVIL, 1.0)), CurveChart(EVIL, {EVIL: EVIL, "step": EVIL * 2}, folded=True)),
            phases={EVIL: EVIL},
            faults=(EVIL,),
        ),
        reliability=measure_reliability([0.5, 0.9], [False, True], np.random.default_rng(0)),
        reliability_note=EVIL,
        pictures={EVIL: FeatureReport.of_pictures(1, [PictureProblem(EVIL, Path(EVIL), "missing", EVIL)])},
        examples_note=EVIL,
        error_sample=ErrorSample(3, 4, EVIL, {"wrong_entity": 3}),
        examples=(example,),
        errors=(example, other),
        notes=(EVIL,),
    )
    html = render_html_report(data)
    assert "<script" not in html
    page = Page(html)
    assert page.text.count("<script>alert('x')</script>") > 40
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_pictures_stand_inside_small_and_with_words(full: ReportData) -> None:
    images = list(Page(render_html_report(full)).all("img"))
    large = [image for image in images if image["alt"]]
    assert {image["alt"] for image in large} >= {"Picture of the mention Guinea", "Picture of Guinea", "Picture of Guinea-Bissau"}
    for image in images:
        content = base64.b64decode(image["src"].split(",", 1)[1])
        with Image.open(io.BytesIO(content)) as picture:
            assert max(picture.size) <= 320
            assert picture.size == (int(image["width"]), int(image["height"]))


def test_every_picture_button_and_table_has_a_name(full: ReportData) -> None:
    page = Page(render_html_report(full))
    assert all("alt" in attrs for attrs in page.all("img"))
    assert len(list(page.all("caption"))) == len(list(page.all("table"))) > 0
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in page.all("svg"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["aria-labelledby"] for attrs in page.all("section")} <= set(ids)
    assert [tag for tag, _ in page.tags if tag == "h1"] == ["h1"]


def test_the_report_is_written_to_a_new_folder(tmp_path: Path) -> None:
    write_html_report(tmp_path / "deep" / "report.html", ReportData(title="Ünïcode ✓"))
    assert "Ünïcode ✓" in (tmp_path / "deep" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["right", "right_nil", "wrong_entity", "missed_nil", "false_nil", "open"])
def test_a_case_is_judged_by_gold_and_answer(examples: dict[str, LinkExample], kind: str) -> None:
    example = examples[kind]
    case = view_case(example, Thumbnails())
    assert case.kind == kind
    assert len(case.answers) == (1 if kind in ("right", "right_nil", "open") else 2)
    assert example.is_right is {"right": True, "right_nil": True, "open": None}.get(kind, False)


def test_gold_and_answer_stand_side_by_side(examples: dict[str, LinkExample]) -> None:
    case = view_case(examples["wrong_entity"], Thumbnails())
    assert [(answer.role, answer.name) for answer in case.answers] == [("Linked to", "Guinea"), ("Gold", "Guinea-Bissau")]
    assert [(candidate.is_gold, candidate.is_chosen, candidate.width) for candidate in case.candidates] == [
        (False, True, 75.0),
        (True, False, 20.0),
    ]
    assert case.gold_rank == "2"


def test_an_unusable_picture_leaves_a_frame_that_says_why(examples: dict[str, LinkExample]) -> None:
    case = view_case(examples["wrong_entity"], Thumbnails())
    assert case.picture.uri == ""
    assert case.picture.reason == "picture unsupported"
    assert "HTML page" in case.picture.detail


def test_the_first_usable_picture_of_an_entity_is_shown(examples: dict[str, LinkExample]) -> None:
    assert view_case(examples["right"], Thumbnails()).answers[0].picture.uri.startswith("data:image/")


def test_a_picture_is_shrunk_once(pictures: dict[str, Path]) -> None:
    thumbnails = Thumbnails()
    first = thumbnails.make(pictures["gold"], 100)
    assert thumbnails.make(pictures["gold"], 100) is first
    assert (first.width, first.height) == (100, 50)


@pytest.mark.parametrize(
    ("context", "span", "expected"),
    [
        ("In Guinea today", (3, 9), ("In ", "Guinea", " today")),
        ("In GUINEA today", (None, None), ("In ", "GUINEA", " today")),
        ("In Guinea today", (3, 99), ("In ", "Guinea", " today")),
        ("Elsewhere", (None, None), ("", "Guinea", " · Elsewhere")),
        ("", (None, None), ("", "Guinea", "")),
    ],
)
def test_the_surface_is_found_in_its_sentence(context: str, span: tuple, expected: tuple) -> None:
    case = view_case(LinkExample(Mention("m", "Guinea", context, *span), Link("m", NIL, None), {}), Thumbnails())
    assert (case.before, case.surface, case.after) == expected


def test_long_sentences_are_shortened_around_the_surface() -> None:
    context = "left " * 200 + "Guinea" + " right" * 200
    case = view_case(LinkExample(Mention("m", "Guinea", context, 1000, 1006), Link("m", NIL, None), {}), Thumbnails())
    assert case.surface == "Guinea"
    assert case.before.startswith("…left")
    assert case.after.endswith("right…")
    assert len(case.before + case.after) < 400


def test_candidates_without_probability_show_their_score() -> None:
    link = Link("m", "Q1", None, (Candidate("Q1", "x", 0.456), Candidate("Q2", "y", -0.3)))
    case = view_case(LinkExample(Mention("m", "x"), link, {}), Thumbnails())
    assert [(candidate.value, candidate.width) for candidate in case.candidates] == [("score 0.46", 45.6), ("score -0.30", 0.0)]


def test_ranks_fall_into_buckets_and_half_ranks_are_no_hits() -> None:
    view = view_ranks([RankSeries("s", np.array([1, 1.5, 2, 3, 5, 6, 31, 1e6]))])
    assert [(label, shares[0]) for label, shares in view.rows] == [
        ("1", "12.5%"),
        ("2", "25.0%"),
        ("3", "12.5%"),
        ("4-5", "12.5%"),
        ("6-10", "12.5%"),
        ("11-30", "0.0%"),
        ("31-100", "12.5%"),
        (">100", "12.5%"),
    ]


def test_no_ranks_give_no_chart() -> None:
    assert view_ranks([RankSeries("s", np.empty(0))]) is None


@pytest.mark.parametrize(
    "chart",
    [
        line_chart([Line("<a>", [1, 10, 1000], [0.1, 0.5, 0.9])], Axis("<k>", log=True), Axis("<y>", 0, 1), '<"s">', marker=5.0),
        line_chart([Line("one", [3.0], [4.0])], Axis("x"), Axis("y"), "one point"),
        line_chart([Line("flat", [1, 2], [5, 5])], Axis("x"), Axis("y"), "flat"),
        column_chart(["<1>", "2"], [[0.5, 0.0], [0.2, 0.001]], Axis("share", high=1.0), "rank", "columns"),
    ],
)
def test_charts_are_well_formed_and_stay_inside(chart: str) -> None:
    root = ElementTree.fromstring(str(chart))
    numbers = [float(value) for node in root.iter() for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy") if (value := node.get(name))]
    numbers += [float(value) for node in root.iter() for value in re.split("[ ,]", node.get("points") or "") if value]
    assert numbers
    assert all(0 <= value <= 360 for value in numbers)


def test_a_higher_value_is_drawn_higher_and_a_larger_bar_is_taller() -> None:
    root = ElementTree.fromstring(str(line_chart([Line("a", [0, 1], [0.2, 0.8])], Axis("x"), Axis("y"), "s")))
    first, second = (pair.split(",") for pair in next(root.iter("polyline")).get("points").split(" "))
    assert float(first[0]) < float(second[0])
    assert float(first[1]) > float(second[1])
    root = ElementTree.fromstring(str(column_chart(["a", "b"], [[0.2, 0.8]], Axis("share", high=1.0), "x", "s")))
    low, high = (float(bar.get("height")) for bar in root.iter("rect"))
    assert high == pytest.approx(4 * low, rel=0.01)


def test_bars_carry_their_interval_as_a_whisker() -> None:
    view = view_bar(metrics(1, 1, 2, 2).h_at_1)
    assert view.width == 50.0
    assert view.whisker_left + view.whisker_width <= 100
    assert view.range.endswith("to 1.000")
