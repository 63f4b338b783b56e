"""A comparison as Markdown, CSV, HTML and SVG."""

import csv
import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser

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
    head, _, *rows = table_rows(render_markdown(COMPARISON), "system | First H@1")
    assert head == ["system", "First H@1", "First MRR", "Second H@1", "Second MRR", "mean H@1", "mean MRR"]
    assert rows[1][1] == "0.700 [0.690, 0.710]"
    fixed = [*["0.600 [0.590, 0.610] ▼"] * 2, *["0.800 [0.790, 0.810]"] * 2, *["0.700 [0.690, 0.710] ▼"] * 2]
    assert rows[2] == [r"fixed: worse \| one", *fixed]
    assert rows[3][1:] == ["0.900 [0.890, 0.910] ▲"] * 2 + [""] * 4


def test_markdown_tells_tests_family_flags_cautions_and_published_rows() -> None:
    text = render_markdown(COMPARISON)
    assert "| fixed: better | +0.2000 [+0.1800, +0.2200], p 0.0003, Holm 0.0010 ▲ |" in text
    published = "| MIMIC | WikiMEL | 0.880 | not available |"
    for part in ("all 10 comparisons", "better on First: another budget on purpose", "> one run <failed>", published):
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
    [row] = [row for row in table_rows(render_markdown(plain), "system | First H@1") if row[0] == "x"]
    assert row[1] == "0.600 [0.590, 0.610]"
