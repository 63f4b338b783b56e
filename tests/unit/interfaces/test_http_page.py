"""The web page in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import WAIT_MS, chromium
from serving import Client, serving
from toy_bundle import make_decision, toy_entities, write_toy_bundle

from pgmel.interfaces.http import create_app
from pgmel.linking import Linker

EVIL = "<img src=x onerror=document.title='evil'>"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(linker: Linker) -> Iterator[Client]:
    with serving(create_app(linker)) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Any, client: Client) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    opened.set_default_timeout(WAIT_MS)
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith((client.address, "blob:")) else None)
    opened.goto(client.address)
    yield opened
    opened.close()
    assert complaints == [], "the page breaks its security policy, or asks elsewhere"


def names(page: Any) -> list[str]:
    page.wait_for_selector(".candidate")
    return list(page.locator(".candidate h3").all_text_contents())


def test_a_proposal_is_linked_with_one_press(page: Any) -> None:
    page.fill("#text", "Yesterday we came back from the Virgin Islands. The flag of Georgia!")
    assert page.locator("#proposals button").all_text_contents() == ["Virgin Islands", "Georgia"]
    page.get_by_role("button", name="Georgia").click()
    assert names(page)[0] == "Georgia"
    assert "means" in page.locator("#verdict").text_content()
    assert page.locator(".chosen .tag").text_content() == "linked"
    assert page.locator(".chosen .why").text_content().endswith("name matches exactly")
    score = re.findall(r"score (0\.\d{3})", page.locator(".chosen .why").text_content())[0]
    assert page.locator(".chosen").text_content().count(score) == 1, "a score is shown once"
    page.wait_for_selector(".chosen img.thumb")


def test_words_are_marked_and_linked_by_keyboard_alone(page: Any) -> None:
    page.focus("#text")
    page.keyboard.type("😀 in congo")
    for _ in range(5):
        page.keyboard.press("Shift+ArrowLeft")
    assert page.locator("#mention mark").text_content() == "congo"
    page.keyboard.press("Control+Enter")
    assert names(page)[0] == "Congo"
    assert page.locator("#warnings li").count() == 0, "the offsets count code points"


def test_unsure_and_nil_are_told_apart_and_explained(page: Any, linker: Linker, monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> str:
        page.fill("#text", "Nobody knows Xqzwk.")
        page.get_by_role("button", name="Xqzwk").click()
        page.wait_for_selector(".nil")
        assert page.locator(".chosen").count() == 0
        return str(page.locator("#verdict").text_content())

    unsure = told()
    assert "Unsure: not linked" in unsure
    assert "below the threshold of 50.0\u00a0%" in unsure
    monkeypatch.setattr(linker, "decision", make_decision(threshold=None))
    page.reload()
    assert "This model links nothing" in told()
    monkeypatch.setattr(linker, "_stated", make_decision(nil_threshold=0.01))
    page.reload()
    nil = told()
    assert "NIL: no entity of the knowledge base" in nil
    assert "threshold" not in nil


def test_an_answer_that_is_rather_wrong_than_right_is_no_certainty(page: Any, linker: Linker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linker, "decision", make_decision(threshold=0.0))
    page.fill("#text", "Nobody knows Xqzwk.")
    page.get_by_role("button", name="Xqzwk").click()
    page.wait_for_selector(".doubtful")
    assert "may mean" in page.locator("#verdict").text_content()


def test_further_candidates_are_shown_on_request(page: Any) -> None:
    page.fill("#text", "Congo")
    page.get_by_role("button", name="Congo").click()
    assert len(names(page)) == 5
    page.get_by_role("button", name="Show 5 more").press("Enter")
    assert len(names(page)) == 10
    assert page.evaluate("document.activeElement.matches('.candidate:nth-child(6)')")
    assert not page.locator("#others").is_visible()


def test_numbers_are_written_one_way(page: Any) -> None:
    written = page.evaluate("[-0.5, -0.0001, 0, 0.0004, 0.12345].flatMap(v => [figures.plain(v), figures.signed(v)])")
    assert written == ["\u22120.500", "\u22120.500", *["0.000"] * 6, "0.123", "+0.123"]
    assert page.evaluate("[0.0001, 0.5, 0.99999, 1].map(figures.percent)") == [
        "<\u00a00.1\u00a0%",
        "50.0\u00a0%",
        ">\u00a099.9\u00a0%",
        "100.0\u00a0%",
    ]
    for name in ("page.js", "results.js", "why.js"):
        assert "toFixed" not in page.request.get(f"{page.url}static/{name}").text()


def test_a_model_without_pictures_asks_for_none(browser: Any, tmp_path: Path) -> None:
    with Linker.load(write_toy_bundle(tmp_path / "bundle", None, image_encoder="none")) as blind, serving(create_app(blind)) as made:
        opened = browser.new_page()
        opened.set_default_timeout(WAIT_MS)
        opened.goto(made.address)
        opened.get_by_text("This model reads no pictures").wait_for()
        assert not opened.locator("#pictures").is_visible()
        opened.fill("#text", "Congo")
        opened.get_by_role("button", name="Congo").click()
        assert names(opened)[0] == "Congo"
        shown = opened.locator(".candidate").first.text_content()
        assert len(re.findall(r"[01]\.\d{3}", shown)) == 1, "without probabilities too the score is shown once"
        opened.close()


def test_a_picture_alone_is_linked(page: Any, tmp_path: Path) -> None:
    toy_entities(tmp_path)
    page.set_input_files("#picture", tmp_path / "3.png")
    page.click("#link")
    assert names(page)[0] == "Samoa"
    page.click("#remove")
    assert not page.locator("#preview").is_visible()


def test_what_users_and_knowledge_bases_write_is_text(page: Any) -> None:
    page.fill("#text", f"{EVIL} Congo")
    page.evaluate("document.getElementById('text').select()")
    page.click("#link")
    page.wait_for_selector(".verdict")
    assert page.locator("#verdict mark").text_content() == f"{EVIL} Congo"
    assert page.locator("#verdict img, #mention img, #shade img").count() == 0
    assert page.title() != "evil"


def test_a_score_is_explained_when_asked(page: Any, tmp_path: Path) -> None:
    toy_entities(tmp_path)
    page.fill("#text", "😀 The flag of Samoa <b>")
    page.set_input_files("#picture", tmp_path / "3.png")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Samoa").click()
    assert names(page)[0] == "Samoa"
    page.locator(".candidate", has_text="Samoa").first.get_by_text("Why this score?").click()
    panel = page.locator(".candidate").first.locator(".explained")
    panel.locator(".parts").wait_for()
    numbers = [float(text.replace("\u2212", "-")) for text in panel.locator(".kind .number").all_text_contents()]
    assert sum(numbers[:-1]) == pytest.approx(numbers[-1], abs=0.002)
    assert panel.locator(".kind th").all_text_contents() == ["Spelling", "Picture", "Sum: score"]
    assert panel.locator(".sentence").text_content() == "😀 The flag of Samoa <b>"
    assert panel.locator("b.word").all_text_contents() == ["Samoa"]
    assert "\u201cSamoa\u201d" in panel.locator("p.hint", has_text="Speak for it").text_content()
    assert panel.locator(".grid i").count() == 9
    assert panel.locator(".seen img").evaluate("image => image.naturalWidth") == 48
    page.locator(".candidate").nth(1).get_by_text("Why this score?").click()
    page.locator(".candidate").nth(1).locator(".parts").wait_for()
    assert len(asked) == 2, "one explanation serves all candidates"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1300])
def test_explanations_fit_their_window(page: Any, width: int, scheme: str, tmp_path: Path) -> None:
    toy_entities(tmp_path)
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.fill("#text", f"Congo {'x' * 300}")
    page.set_input_files("#picture", tmp_path / "3.png")
    page.get_by_role("button", name="Congo", exact=True).click()
    names(page)
    page.get_by_text("Why this score?").first.press("Enter")
    page.locator(".parts").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_nothing_marked_is_told(page: Any) -> None:
    page.click("#link")
    assert "No words are marked" in page.locator("#problem").text_content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1300])
def test_the_page_fits_its_window(page: Any, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.fill("#text", f"Congo {'x' * 300}")
    page.get_by_role("button", name="Congo", exact=True).click()
    names(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 32)"
    assert dark == (scheme == "dark")


def test_every_control_has_a_name(page: Any) -> None:
    page.fill("#text", "Congo")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, textarea, a')].filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') "
        "|| (e.labels && e.labels.length))).map(e => e.outerHTML)"
    )
    assert unnamed == []


def test_the_token_is_asked_and_sent(browser: Any, linker: Linker) -> None:
    with serving(create_app(linker, token="open-sesame")) as guarded:
        opened = browser.new_page()
        opened.set_default_timeout(WAIT_MS)
        opened.goto(guarded.address)
        opened.fill("#token", "open-sesame")
        opened.fill("#text", "Congo")
        opened.get_by_role("button", name="Congo").click()
        assert names(opened)[0] == "Congo"
        opened.wait_for_selector(".chosen img.thumb")
        opened.close()
