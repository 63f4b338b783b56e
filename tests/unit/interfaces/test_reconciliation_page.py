"""A page of another origin on the same machine, as OpenRefine's, uses the reconciliation service in a real browser."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from browsing import WAIT_MS, chromium
from reconciling import EVIL, write_bundle
from serving import Client, serving

from pgmel.interfaces.http import create_app
from pgmel.linking import Linker

ASK = """async (root) => {
    const manifest = await (await fetch(`${root}/reconcile`)).json();
    const form = new URLSearchParams({ queries: JSON.stringify({ q0: { query: "Congo", limit: 1 } }) });
    const matched = await (await fetch(manifest.suggest.entity.service_url, { method: "POST", body: form })).json();
    const body = JSON.stringify({ ids: ["Q0"], properties: [{ id: "kind" }] });
    const headers = { "Content-Type": "application/json" };  // needs a preflight
    const extended = await (await fetch(`${root}/reconcile/1.0-draft/extend`, { method: "POST", body, headers })).json();
    return [matched.q0.result[0].id, extended.rows[0].properties[0].values[0].str];
}"""

pytestmark = pytest.mark.slow


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hosting(folder: Path) -> Iterator[str]:
    """Serve a folder on another port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Linker.load(write_bundle(tmp_path_factory.mktemp("toy") / "bundle")) as linker, serving(create_app(linker)) as made:
        yield made


@pytest.fixture
def page(tmp_path: Path, client: Client) -> Iterator[Any]:
    width, height = (client.get("/reconcile").json["preview"][side] for side in ("width", "height"))
    # OpenRefine takes everything from the frame: scripts, and the origin too.
    frame = f'<iframe sandbox="" src="{client.address}/reconcile/preview?id=Q3" width="{width}" height="{height}"></iframe>'
    (tmp_path / "index.html").write_text(f'<!doctype html><link rel="icon" href="data:,"><title>client</title>{frame}')
    with hosting(tmp_path) as address, chromium() as browser:
        opened = browser.new_page()
        opened.set_default_timeout(WAIT_MS)
        complaints: list[str] = []
        opened.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        opened.goto(address)
        yield opened
    assert complaints == []


def test_a_preview_shows_in_a_frame_with_its_picture_and_fits(page: Any) -> None:
    frame = page.frame_locator("iframe")
    assert frame.locator("h1").text_content() == "Samoa"
    assert EVIL in frame.locator("main").text_content()
    inside = page.frames[1]
    assert inside.evaluate("document.querySelector('img').decode().then(() => document.querySelector('img').naturalWidth)") == 48
    assert inside.evaluate("getComputedStyle(document.querySelector('main')).display") == "flex"
    assert inside.evaluate("document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth")


def test_scripts_of_the_page_may_ask(page: Any, client: Client) -> None:
    assert page.evaluate(ASK, client.address) == ["Q0", "R7"]
