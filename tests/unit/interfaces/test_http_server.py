"""The server from the outside: a real one on a free port, with a real linker."""

import base64
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from serving import BORDER, Client, form, serving
from toy_bundle import draw_picture, make_decision

from pgmel.errors import SettingError
from pgmel.interfaces.commands.serve import read_token
from pgmel.interfaces.http import Limits, create_app, open_socket
from pgmel.interfaces.http.decisions import describe_decisions
from pgmel.interfaces.http.problems import PROBLEMS
from pgmel.interfaces.http.schemas import BatchAnswer, DecidesAnswer, EntityAnswer, HealthAnswer, LinkAnswer, ProblemAnswer, SearchAnswer
from pgmel.kb import KnowledgeBase
from pgmel.linking import Decision, Linker, StatedPrecision, link_values, name_match
from pgmel.records import Mention

SMALL = Limits(
    body_bytes=40_000, picture_bytes=20_000, picture_pixels=10_000, mentions=4, text_characters=100, top_k=12, waiting_mentions=64
)
TOKEN = "open-sesame"


class SlowLinker:
    """The toy linker, held back for mentions that say so."""

    def __init__(self, linker: Linker) -> None:
        self.kb, self.decision, self.nil, self.card = linker.kb, linker.decision, linker.nil, linker.card
        self.candidates = linker.candidates
        self._linker = linker
        self.began = threading.Event()
        self.gate = threading.Event()

    def link(self, mentions: list[Mention], top_k: int = 10) -> Any:
        if any(mention.surface == "slow" for mention in mentions):
            self.began.set()
            self.gate.wait(20)
        if any(mention.surface == "fault" for mention in mentions):
            raise RuntimeError("secret words of a user")
        return self._linker.link(mentions, top_k)


@pytest.fixture(scope="module")
def client(linker: Linker) -> Iterator[Client]:
    with serving(create_app(linker, SMALL)) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(linker: Linker) -> Iterator[Client]:
    with serving(create_app(linker, SMALL, token=TOKEN)) as made:
        yield made


@contextmanager
def slow_server(linker: Linker, **limits: Any) -> Iterator[tuple[Client, SlowLinker]]:
    slow = SlowLinker(linker)
    with serving(create_app(slow, Limits(**limits))) as made:  # type: ignore[arg-type]
        try:
            yield made, slow
        finally:
            slow.gate.set()


def picture(tmp_path: Path, colour: str = "red", size: int = 48) -> bytes:
    return draw_picture(tmp_path / "sent.png", colour, size).read_bytes()


def test_a_mention_is_answered_as_the_linker_would(client: Client, linker: Linker) -> None:
    mention = Mention("7", "Congo", "The flag of Congo.", 12, 17)
    answer = client.post("/link", {"id": "7", "mention": "Congo", "context": "The flag of Congo.", "start": 12, "end": 17, "top_k": 3})
    assert answer.status == 200
    assert answer.json == json.loads(json.dumps(link_values(linker.link([mention], 3)[0], mention)))
    assert len(answer.json["candidates"]) == 3


def test_an_explanation_comes_where_it_is_asked_for(client: Client, linker: Linker, tmp_path: Path) -> None:
    content = picture(tmp_path)
    mention = Mention("7", "Congo", "The flag of Congo.", 12, 17, tmp_path / "sent.png")
    sent = {"id": "7", "mention": "Congo", "context": "The flag of Congo.", "start": "12", "end": "17", "top_k": "2", "explain": "true"}
    answer = client.upload("/link", sent, content).json
    told = json.loads(json.dumps(link_values(linker.link([mention], 2, explain=True)[0], mention)))
    for candidate, expected in zip(answer["candidates"], told["candidates"], strict=True):
        parts = candidate["explanation"]["parts"]
        assert sum(part["value"] for part in parts) == pytest.approx(candidate["score"], abs=1e-5)
        assert [(part["name"], part["kind"]) for part in parts] == [("lexical", "lexical"), ("image", "image")]
        assert candidate["explanation"]["words"] == expected["explanation"]["words"]
        assert len(candidate["explanation"]["picture"]["effects"]) == 9
    LinkAnswer.model_validate(answer)
    batch = client.post("/link/batch", {"mentions": [{"mention": "Congo"}, {"mention": "Samoa"}], "explain": True}).json["links"]
    assert all(candidate["explanation"]["picture"] is None for link in batch for candidate in link["candidates"])
    assert "explanation" not in client.post("/link", {"mention": "Congo"}).json["candidates"][0]


