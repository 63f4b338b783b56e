"""The page of a comparison in a real browser: what is seen at the width of a phone, a laptop and a desktop."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from browsing import WAIT_MS, chromium

from pgmel.evaluation import Comparison, ComparisonCell, ComparisonRow, ComparisonTable, Difference, Interval, render_comparison_page

LABELS = ("generator (ours)", "hardest of the pool (DNS)", "nearest neighbours, refreshed (ANCE)", "TF-IDF of attributes (GHMFC)")
DATA = {name: name for name in ("WikiMEL", "RichpediaMEL", "WikiDiverse", "emoji")}

pytestmark = pytest.mark.slow


def cell(value: float) -> ComparisonCell:
    scores = {metric: Interval(value, value - 0.005, value + 0.005) for metric in ("h_at_1", "mrr")}
    found = {metric: Difference(Interval(-0.011, -0.021, -0.001), 0.001, 0.01) for metric in scores}
    return ComparisonCell(scores, dict.fromkeys(scores, (value, value)), (0, 1), found, 120.5, 568, 4, 2627, ("a note",), 118.2)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    rows = [ComparisonRow(str(number), label, "", dict.fromkeys(DATA, cell(0.9)), cell(0.85)) for number, label in enumerate(LABELS)]
    rows[0] = replace(rows[0], cells={name: replace(one, differences={}) for name, one in rows[0].cells.items()}, mean=cell(0.85))
    table = ComparisonTable("updates", "Equal updates", "As many updates.", tuple(rows), 30, "all")
    return Comparison("Ways", "Which?", "dev", "0", LABELS[0], DATA, (table,))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture(params=[390, 1280, 1920])
def page(request: pytest.FixtureRequest, browser: Any, comparison: Comparison) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": request.param, "height": 900})
    opened.set_default_timeout(WAIT_MS)
    opened.set_content(render_comparison_page(comparison))
    yield opened
    opened.close()


def boxes(page: Any, selector: str) -> list[dict[str, float]]:
    found: list[dict[str, float]] = page.eval_on_selector_all(selector, "nodes => nodes.map(node => node.getBoundingClientRect().toJSON())")
    return found


def test_the_mean_is_seen_at_every_width_and_all_columns_where_there_is_room(page: Any) -> None:
    width = page.viewport_size["width"]
    [area] = boxes(page, "#updates .scroll:has(+ details)")
    means = boxes(page, "#updates tbody tr:nth-child(2) td:nth-of-type(-n+2)")[:2]
    assert all(area["left"] <= box["left"] and box["right"] <= area["right"] for box in means)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    fits = page.eval_on_selector("#updates .scroll", "node => node.scrollWidth <= node.clientWidth")
    assert fits == (width >= 1280)
    assert page.locator("#updates .sideways").first.is_visible() == (width == 390)


def test_the_names_stay_where_the_table_is_scrolled(page: Any) -> None:
    before = boxes(page, "#updates th.name")[0]["left"]
    page.eval_on_selector("#updates .scroll", "node => { node.scrollLeft = 200; }")
    assert boxes(page, "#updates th.name")[0]["left"] == before
    assert boxes(page, "#updates thead tr:nth-child(2) th:first-child")[0]["left"] == before


def test_names_beside_intervals_lie_within_their_chart(page: Any) -> None:
    charts = boxes(page, "#updates figure svg.chart")
    assert len(charts) == 5
    names = page.eval_on_selector_all(
        "#updates figure svg.chart",
        "charts => charts.map(chart => [...chart.querySelectorAll('text.name')].map(name => name.getBoundingClientRect().left))",
    )
    for chart, lefts in zip(charts, names, strict=True):
        assert min(lefts) >= chart["left"]
    assert "…" not in page.inner_text("main")
