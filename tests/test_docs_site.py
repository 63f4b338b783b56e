"""The documentation site builds without a warning, holds every page and figure, and asks nothing of other servers."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from docs_blocks import DOCS, ROOT
from docs_world import make_once

PAGES = sorted(DOCS.glob("*.md"))
STYLE_ASSET = re.compile(r"(?:@import\s+(?:url\()?|url\()\s*['\"]?([^'\")\s]+)")
POINTERS = {"alternate", "canonical", "next", "prev"}
"""What a link tag may name without anything being fetched."""

ELSEWHERE = ("http:", "https:", "//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_once(tmp_path_factory, "docs-site", build)


def build(folder: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stdout + built.stderr


class Assets(HTMLParser):
    """Collects what a browser fetches for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found += [value for value in (values.get("src"), values.get("data")) if value]
        if tag == "link" and values.get("href") and values.get("rel") not in POINTERS:
            self.found.append(str(values["href"]))


def assets_of(text: str) -> list[str]:
    parser = Assets()
    parser.feed(text)
    return parser.found


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def test_every_page_is_in_the_navigation(site: Path) -> None:
    home = read(site / "index.html")
    assert [page.name for page in PAGES if f'href="{page.stem}.html"' not in home and page.stem != "index"] == []


def test_nothing_is_asked_of_other_servers(site: Path) -> None:
    found = {(file.name, asset) for file in site.rglob("*.html") for asset in assets_of(read(file))}
    assert {name for name, _ in found} >= {f"{page.stem}.html" for page in PAGES}
    found |= {(file.name, asset) for file in site.rglob("*.css") for asset in STYLE_ASSET.findall(read(file))}
    assert {(name, asset) for name, asset in found if asset.startswith(ELSEWHERE)} == set()


@pytest.mark.parametrize(
    "text",
    [
        '<link href="https://a/b.css" rel="stylesheet">',
        '<script src="https://a/b.js"></script>',
        '<p><img src="https://a/b.png" alt=""></p>',
    ],
)
def test_an_asset_of_another_server_is_noticed(text: str) -> None:
    assert [asset for asset in assets_of(text) if asset.startswith(ELSEWHERE)] != []


@pytest.mark.parametrize("text", ["@import url('https://a/b.css');", '@import "//a/b.css";', "p{background:url(https://a/b.png)}"])
def test_a_style_asset_of_another_server_is_noticed(text: str) -> None:
    assert [asset for asset in STYLE_ASSET.findall(text) if asset.startswith(ELSEWHERE)] != []


def test_figures_stand_in_the_page_and_say_what_they_show(site: Path) -> None:
    concepts = read(site / "concepts.html")
    for figure in sorted((DOCS / "figures").glob("*.svg")):
        assert f'aria-labelledby="{figure.stem}-title {figure.stem}-desc"' in concepts
    assert 'src="figures/' not in concepts


@pytest.mark.parametrize("name", ["pgmel.linking.Linker.link", "pgmel.Mention", "pgmel.workflows.start_bundle.start_bundle"])
def test_the_reference_has_what_users_call(site: Path, name: str) -> None:
    page = read(site / "api.html")
    assert f'id="{name}"' in page


def test_the_reference_shows_arguments_from_docstrings(site: Path) -> None:
    assert "Candidates returned for each." in read(site / "api.html")


def test_scripts_of_the_documentation_are_not_published(site: Path) -> None:
    assert list(site.rglob("*.py")) == []
