"""``pgmel report`` from the outside, and its page in a real browser."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from toy_runs import Outcome, ToyRun, run_cli

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))), None)

PROBE = """<!doctype html><meta charset="utf-8"><body>
<iframe id="page" src="{page}" style="width:{width}px;height:3000px;border:0"></iframe><pre id="found"></pre>
<script>
document.getElementById("page").onload = () => {{
  const page = document.getElementById("page").contentDocument;
  const shown = selector => [...page.querySelectorAll(selector)].filter(one => one.checkVisibility() && one.getClientRects().length);
  const texts = selector => shown(selector).map(one => one.textContent.trim());
  const found = {{
    heading: texts("h1"), sections: texts("h2"), tiles: texts("header .big"), charts: shown("svg.chart").length,
    errors: shown(".error").length,
    pictures: shown("img").filter(one => one.naturalWidth > 0).length,
    cards: shown(".error .case").length,
    wide: page.documentElement.scrollWidth,
  }};
  page.querySelector(".error").open = true;
  found.opened = shown(".error .case").length;
  found.filtered = [...page.querySelectorAll(".filters [id]")].map(button => {{
    button.checked = true;
    const kept = [Number(button.parentElement.querySelector("small").textContent), shown(".error").length];
    button.closest("fieldset").querySelector("input").checked = true;
    return kept;
  }});
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script>"""


def report(run: ToyRun, tmp_path: Path, *options: object) -> Outcome:
    return run_cli("report", run.folder, "--out", tmp_path / "page.html", *options)


def open_page(page: Path, width: int) -> dict[str, Any]:
    """Open a page in Chromium, in a frame of a given width, and look at it from outside: the page itself runs no script."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed; `apt install chromium` brings one")
    probe = page.parent / "probe.html"
    probe.write_text(PROBE.format(page=page.name, width=width), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
    local = ["--allow-file-access-from-files", f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=20000", "--dump-dom"]
    done = subprocess.run([CHROMIUM, *options, *local, probe.as_uri()], capture_output=True, text=True, timeout=180, check=False)
    found = re.search(r'<pre id="found">(\{.*?\})</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    looked: dict[str, Any] = json.loads(html.unescape(found[1]))
    return looked


def test_gain_and_page_are_named(toy_run: ToyRun, tmp_path: Path) -> None:
    outcome = report(toy_run, tmp_path)
    assert outcome.code == 0, outcome.err
    assert re.search(r"H@1 0\.\d{3} untrained, [01]\.\d{3} trained; gain [+-]0\.\d{3}, 95% interval [+-]0\.\d{3} to ", outcome.out)
    assert f"Report: {tmp_path / 'page.html'}\n" in outcome.out
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_an_unfinished_run_is_said_to_be_so(toy_run: ToyRun, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("settings.json", "metrics.csv"):
        shutil.copy(toy_run.folder / name, run)
    outcome = run_cli("report", run)
    assert outcome.code == 0, outcome.err
    assert "not finished: the report shows its curves only" in outcome.out
    assert (run / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("{tmp}/none",), 4, "the run {tmp}/none does not exist"),
        (("{tmp}",), 4, "{tmp} is no run"),
        (("{run}/bundle",), 4, "is a bundle, not the folder of a run"),
        (("{run}", "--data", "{tmp}/none"), 3, "{tmp}/none: the data set does not exist"),
        (("{run}", "--split", "valid"), 3, "it has: train, dev, test"),
        (("{run}", "--errors", "-1"), 2, "--errors"),
        (("{run}", "--image-encoder", "{tmp}/none"), 5, "--image-encoder"),
        (("{run}", "--device", "abacus"), 2, "'abacus' cannot be used"),
        (("{run}", "--out", "{tmp}/file/page.html"), 3, "{tmp}/file/page.html: the report cannot be written: {tmp}/file is a file"),
        (("{run}", "--out", "{tmp}"), 3, "{tmp}: the report cannot be written: this is a folder"),
        ((), 2, "Missing argument"),
    ],
)
def test_bad_input_is_told_clearly(toy_run: ToyRun, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    (tmp_path / "file").write_text("mine")
    outcome = run_cli("report", *(part.format(tmp=tmp_path, run=toy_run.folder) for part in arguments))
    assert outcome.code == code, outcome.err
    assert message.format(tmp=tmp_path) in outcome.err
    assert "Traceback" not in outcome.err
    assert "bug" not in outcome.err
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize("width", [1300, 420])
def test_the_page_can_be_read_and_filtered_in_a_browser(toy_run: ToyRun, tmp_path: Path, width: int) -> None:
    outcome = report(toy_run, tmp_path)
    assert outcome.code == 0, outcome.err
    seen = open_page(tmp_path / "page.html", width)
    assert seen["heading"] == [f"Run {toy_run.folder.name}"]
    assert {"Results", "Where it works, and where not", "Can the probabilities be trusted?", "Training", "Errors to browse"} <= {
        *seen["sections"]
    }
    assert toy_run.result.trained is not None
    assert seen["tiles"][0] == f"{toy_run.result.trained.result.overall.h_at_1.value:.3f}"
    assert seen["charts"] >= 8
    assert seen["pictures"] > 0
    assert seen["wide"] <= width  # nothing makes the page wider than the window
    assert (seen["cards"], seen["opened"]) == (0, 1)
    assert all(promised == shown for promised, shown in seen["filtered"])
    assert min(shown for _, shown in seen["filtered"]) < seen["errors"]