def test_fewer_mentions_are_explained_than_linked_at_once(linker: Linker) -> None:
    with serving(create_app(linker, Limits(explained_mentions=2))) as made:
        several = {"mentions": [{"mention": "Congo"}] * 3}
        assert made.post("/link/batch", several).status == 200
        refused = made.post("/link/batch", {**several, "explain": True})
        assert (refused.status, refused.code) == (413, "batch_too_long")


def test_offsets_alone_mark_the_words(client: Client) -> None:
    answer = client.post("/link", {"context": "😀 In Congo.", "start": 5, "end": 10}).json
    assert (answer["mention"], answer["entity_id"]) == ("Congo", "Q0")


def test_a_strange_name_is_nil(client: Client) -> None:
    assert client.post("/link", {"mention": "Xqzwk"}).json["entity_id"] == "NIL"


def test_a_picture_can_be_sent_as_a_file_or_in_base64(client: Client, linker: Linker, tmp_path: Path) -> None:
    content = picture(tmp_path)
    path = tmp_path / "sent.png"
    expected = json.loads(json.dumps(link_values(linker.link([Mention("1", "", "", image=path)], 2)[0], Mention("1", ""))))
    uploaded = client.upload("/link", {"id": "1", "top_k": "2"}, content)
    assert uploaded.json == expected
    encoded = base64.b64encode(content).decode()
    assert client.post("/link", {"id": "1", "top_k": 2, "image_base64": encoded}).json == expected
    assert client.post("/link", {"id": "1", "top_k": 2, "image_base64": f"data:image/png;base64,{encoded}"}).json == expected
    assert expected["candidates"][0]["name"] == "Samoa"  # the red one


