"""A comparison as Markdown, CSV, HTML and SVG."""

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from pgmel.evaluation import (
    Comparison,
    ComparisonCell,
    ComparisonRow,
    ComparisonTable,
    CurveSeries,
    Difference,
    Interval,
    PublishedFigures,
    render_comparison_page,
    render_csv,
    render_curves,
    render_markdown,
)
from pgmel.evaluation.comparison_charts import forest_panels


def cell(value: float, difference: float | None = None, p: float = 0.5, **more: object) -> ComparisonCell:
    scores = {
        metric: Interval(value, value - 0.01, value + 0.01) for metric in ("h_at_1", "h_at_3", "h_at_5", "h_at_10", "mrr", "mean_rank")
    }
    runs = dict.fromkeys(scores, (value, value))
    found = (
        {}
        if difference is None
        else {m: Difference(Interval(difference, difference - 0.02, difference + 0.02), p / 4, p) for m in ("h_at_1", "mrr")}
    )
    return ComparisonCell(scores, runs, (0, 1), found, seconds=12.5, updates=110, epochs=5, num_mentions=40, **more)  # type: ignore[arg-type]


ROWS = (
    ComparisonRow("", "untrained", "", {"d": cell(0.4), "e": cell(0.5)}, cell(0.45)),
    ComparisonRow("ref", "reference <system>", "", {"d": cell(0.7), "e": cell(0.8)}, cell(0.75)),
    ComparisonRow("worse", "worse | one", "fixed", {"d": cell(0.6, -0.1, 0.01), "e": cell(0.8, 0.0)}, cell(0.7, -0.05, 0.04)),
    ComparisonRow("better", "better", "fixed", {"d": cell(0.9, 0.2, 0.001, flags=("another budget on purpose: 9 epochs",))}),
)
CURVES = tuple(
    CurveSeries("d", row.system, row.label, row.group, (0, 50, 110), (0, 5, 12), (0.4, 0.5, 0.6), (0.4, 0.6, 0.7)) for row in ROWS[1:]
)
COMPARISON = Comparison(
    title="A & B",
    summary="Which is best?",
    split="dev",
    reference="ref",
    reference_label="reference <system>",
    data={"d": "First", "e": "Second"},
    tables=(ComparisonTable("updates", "Equal updates", "As many updates.", ROWS, 10, "all 10 comparisons"),),
    curves=CURVES,
    published=(PublishedFigures("MIMIC", "WikiMEL", 0.8798, None, "whole KB", "its paper", "Nothing"),),
    progress="8 of 9 runs finished",
    notes=("Seeds are averaged.",),
    cautions=("one run <failed>",),
    facts={"pgmel": "1"},
)


def table_rows(text: str, head: str) -> list[list[str]]:
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {head}"))
    block = [line for line in lines[start:] if line.startswith("|") or not line][: lines[start:].index("")]
    return [[part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block]


def test_markdown_shows_means_intervals_and_marks() -> None:
    head, _, *rows = table_rows(render_markdown(COMPARISON), "system | mean H@1")
    assert head == ["system", "mean H@1", "mean MRR", "First H@1", "First MRR", "Second H@1", "Second MRR"]
    assert rows[1][3] == "0.700 [0.690, 0.710]"
    fixed = [*["0.700 [0.690, 0.710] ▼"] * 2, *["0.600 [0.590, 0.610] ▼"] * 2, *["0.800 [0.790, 0.810]"] * 2]
    assert rows[2] == [r"fixed: worse \| one", *fixed]
    assert rows[3][1:] == [""] * 2 + ["0.900 [0.890, 0.910] ▲ †"] * 2 + [""] * 2


def test_markdown_tells_tests_family_flags_cautions_and_published_rows() -> None:
    text = render_markdown(COMPARISON)
    assert "| fixed: better |  | +0.2000 [+0.1800, +0.2200], p 0.0003, Holm 0.0010 ▲ |" in text
    published = "| MIMIC | WikiMEL | 0.8798 | not available |"
    for part in ("all 10 comparisons", "- † better on First: another budget on purpose", "> one run <failed>", published):
        assert part in text, part


def test_the_csv_has_a_row_for_each_system_and_data_set_and_for_the_mean() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(COMPARISON))))
    assert [(row["data"], row["system"]) for row in rows if row["system"] == "worse"] == [("d", "worse"), ("e", "worse"), ("mean", "worse")]
    [row] = [row for row in rows if (row["data"], row["system"]) == ("d", "better")]
    assert (row["h_at_1"], row["mrr_difference_low"], row["mrr_p_holm"], row["training_s"]) == ("0.9", "0.18", "0.001", "12.5")
    assert row["h_at_1_by_seed"] == "0.900000 0.900000"


