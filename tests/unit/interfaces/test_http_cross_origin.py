"""Which pages of other origins may read from the server, and what they may embed."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from serving import Client, serving
from toy_bundle import make_decision, write_toy_bundle

from pgmel.errors import SettingError
from pgmel.interfaces.http import ReconciliationOptions, create_app
from pgmel.linking import Linker

OPENREFINE = "http://127.0.0.1:3333"
ELSEWHERE = "https://elsewhere.example"
QUERY = "/reconcile?" + urlencode({"queries": json.dumps({"q0": {"query": "Congo", "limit": 1}})})


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linker]:
    with Linker.load(write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", make_decision())) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def client(linker: Linker) -> Iterator[Client]:
    with serving(create_app(linker, token="open-sesame", hosts=("127.0.0.1",))) as made:
        yield made


def allowed(client: Client, origin: str, path: str = "/reconcile") -> str | None:
    return client.get(path, origin=origin).headers.get("access-control-allow-origin")


@pytest.mark.parametrize("origin", [OPENREFINE, "http://localhost:3333", "http://[::1]:3333", "https://localhost"])
def test_pages_on_the_readers_machine_may_read_the_reconciliation_service(client: Client, origin: str) -> None:
    assert allowed(client, origin) == origin


@pytest.mark.parametrize(
    "origin", [ELSEWHERE, "null", "http://127.0.0.1.evil.example", "http://localhost:3333.evil.example", "http://evil@localhost"]
)
def test_other_pages_may_not(client: Client, origin: str) -> None:
    answer = client.get("/reconcile", origin=origin)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("path", ["/", "/health", "/search?q=a", "/link", "/entities/Q0", "/pictures/Q0", "/reconciled"])
def test_nothing_else_may_be_read_from_other_origins(client: Client, path: str) -> None:
    assert allowed(client, OPENREFINE, path) is None


def test_errors_can_be_read_too(client: Client) -> None:
    answer = client.get(QUERY, origin=OPENREFINE)
    assert answer.code == "unauthorized"
    assert answer.headers["access-control-allow-origin"] == OPENREFINE


def test_a_preflight_needs_no_token_but_the_right_host(client: Client) -> None:
    asked = {"origin": OPENREFINE, "access_control_request_method": "POST", "access_control_request_headers": "content-type"}
    answer = client.send("OPTIONS", "/reconcile/1.0-draft/match", **asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == OPENREFINE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(answer.headers["access-control-allow-headers"].lower().split(", "))
    assert client.send("OPTIONS", "/reconcile", host="evil.example", **asked).code == "unknown_host"
    assert client.send("OPTIONS", "/link", **asked).code == "unauthorized"


def test_further_origins_can_be_let_in(linker: Linker) -> None:
    with serving(create_app(linker, reconciliation=ReconciliationOptions(origins=(ELSEWHERE,)))) as made:
        assert allowed(made, ELSEWHERE) == ELSEWHERE
        assert allowed(made, OPENREFINE) == OPENREFINE
        assert allowed(made, "https://else.example") is None
        assert f" {ELSEWHERE}" in made.get("/reconcile/preview?id=Q0").headers["content-security-policy"]


def test_any_origin_can_be_let_in(linker: Linker) -> None:
    with serving(create_app(linker, reconciliation=ReconciliationOptions(origins=("*",)))) as made:
        assert allowed(made, ELSEWHERE) == "*"
        assert made.get("/reconcile/preview?id=Q0").headers["content-security-policy"].endswith("frame-ancestors *")
        assert made.get("/pictures/Q0").headers["cross-origin-resource-policy"] == "cross-origin"
        assert "access-control-allow-origin" not in made.get("/pictures/Q0", origin=ELSEWHERE).headers


def test_pictures_show_on_pages_of_the_same_machine_alone(linker: Linker) -> None:
    with serving(create_app(linker)) as made:
        assert made.get("/pictures/Q0").headers["cross-origin-resource-policy"] == "same-site"
        assert made.get("/search?q=a").headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"origins": ("example.org",)}, "--allow-origin must be"),
        ({"origins": ("https://example.org/path",)}, "--allow-origin must be"),
        ({"public_url": "example.org"}, "--public-url must be an address"),
        ({"public_url": "https://example.org/?a"}, "--public-url must end with the path"),
        ({"view_url": "https://example.org/"}, r"--view-url must hold \{\{id\}\}"),
        ({"identifier_space": "Q"}, "--identifier-space must be an address"),
    ],
)
def test_options_that_make_no_sense_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        ReconciliationOptions(**values)  # type: ignore[arg-type]