BROKEN = {"no bytes": b"", "no picture": b"<html>", "half of one": None}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_picture_that_cannot_be_used_is_an_error_and_never_ignored(client: Client, tmp_path: Path, kind: str) -> None:
    content = BROKEN[kind]
    if content is None:
        whole = picture(tmp_path)
        content = whole[: len(whole) // 2]
    encoded = {"mention": "Samoa", "image_base64": base64.b64encode(content).decode()}
    answers = (
        client.upload("/link", {"mention": "Samoa"}, content),
        client.post("/link", encoded),
        client.post("/link/batch", {"mentions": [{"mention": "Congo"}, encoded]}),
    )
    assert [answer.code for answer in answers] == ["picture_unusable"] * 3
    assert "the picture of mention 2 cannot be used" in answers[2].json["message"]


def test_a_picture_too_large_is_refused_in_a_batch_too(client: Client, tmp_path: Path) -> None:
    for content in (b"x" * 20_001, picture(tmp_path, "red", 101)):
        encoded = {"mention": "Samoa", "image_base64": base64.b64encode(content).decode()}
        assert client.post("/link/batch", {"mentions": [encoded]}).code == "picture_too_large"


def test_a_file_field_left_empty_is_no_picture(client: Client) -> None:
    body = form({"mention": "Samoa"}, b"").replace(b'filename="a.png"', b'filename=""')
    answer = client.send("POST", "/link", body, content_type=f"multipart/form-data; boundary={BORDER}")
    assert (answer.status, answer.json["warnings"]) == (200, [])


def test_details_add_description_picture_and_match(client: Client) -> None:
    best, second, *_ = client.post("/link", {"mention": "congo", "details": True, "top_k": 12}).json["candidates"]
    assert (best["description"], best["picture"], best["name_match"]) == ("place called Congo", "pictures/Q0", "name")
    assert second["name_match"] is None
    plain = client.post("/link", {"mention": "congo"}).json["candidates"][0]
    assert plain.keys() == {"entity_id", "name", "score", "probability"}


def test_a_batch_keeps_its_order(client: Client) -> None:
    answer = client.post("/link/batch", {"mentions": [{"mention": name} for name in ("Niger", "Xqzwk", "Samoa")], "top_k": 1}).json
    assert [link["entity_id"] for link in answer["links"]] == ["R7", "NIL", "Q3"]
    assert [link["id"] for link in answer["links"]] == ["mention-1", "mention-2", "mention-3"]


def test_concurrent_requests_are_answered_as_the_linker_alone_would(linker: Linker) -> None:
    entities = [entity.name for entity in linker.kb.iter_entities()] * 3
    expected = [linker.link([Mention(str(n), name)], 1 + n % 3)[0] for n, name in enumerate(entities)]
    with serving(create_app(linker, batch_size=8, window_s=0.02)) as made, ThreadPoolExecutor(12) as pool:
        requests = [{"id": str(n), "mention": name, "top_k": 1 + n % 3} for n, name in enumerate(entities)]
        answers = list(pool.map(lambda request: made.post("/link", request).json, requests))
        metrics = made.get("/metrics").body.decode()
    assert [(a["id"], a["entity_id"], [(c["entity_id"], c["score"]) for c in a["candidates"]]) for a in answers] == [
        (e.mention_id, e.entity_id, [(c.entity_id, round(c.score, 6)) for c in e.candidates]) for e in expected
    ]
    calls = re.search(r"^pgmel_batch_mentions_count (\S+)", metrics, re.MULTILINE)
    assert calls is not None
    assert float(calls[1]) < len(entities), "nothing was linked together"


def test_an_entity_and_its_picture(client: Client) -> None:
    assert client.get("/entities/Q1").json["name"] == "Georgia"
    shown = client.get("/pictures/Q1")
    assert (shown.headers["content-type"], shown.body[:2]) == ("image/jpeg", b"\xff\xd8")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/entities/nobody", "entity_not_found"),
        ("/pictures/nobody", "entity_not_found"),
        ("/pictures/R0", "picture_not_found"),
        ("/entities/%00", "entity_not_found"),
        ("/nowhere", "not_found"),
        ("/static/../app.py", "not_found"),
        ("/static/%2e%2e/app.py", "not_found"),
        ("/search", "invalid_request"),
        ("/search?q=a&limit=0", "invalid_request"),
        ("/link", "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_said(client: Client, path: str, code: str) -> None:
    answer = client.get(path)
    assert answer.code == code
    assert answer.status == PROBLEMS[code][0]


def test_ids_may_hold_any_character(tmp_path: Path) -> None:
    from pgmel.interfaces.http.entities import Entities
    from pgmel.records import Entity

    ids = ["a/b", "ä ö?#", "100%", "x/picture"]
    with KnowledgeBase.create(tmp_path / "kb.sqlite", [Entity(name, name) for name in ids]) as kb:
        entities = Entities(kb)
        assert [entities.describe(name)["id"] for name in ids] == ids
        assert entities.search("X/PICTURE", 1) == [{"entity_id": "x/picture", "name": "x/picture", "match": "exact"}]


def test_ids_with_slashes_are_routed(client: Client) -> None:
    assert client.get(f"/entities/{quote('a/b ä', safe='')}").code == "entity_not_found"


def test_entities_are_found_by_name(client: Client) -> None:
    assert client.get("/search?q=islands").json == {"entities": [{"entity_id": "R3", "name": "Virgin Islands", "match": "word"}]}
    assert client.get("/search?q=gorgia").json["entities"][0]["name"] == "Georgia"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"{", "invalid_json", "not valid JSON"),
        ({"mention": "x", "image": "/etc/passwd"}, "invalid_request", "image: "),
        ({"mention": 3}, "invalid_request", "mention: "),
        ({"mention": "x", "start": 1}, "invalid_request", "start and end go together"),
        ({"mention": "x", "context": "x", "start": 0, "end": 2}, "invalid_request", "end at most the length"),
        ({"mention": "  "}, "invalid_request", "mention 1 is empty"),
        ({"mention": "x", "top_k": 13}, "invalid_request", "13, more than 12"),
        ({"mention": "x", "top_k": 0}, "invalid_request", "top_k: "),
        ({"mention": "x", "context": "y" * 101}, "text_too_long", "101 characters, more than 100"),
        ({"mention": "x", "image_base64": "?"}, "picture_unusable", "not base64"),
        ({"mention": "x", "image_base64": "AAAA"}, "picture_unusable", "cannot be used"),
        ({"mention": "x" * 50_000}, "body_too_large", "more than 0.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_requests_that_break_a_rule_are_refused(client: Client, body: Any, code: str, said: str) -> None:
    answer = client.post("/link", body)
    assert answer.code == code
    assert said in answer.json["message"]


def test_a_batch_that_is_too_long_is_refused(client: Client) -> None:
    answer = client.post("/link/batch", {"mentions": [{"mention": "x"}] * 5})
    assert (answer.code, answer.json["message"]) == ("batch_too_long", "5 mentions are more than 4")


@pytest.mark.parametrize(("size", "colour", "said"), [(101, "red", "pixels are more than 10,000")])
def test_a_picture_with_too_many_pixels_is_refused(client: Client, tmp_path: Path, size: int, colour: str, said: str) -> None:
    answer = client.upload("/link", {"mention": "x"}, picture(tmp_path, colour, size))
    assert answer.code == "picture_too_large"
    assert said in answer.json["message"]


def test_a_picture_with_too_many_bytes_is_refused(client: Client) -> None:
    assert client.upload("/link", {"mention": "x"}, b"x" * 20_001).code == "picture_too_large"


def answers_with(raw: socket.socket, wanted: bytes) -> bool:
    received = b""
    while wanted not in received and (part := raw.recv(65536)):
        received += part
    return wanted in received


def test_a_body_of_unknown_length_is_counted(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", int(client.address.rpartition(":")[2])), timeout=30) as raw:
        raw.sendall(b"POST /link HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        raw.sendall(b"ffff\r\n" + b" " * 0xFFFF + b"\r\n")
        assert answers_with(raw, b"body_too_large")


@pytest.mark.parametrize(
    ("fields", "name", "said"),
    [
        ({"mention": "x", "nonsense": "1"}, "image", "nonsense"),
        ({"mention": "x", "top_k": "many"}, "image", "top_k"),
        ({"mention": "x"}, "photo", "no file field 'photo'"),
    ],
)
def test_forms_that_break_a_rule_are_refused(client: Client, tmp_path: Path, fields: dict[str, str], name: str, said: str) -> None:
    answer = client.upload("/link", fields, picture(tmp_path), name)
    assert answer.code == "invalid_request"
    assert said in answer.json["message"]


def test_a_broken_form_is_refused(client: Client) -> None:
    body = form({"mention": "x"})[:-30]
    answer = client.send(
        "POST", "/link", body.replace(b"Content-Disposition", b"\x00"), content_type=f"multipart/form-data; boundary={BORDER}"
    )
    assert answer.code in ("invalid_form", "invalid_request")


def test_other_kinds_of_body_are_refused(client: Client) -> None:
    assert client.send("POST", "/link", b"mention=x", content_type="application/x-www-form-urlencoded").code == "unsupported_media_type"


def test_a_request_that_takes_too_long_is_refused_and_the_next_one_answered(linker: Linker) -> None:
    with slow_server(linker, timeout_s=1.0) as (made, slow):
        assert made.post("/link", {"mention": "slow"}).code == "timed_out"
        slow.gate.set()
        assert made.post("/link", {"mention": "Congo"}).json["entity_id"] == "Q0"


def test_a_body_that_does_not_come_is_refused(linker: Linker) -> None:
    with (
        slow_server(linker, timeout_s=0.3) as (made, _),
        socket.create_connection(("127.0.0.1", int(made.address.rpartition(":")[2])), timeout=30) as raw,
    ):
        raw.sendall(b"POST /link HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
        assert answers_with(raw, b"body_too_slow")


def test_an_unexpected_fault_tells_nothing(linker: Linker, caplog: pytest.LogCaptureFixture) -> None:
    with slow_server(linker) as (made, _), watched(caplog):
        answer = made.post("/link", {"mention": "fault"}, x_request_id="abc-1")
    assert (answer.code, answer.json["request_id"], answer.headers["x-request-id"]) == ("internal", "abc-1", "abc-1")
    assert b"secret" not in answer.body
    faults = [record.__dict__["event"] for record in caplog.records if record.message == "fault"]
    assert faults[0]["type"] == "RuntimeError"
    assert "secret" not in str(faults)


@contextmanager
def watched(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let pytest see the server's log, which does not pass it on otherwise."""
    logger = logging.getLogger("pgmel.serve")
    before = logger.level
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(before)


def request_events(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """What the server logged of each request, once each; other loggers may have spoken in between."""
    ours = {id(record): record for record in caplog.records if record.name == "pgmel.serve" and record.message == "request"}
    return [record.__dict__["event"] for record in ours.values()]


def test_logs_tell_the_route_but_nothing_that_users_send(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with watched(caplog):
        client.post("/link", {"mention": "Congo", "context": "Classified Congo", "id": "my-id"}, x_request_id="one two")
        client.get("/search?q=Classified")
        client.get("/entities/Classified")
        for _ in range(200):
            if len(request_events(caplog)) >= 3:
                break
            time.sleep(0.02)
    events = request_events(caplog)
    assert {event["route"] for event in events} == {"/link", "/search", "/entities/{entity_id:path}"}
    assert not re.search("Classified|Congo|my-id|one two", str(events))
    linked = next(event for event in events if event["route"] == "/link")
    assert (linked["status"], linked["mentions"], linked["method"]) == (200, 1, "POST")
    assert linked["bytes_in"] > 0
    assert linked["bytes_out"] > 0


def test_the_token_is_asked_where_the_knowledge_base_is(guarded: Client) -> None:
    for path in ("/entities/Q0", "/pictures/Q0", "/search?q=a", "/metrics", "/nowhere"):
        answer = guarded.get(path)
        assert answer.code == "unauthorized"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert guarded.get(path, authorization=f"Bearer {TOKEN}").status in (200, 404)
    assert guarded.post("/link", {"mention": "Congo"}).code == "unauthorized"
    assert guarded.post("/link", {"mention": "Congo"}, authorization=f"bearer {TOKEN}").status == 200


@pytest.mark.parametrize("sent", ["Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"])
def test_a_wrong_token_is_refused(guarded: Client, sent: str) -> None:
    assert guarded.get("/search?q=a", authorization=sent).status == 401


def test_other_host_names_are_refused_where_only_this_machine_is_let_in(linker: Linker) -> None:
    with serving(create_app(linker, hosts=("127.0.0.1", "[::1]", "Proxy.example"))) as made:
        assert made.get("/health", host="evil.example").code == "unknown_host"
        assert made.get("/health", host="127.0.0.1.evil.example:80").code == "unknown_host"
        assert [made.get("/health", host=name).status for name in ("127.0.0.1:9", "[::1]:9", "[::1]", "proxy.example")] == [200] * 4


def test_page_reference_and_health_need_no_token(guarded: Client) -> None:
    for path in ("/", "/static/page.js", "/docs", "/openapi.json", "/health", "/favicon.ico"):
        assert guarded.get(path).status == 200
    assert guarded.get("/health").json["token_needed"] is True


def test_tokens_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_HERE", " abc\n")
    (tmp_path / "token").write_text("def\n")
    assert read_token("TOKEN_HERE", None) == "abc"
    assert read_token(None, tmp_path / "token") == "def"
    assert read_token(None, None) is None
    for variable, file, said in [
        ("NOT_SET", None, "NOT_SET"),
        (None, tmp_path / "none", "cannot be read"),
        ("TOKEN_HERE", tmp_path / "token", "not both"),
    ]:
        with pytest.raises(SettingError, match=said):
            read_token(variable, file)


def test_nothing_is_loaded_from_elsewhere(client: Client) -> None:
    for path in ("/", "/docs", "/static/page.css", "/static/page.js", "/static/results.js", "/static/spans.js"):
        answer = client.get(path)
        text = answer.body.decode()
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//|url\(|@import|innerHTML|\son\w+=|<script>|style=\"", text), path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_reference_names_every_route_and_error(client: Client) -> None:
    text = client.get("/docs").body.decode()
    routes = client.get("/openapi.json").json["paths"]
    assert set(routes) == {"/link", "/link/batch", "/entities/{entity_id}", "/pictures/{entity_id}", "/search", "/health", "/metrics"}
    assert [name for name in [*routes, *PROBLEMS] if f"<code>{name}</code>" not in text] == []


def test_the_description_has_no_loose_ends(client: Client) -> None:
    described = client.get("/openapi.json").json
    for name in re.findall(r"#/components/schemas/(\w+)", json.dumps(described)):
        assert name in described["components"]["schemas"]


def test_answers_are_as_described(client: Client) -> None:
    LinkAnswer.model_validate(client.post("/link", {"mention": "Congo", "details": True}).json)
    BatchAnswer.model_validate(client.post("/link/batch", {"mentions": [{"mention": "Xqzwk"}]}).json)
    EntityAnswer.model_validate(client.get("/entities/Q0").json)
    SearchAnswer.model_validate(client.get("/search?q=co").json)
    HealthAnswer.model_validate(client.get("/health").json)
    ProblemAnswer.model_validate(client.get("/nowhere").json)


def test_health_says_what_the_bundle_can_decide(linker: Linker, monkeypatch: pytest.MonkeyPatch) -> None:
    def decides(decision: Decision | None, nil: bool = True) -> Any:
        monkeypatch.setattr(linker, "decision", decision)
        monkeypatch.setattr(linker, "nil", nil)
        return DecidesAnswer(**describe_decisions(linker))

    asked = StatedPrecision(0.8, None, None, None, 0, 0.4)
    kept = StatedPrecision(0.8, 0.85, 0.81, 0.88, 90, 0.9)
    out_of_reach = decides(make_decision(threshold=0.0, nil_precision=asked, link_precision=StatedPrecision(None, 0.7, 0.6, 0.8, 50)))
    assert (out_of_reach.nil, out_of_reach.unsure, out_of_reach.nil_threshold) == (False, False, None)
    assert (out_of_reach.nil_precision.in_reach, out_of_reach.nil_precision.attainable) == (False, 0.4)
    assert (out_of_reach.link_precision.in_reach, out_of_reach.link_precision.reached) == (None, 0.7)
    stated = decides(make_decision(threshold=0.3, nil_threshold=0.7, nil_precision=kept, link_precision=kept))
    assert (stated.nil, stated.unsure, stated.nil_threshold) == (True, True, 0.7)
    assert (stated.nil_precision.in_reach, stated.nil_precision.reached, stated.link_precision.in_reach) == (True, 0.85, True)
    linking_nothing = decides(make_decision(threshold=None, link_precision=asked))
    assert (linking_nothing.linked, linking_nothing.unsure, linking_nothing.link_precision.in_reach) == (False, True, False)
    nothing = DecidesAnswer(linked=True, nil=False, unsure=False, nil_threshold=None, nil_precision=None, link_precision=None)
    assert decides(None) == decides(make_decision(nil_threshold=0.7), nil=False) == nothing


def test_metrics_count_requests_and_answers(client: Client) -> None:
    client.post("/link", {"mention": "Xqzwk"})
    text = client.get("/metrics").body.decode()
    assert 'pgmel_requests_total{method="POST",route="/link",status="200"}' in text
    assert re.search(r'^pgmel_links_total\{answer="unsure"\} [1-9]', text, re.MULTILINE)
    assert re.search(r'^pgmel_links_total\{answer="nil"\} 0', text, re.MULTILINE)
    assert "pgmel_entities 14.0" in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [("conGO", "name"), ("Zaïre", "alias"), ("zaire", "alias"), ("the Congo", "part"), ("Cong", None), ("", None)],
)
def test_how_a_name_matches(words: str, expected: str | None) -> None:
    assert name_match(words, "Congo", ("Zaire",)) == expected


def test_a_taken_port_is_told(client: Client) -> None:
    port = int(client.address.rpartition(":")[2])
    with pytest.raises(SettingError, match=f"cannot listen on 127.0.0.1 port {port}"):
        open_socket("127.0.0.1", port)


def test_limits_must_make_sense() -> None:
    with pytest.raises(SettingError, match=r"body_bytes must be > 0, got 0; timeout_s must be > 0, got nan"):
        Limits(body_bytes=0, timeout_s=float("nan"))


COMMAND = """
import sys, threading
from pgmel.interfaces.cli import main
from pgmel.linking import Linker, name_match
link = Linker.link
def slow(self, mentions, top_k=10):
    if mentions[0].surface == "Congo":
        print("began", flush=True)
        threading.Event().wait(1.5)
    return link(self, mentions, top_k)
Linker.link = slow
sys.argv = ["pgmel", "serve", "--bundle", sys.argv[1], "--port", "0"]
main()
"""


@pytest.mark.slow
def test_the_command_finishes_what_is_in_flight_when_it_is_asked_to_stop(bundle: Path) -> None:
    command = [sys.executable, "-c", COMMAND, str(bundle)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            made = Client(re.findall(r"http://\S+", ready)[0])
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(made.post, "/link", {"mention": "Congo"})
                assert process.stdout.readline() == "began\n"
                process.send_signal(signal.SIGTERM)
                assert answer.result().json["entity_id"] == "Q0"
            _, errors = process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    events = [json.loads(line)["event"] for line in errors.splitlines()]
    assert events[:2] == ["loading", "ready"]  # the first before the encoders, which take their time
    assert events[-1] == "stopped"
    assert {"stopping", "request"} < set(events)