class Reader(HTMLParser):
    """Collects what a page loads, and checks that its elements are closed."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")]
        assert tag != "script"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read_page(comparison: Comparison) -> Reader:
    reader = Reader()
    reader.feed(render_comparison_page(comparison))
    return reader


def test_the_page_is_whole_escaped_and_loads_nothing() -> None:
    reader = read_page(COMPARISON)
    assert reader.open == []
    assert reader.loaded == []
    for part in ("A & B", "reference <system>", "one run <failed>", "All 10 tests", "not available", "better on First: another budget"):
        assert part in reader.text, part


def test_the_best_of_a_column_is_marked() -> None:
    found = re.findall(r'<td class="[^"]*best">([\d.]+)', render_comparison_page(COMPARISON))
    # of First, of Second (the reference and another tie: one of them), and of the mean
    assert sorted(found) == ["0.750", "0.750", "0.800", "0.800", "0.900", "0.900"]


def test_a_page_without_finished_runs_says_so() -> None:
    empty = replace(COMPARISON, tables=(replace(COMPARISON.tables[0], rows=(), num_comparisons=0),), curves=())
    assert read_page(empty).open == []
    assert "no finished run yet" in render_curves(empty)


def test_curves_are_one_picture_with_a_legend_per_panel() -> None:
    text = render_curves(COMPARISON)
    root = ElementTree.fromstring(text)
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 3 * 4  # three systems; two metrics over updates and seconds
    assert sum("c0" in element.get("class", "") for element in lines) == 4
    assert [element.text for element in root.iter() if element.get("class") == "key"] == ["reference <system>", "worse | one", "better"]
    assert "prefers-color-scheme: dark" in text


def test_the_reference_is_in_every_group_s_panel() -> None:
    other = replace(CURVES[2], group="learned")
    root = ElementTree.fromstring(render_curves(replace(COMPARISON, curves=(*CURVES[:2], other))))
    panels = [element.text for element in root.iter() if element.get("class") == "panel"]
    assert panels == ["First: fixed", "First: learned"]


@pytest.mark.parametrize("p", [0.05, 0.2])
def test_what_does_not_differ_has_no_mark(p: float) -> None:
    rows = (ROWS[1], ComparisonRow("x", "x", "", {"d": cell(0.6, -0.1, p)}))
    plain = replace(COMPARISON, tables=(replace(COMPARISON.tables[0], rows=rows),))
    [row] = [row for row in table_rows(render_markdown(plain), "system | mean H@1") if row[0] == "x"]
    assert row[3] == "0.600 [0.590, 0.610]"


def with_rows(*rows: ComparisonRow) -> Comparison:
    return replace(COMPARISON, tables=(replace(COMPARISON.tables[0], rows=rows),))


def test_a_note_on_a_figure_is_marked_at_the_figure_told_below_and_in_the_csv() -> None:
    flag = "kept from pretraining in 3 of 3 seeds"
    noted = with_rows(
        ROWS[1], ComparisonRow("x", "x", "", {"d": cell(0.6), "e": cell(0.7, flags=(flag,))}, cell(0.65, flags=("averages",)))
    )
    text = render_markdown(noted)
    [row] = [row for row in table_rows(text, "system | mean H@1") if row[0] == "x"]
    assert [part.endswith("†") for part in row[1:]] == [True, True, False, False, True, True]
    assert f"- † x on Second: {flag}" in text
    assert "- † x on the mean over data sets: averages" in text
    page = render_comparison_page(noted)
    assert f'0.700<a class="noted" href="#notes-updates" title="{flag}">†</a>' in page
    assert 'id="notes-updates"' in page
    assert f"<li>x on Second: {flag}</li>" in page
    flags = {(line["system"], line["data"]): line["flags"] for line in csv.DictReader(io.StringIO(render_csv(noted)))}
    assert flags["x", "e"] == flag
    assert flags["x", "d"] == ""


def test_costs_show_processor_seconds_where_they_were_measured_and_caution_where_the_machine_was_busy() -> None:
    busy = cell(0.6, processor_s=6.25, cost_flags=("the machine was busy",))
    measured = with_rows(ROWS[1], ComparisonRow("x", "x", "", {"d": busy, "e": cell(0.7)}, cell(0.65)))
    text = render_markdown(measured)
    head, _, *rows = table_rows(text, "system | First: training s")
    assert head[1:5] == ["First: training s", "First: processor s", "First: updates", "First: epochs"]
    assert rows[1] == ["x", "12.5 †", "6.2", "110", "5", "12.5", "", "110", "5"]
    assert text.index("### Cost") < text.index("- † x on First: the machine was busy")
    assert "†" not in "".join(part for row in table_rows(text, "system | mean H@1") for part in row)
    page = render_comparison_page(measured)
    assert '12.5<a class="noted" href="#cost-notes-updates"' in page
    assert "<li>† x on First: the machine was busy</li>" in page
    [row] = [row for row in csv.DictReader(io.StringIO(render_csv(measured))) if (row["system"], row["data"]) == ("x", "d")]
    assert (row["processor_s"], row["flags"]) == ("6.25", "the machine was busy")


@pytest.mark.parametrize(("seeds", "said"), [((0,), False), ((0, 1), True)])
def test_one_seed_has_no_interval_over_seeds_to_speak_of(seeds: tuple[int, ...], said: bool) -> None:
    rows = [ComparisonRow(row.system, row.label, "", {"d": replace(row.cells["d"], seeds=seeds)}) for row in ROWS]
    for text in (render_markdown(with_rows(*rows)), render_comparison_page(with_rows(*rows))):
        assert ("95% t interval over the seeds" in text) == said
        assert ("Figures of one seed" in text) != said


def test_the_mean_comes_first() -> None:
    page = render_comparison_page(COMPARISON)
    scores = page[page.index('<table class="scores"') :]
    assert scores.index("mean over data sets") < scores.index(">First<")
    assert scores.index('<td class="first best">0.750') < scores.index('<td class="first">0.700')
    assert [panel.title for panel in forest_panels(COMPARISON, COMPARISON.tables[0])] == ["mean over data sets", "First", "Second"]


def test_long_names_go_on_below_instead_of_being_cut() -> None:
    label = "nearest neighbours, refreshed at every epoch, in the whole knowledge base"
    rows = (ComparisonRow("x", label, "", {"d": cell(0.6, 0.1)}), *ROWS[2:])
    panels = forest_panels(COMPARISON, replace(COMPARISON.tables[0], rows=rows))
    [chart] = [panel.chart for panel in panels if panel.title == "First"]
    root = ElementTree.fromstring(str(chart))
    lines = [(float(line.get("y") or 0), line.text or "") for line in root.iter("text") if line.get("class") == "name"]
    assert " ".join(text for _, text in lines[:-2]) == label
    assert [text for _, text in lines[-2:]] == ["worse | one", "better"]
    assert all(later - earlier >= 12 for (earlier, _), (later, _) in pairwise(lines))
    assert lines[-1][0] < float((root.get("viewBox") or "").split()[-1]) - 20
