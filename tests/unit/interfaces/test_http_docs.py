"""The how-to about serving is true: its curl commands run against a real server, its options and figures are the command's."""

import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Client, serving
from toy_bundle import draw_picture, make_decision, write_toy_bundle

from pgmel.interfaces.commands.serve import serve
from pgmel.interfaces.http import create_app
from pgmel.interfaces.http.schemas import DecidesAnswer
from pgmel.linking import Linker

TEXT = (Path(__file__).parents[3] / "docs" / "serve.md").read_text(encoding="utf-8")
SHOWN = "http://127.0.0.1:8000"
CURL = [block for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL) if "curl " in block]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    bundle = write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", make_decision())
    with Linker.load(bundle) as linker, serving(create_app(linker)) as made:
        yield made


@pytest.mark.parametrize("block", CURL, ids=range(len(CURL)))
def test_curl_commands_work(block: str, client: Client, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    draw_picture(tmp_path / "photo.png", "green").rename(tmp_path / "photo.jpg")
    (tmp_path / ".curlrc").write_text("silent\nshow-error\nfail-with-body\nnoproxy = *\n")
    environment = {"PATH": "/usr/bin:/bin", "CURL_HOME": str(tmp_path), "PGMEL_TOKEN": "none"}
    assert SHOWN in block
    script = "set -e\n" + block.replace(SHOWN, client.address)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"Congo" in done.stdout or b"Virgin" in done.stdout


def test_answers_shown_have_the_fields_that_are_sent(client: Client) -> None:
    answer, health, problem = (json.loads(block) for block in re.findall(r"^```json [^\n]+\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
    assert health.keys() <= client.get("/health").json.keys()
    assert DecidesAnswer(**health["decides"]).nil_precision is not None
    sent = client.post("/link", {"mention": "Congo"}).json
    assert answer.keys() == sent.keys()
    assert answer["candidates"][0].keys() == sent["candidates"][0].keys()
    refused = client.post("/link/batch", {"mentions": [{"mention": "x"}] * 300}).json
    assert {**refused, "request_id": ""} == {**problem, "title": refused["title"], "request_id": ""}


def test_defaults_shown_are_the_commands() -> None:
    defaults = {name: parameter.default for name, parameter in inspect.signature(serve).parameters.items()}
    rows = re.findall(r"^\| `--([a-z-]+)` \| ([\d,]+)", TEXT, re.MULTILINE)
    assert {name.replace("-", "_"): float(value.replace(",", "")) for name, value in rows} == {
        name: defaults[name] for name in ("max_body_mib", "max_picture_mib", "max_megapixels", "max_mentions", "max_characters", "timeout")
    }


def test_every_route_is_described(client: Client) -> None:
    for path in client.get("/openapi.json").json["paths"]:
        assert f" {path.replace('entity_id', 'id')}" in TEXT
