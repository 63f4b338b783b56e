"""The error browser of the report: filters, cards, and odd text."""

import re
from dataclasses import replace

import pytest

from pgmel import NIL, Candidate, Entity, Link, Mention
from pgmel.evaluation import ErrorSample, LinkExample, ReportData, render_html_report
from pgmel.evaluation.report_cases import view_case
from pgmel.evaluation.report_errors import ErrorBrowser, view_errors
from pgmel.evaluation.report_pictures import Thumbnails

ENTITIES = {"Q1": Entity("Q1", "Guinea", description="capital Conakry"), "Q2": Entity("Q2", "Papua New Guinea")}
CANDIDATES = (Candidate("Q1", "Guinea", 0.8, 0.75), Candidate("Q2", "Papua New Guinea", 0.5, 0.2))


def wrong(gold: object = "Q2", chosen: object = "Q1", rank: float | None = 2, slices: tuple[str, ...] = ()) -> LinkExample:
    mention = Mention("m", "Guinea", "In Guinea.", 3, 9, None, gold)
    return LinkExample(mention, Link("m", chosen, 0.75, CANDIDATES), ENTITIES, rank, slices=slices)


def browse(*examples: LinkExample) -> ErrorBrowser:
    browser = view_errors(examples, None, Thumbnails())
    assert browser is not None
    return browser


def kept(browser: ErrorBrowser, label: str) -> list[int]:
    """Return which errors stay when the button of that label is pressed, by the rules of the style sheet."""
    [option] = [option for one in browser.filters for option in one.options if option.label == label]
    rule = re.search(rf"\.browser:has\(#{option.id}:checked\) \.error:not\(\.([\w-]+)\) {{ display: none; }}", str(browser.style))
    assert rule is not None
    return [place for place, error in enumerate(browser.errors) if rule[1] in error.classes.split()]


EXAMPLES = (
    wrong(slices=("seen", "ambiguous"), rank=1.5),
    wrong(gold=NIL, rank=None),
    wrong(chosen=NIL, rank=1, slices=("unseen", "ambiguous")),
    wrong(rank=400, slices=("unseen", "my own slice")),
)


@pytest.mark.parametrize(
    ("label", "places"),
    [
        ("Wrong entity", [0, 3]),
        ("Should be none of the KB", [1]),
        ("Answered none, the KB has it", [2]),
        ("gold not seen in training", [2, 3]),
        ("ambiguous surface", [0, 2]),
        ("my own slice", [3]),
        ("first", [2]),
        ("2 to 3", [0]),
        ("beyond 10", [3]),
    ],
)
def test_each_button_keeps_its_errors(label: str, places: list[int]) -> None:
    browser = browse(*EXAMPLES)
    assert kept(browser, label) == places
    [option] = [option for one in browser.filters for option in one.options if option.label == label]
    assert option.count == len(places)


def test_buttons_stand_in_the_order_of_their_tables() -> None:
    labels = {one.legend: [option.label for option in one.options] for one in browse(*reversed(EXAMPLES)).filters}
    assert labels["Kind of error"] == ["Wrong entity", "Should be none of the KB", "Answered none, the KB has it"]
    assert labels["Slice"] == ["gold seen in training", "gold not seen in training", "ambiguous surface", "my own slice"]
    assert labels["Rank of the gold entity"] == ["first", "2 to 3", "beyond 10"]


def test_a_filter_that_tells_nothing_apart_is_left_out() -> None:
    browser = browse(wrong(slices=("seen",)), wrong(slices=("seen",)))
    assert browser.filters == ()
    assert str(browser.style) == ""


def test_rules_stand_in_the_page_and_nothing_of_the_data_is_in_them() -> None:
    evil = "</style><script>alert(1)</script>"
    html = render_html_report(ReportData(title="t", errors=(wrong(slices=(evil,)), wrong(slices=("seen",)))))
    style = html[html.index("<style>") : html.index("</style>")]
    assert ":has(#slice-0:checked)" in style
    assert ":has(#slice-1:checked)" in style
    assert "<script" not in html


def test_the_page_says_how_many_errors_there_are_in_all() -> None:
    sample = ErrorSample(4321, 9000, "The worst first.", {"wrong_entity": 4000, "missed_nil": 321})
    html = render_html_report(ReportData(title="t", errors=EXAMPLES, error_sample=sample))
    assert "4,321 of 9,000 mentions were answered wrongly; 4 of them are shown" in html
    assert "4,000 “wrong entity”; 321 “should be none of the KB”" in html
    assert "The worst first." in html


def test_no_error_at_all_is_said_too() -> None:
    html = render_html_report(ReportData(title="t", error_sample=ErrorSample(0, 30)))
    assert "0 of 30 mentions were answered wrongly" in html
    assert "Open one" not in html
    assert view_errors((), None, Thumbnails()) is None


def test_gold_and_answer_carry_score_and_probability() -> None:
    case = view_case(wrong(), Thumbnails())
    assert [answer.value for answer in case.answers] == ["score 0.800, probability 75%", "score 0.500, probability 20%"]
    assert case.sure == "75%"
    far = replace(wrong(), link=Link("m", "Q1", 0.75, CANDIDATES[:1]), gold_score=0.123)
    assert view_case(far, Thumbnails()).answers[1].value == "score 0.123"
    assert view_case(replace(far, gold_score=None), Thumbnails()).answers[1].value == ""
    assert view_case(wrong(gold="Q1", chosen=NIL), Thumbnails()).answers[0].value == "probability 75%"


@pytest.mark.parametrize(
    ("context", "span", "expected"),
    [
        ("In Guinea.", (3, 9), "In Guinea."),
        ("Guinea", (0, 6), ""),
        ("left " * 99 + "Guinea" + " right" * 99, (495, 501), "…" + "left " * 11 + "Guinea" + " right" * 10 + "…"),
    ],
)
def test_a_list_shows_the_surface_in_one_line(context: str, span: tuple[int, int], expected: str) -> None:
    mention = Mention("m", "Guinea", context, *span, None, "Q2")
    assert view_case(LinkExample(mention, Link("m", NIL, None), ENTITIES), Thumbnails()).glimpse == expected


def test_endless_surfaces_names_and_descriptions_are_shortened() -> None:
    entities = {"Q1": Entity("Q1", "name " * 1000, description="words " * 1000), "Q2": Entity("Q2", "x" * 9000)}
    mention = Mention("m", "surface " * 1000, "", None, None, None, "Q2")
    case = view_case(LinkExample(mention, Link("m", "Q1", 0.5, (Candidate("Q1", "name " * 1000, 0.5, 0.5),)), entities), Thumbnails())
    texts = [case.surface, case.candidates[0].name, *(text for answer in case.answers for text in (answer.name, answer.description))]
    assert max(map(len, texts)) < 400
    assert case.surface.endswith("…")


def test_text_of_any_direction_is_kept_to_its_place() -> None:
    name = "غينيا \u202e reversed"
    entities = {"Q1": Entity("Q1", name, description=name), "Q2": ENTITIES["Q2"]}
    mention = Mention("m", "غينيا", "عاد فريقنا من غينيا أمس", 13, 18, None, "Q2")
    example = LinkExample(mention, Link("m", "Q1", 0.5, (Candidate("Q1", name, 0.5, 0.5),)), entities)
    html = render_html_report(ReportData(title="t", errors=(example,)))
    assert '<blockquote dir="auto">عاد فريقنا من' in html.replace("\n", "")
    for place in re.finditer(re.escape(name), html):
        before = html[: place.start()]
        assert before.endswith(("<bdi>", 'dir="auto">', 'title="')), before[-60:]
