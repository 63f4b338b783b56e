"""The reconciliation service of version 0.2, asked as OpenRefine asks: a real server, a real linker."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from reconciliation_schemas import validate
from reconciling import CITIES, EVIL, post_form, reconcile, write_bundle
from serving import Client, serving
from toy_bundle import make_decision, write_toy_bundle

from pgmel.interfaces.http import Limits, ReconciliationOptions, create_app
from pgmel.linking import Linker
from pgmel.records import Entity, Mention

SMALL = Limits(mentions=4, text_characters=100, top_k=14, body_bytes=40_000, waiting_mentions=64)
TOKEN = "open-sesame"


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linker]:
    with Linker.load(write_bundle(tmp_path_factory.mktemp("toy") / "bundle")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def client(linker: Linker) -> Iterator[Client]:
    with serving(create_app(linker, SMALL, reconciliation=ReconciliationOptions(type_attribute="kind"))) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(linker: Linker) -> Iterator[Client]:
    with serving(create_app(linker, SMALL, token=TOKEN, reconciliation=ReconciliationOptions(type_attribute="kind"))) as made:
        yield made


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in found]


def test_the_manifest_is_as_specified_and_its_addresses_answer(client: Client) -> None:
    manifest = client.get("/reconcile").json
    validate("0.2", "manifest", manifest)
    assert manifest == client.get("/reconcile/").json
    assert (manifest["name"], manifest["batchSize"]) == ("pgmel: toy", 4)
    assert [one["name"] for one in manifest["defaultTypes"]] == ["Niger", "city", "island"]  # R7 is an entity, so its name is known
    assert manifest["identifierSpace"] == f"{client.address}/entities/"
    for address in (manifest["view"]["url"], manifest["preview"]["url"]):
        assert client.get(address.replace("{{id}}", "Q0").removeprefix(client.address)).status == 200
    for service in (*manifest["suggest"].values(), manifest["extend"]["propose_properties"]):
        path = f"{service['service_url']}{service['service_path']}".removeprefix(client.address)
        assert client.get(path).status == 200


def test_a_batch_is_answered_by_its_keys_as_the_linker_would(client: Client, linker: Linker) -> None:
    batch = {"q0": {"query": "Congo", "limit": 3}, "q1": {"query": "Xqzwk"}}
    answer = post_form(client, queries=batch).json
    validate("0.2", "reconciliation-result-batch", answer)
    assert answer.keys() == batch.keys()
    link = linker.link([Mention("1", "Congo")], 3)[0]
    assert ids(answer["q0"]["result"]) == [candidate.entity_id for candidate in link.candidates]
    best, *others = answer["q0"]["result"]
    assert best["score"] == pytest.approx(100 * (link.probability or 0), abs=1e-3)
    assert (best["match"], any(one["match"] for one in others)) == (True, False)
    assert best["type"] == [{"id": "R7", "name": "Niger"}]
    assert not any(one["match"] for one in answer["q1"]["result"]), "a strange name is NIL"


def test_candidates_say_what_speaks_for_them(client: Client) -> None:
    best, second, *_ = reconcile(client, query="congo", type="R7")
    features = {feature["id"]: feature["value"] for feature in best["features"]}
    assert features.keys() == {"probability", "similarity", "name_similarity", "name_match", "type_match"}
    assert (features["name_match"], features["name_similarity"], features["type_match"]) == (True, 1.0, True)
    assert features["probability"] == pytest.approx(best["score"] / 100, abs=1e-5)
    assert not next(feature["value"] for feature in second["features"] if feature["id"] == "name_match")


def test_scores_fall_and_ten_candidates_are_given_unless_more_are_asked_for(client: Client) -> None:
    found = reconcile(client, query="Guinea")
    assert len(found) == 10
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    assert len(reconcile(client, query="Guinea", limit=500)) == 14, "the KB has no more"


@pytest.mark.parametrize("wanted", ["city", ["city"], [{"id": "city", "name": "City"}], "CITY"])
def test_a_type_sorts_the_others_out(client: Client, wanted: Any) -> None:
    found = reconcile(client, query="Brazzavile", type=wanted, type_strict="should")
    assert [one["name"] for one in found] == list(CITIES)
    assert all(one["type"] == [{"id": "city", "name": "city"}] for one in found)


def test_a_type_may_be_given_by_its_name(client: Client) -> None:
    assert "Congo" in {one["name"] for one in reconcile(client, query="Congo", type="Niger")}


def test_nothing_is_matched_where_the_type_excludes_what_is_meant(client: Client) -> None:
    assert not any(one["match"] for one in reconcile(client, query="Congo", type="city"))


def test_without_types_in_the_knowledge_base_there_is_one_for_all(linker: Linker) -> None:
    with serving(create_app(linker)) as made:
        assert made.get("/reconcile").json["defaultTypes"] == [{"id": "entity", "name": "Entity"}]
        best, *_ = reconcile(made, query="Congo", type="whatever")
        assert (best["id"], best["type"]) == ("Q0", [{"id": "entity", "name": "Entity"}])


def test_properties_are_the_text_around_the_name(client: Client, linker: Linker) -> None:
    sentence = "We saw Guinea and its forests"
    values = [{"pid": "context", "v": sentence}, {"pid": "year", "v": 1960}, {"pid": "capital", "v": {"id": "x", "name": "Conakry"}}]
    found = reconcile(client, query="Guinea", properties=values, limit=3)
    context = f"{sentence} year: 1960; capital: Conakry"
    expected = linker.link([Mention("1", "Guinea", context, 7, 13)], 3)[0].candidates
    assert [(one["id"], one["features"][0]["value"]) for one in found] == [(c.entity_id, round(c.probability or 0, 6)) for c in expected]


def test_properties_alone_are_a_query_too(client: Client) -> None:
    assert reconcile(client, properties=[{"pid": "aliases", "v": ["Virgin Islands"]}])[0]["name"] == "Virgin Islands"


def test_a_query_of_blanks_has_no_candidates(client: Client) -> None:
    assert reconcile(client, query=" ", properties=[{"pid": "x", "v": None}]) == []


def test_an_id_finds_its_entity(client: Client) -> None:
    best, *others = reconcile(client, query="Q4")
    assert (best["id"], best["score"], best["match"]) == ("Q4", 100.0, True)
    assert "Q4" not in ids(others)


def test_an_id_that_is_also_a_name_is_left_to_people(tmp_path: Path) -> None:
    def rename(entity: Any) -> Any:
        return type(entity)("Congo", "Samoa") if entity.name == "Samoa" else entity

    with Linker.load(write_toy_bundle(tmp_path / "bundle", None, change=rename)) as loaded, serving(create_app(loaded)) as made:
        first, second, *_ = reconcile(made, query="Congo")
        assert (first["id"], first["match"], second["id"], second["match"]) == ("Congo", False, "Q0", True)


def test_an_uncalibrated_bundle_matches_by_name_alone(tmp_path: Path) -> None:
    with Linker.load(write_toy_bundle(tmp_path / "bundle", None)) as loaded, serving(create_app(loaded)) as made:
        assert reconcile(made, query="CONGO")[0]["match"]
        assert not reconcile(made, query="Kongo")[0]["match"]
        validate("0.2", "reconciliation-result-batch", post_form(made, queries={"q0": {"query": "Kongo"}}).json)


def test_what_is_rather_wrong_than_right_is_no_match_even_where_it_is_linked(tmp_path: Path) -> None:
    def best(nil_score: float) -> tuple[float, bool]:
        with Linker.load(write_toy_bundle(tmp_path / f"{nil_score}", make_decision(threshold=0.0, nil_score=nil_score))) as loaded:
            assert loaded.link([Mention("m", "Congo")])[0].entity_id == "Q0"
            with serving(create_app(loaded)) as made:
                found = reconcile(made, query="Congo")[0]
        return found["score"], found["match"]

    assert best(0.4)[0] > 50
    assert best(0.4)[1]
    assert best(1.2)[0] < 50
    assert not best(1.2)[1]


def test_an_uncalibrated_bundle_does_not_choose_among_namesakes(tmp_path: Path) -> None:
    def alike(entity: Entity) -> Entity:
        return replace(entity, aliases=("Congo",)) if entity.id == "Q3" else entity

    with Linker.load(write_toy_bundle(tmp_path / "bundle", None, change=alike)) as loaded, serving(create_app(loaded)) as made:
        found = reconcile(made, query="Congo")
        assert sum(feature["value"] is True for one in found for feature in one["features"] if feature["id"] == "name_match") == 2
        assert not any(one["match"] for one in found)


def test_queries_may_stand_in_the_address(client: Client) -> None:
    query = urlencode({"queries": json.dumps({"q0": {"query": "Congo", "limit": 1}})})
    assert ids(client.get(f"/reconcile?{query}").json["q0"]["result"]) == ["Q0"]


def test_entities_are_suggested_by_name_and_id(client: Client) -> None:
    answer = client.get("/reconcile/suggest/entity?prefix=sam&spell=always&prefixed=true").json
    validate("0.2", "suggest-entities-response", answer)
    assert answer["result"][0] == {"id": "Q3", "name": "Samoa", "description": f"{EVIL} & co", "notable": ["R7", "island"]}
    assert client.get("/reconcile/suggest/entity?prefix=Q5").json["result"][0]["name"] == "Luxembourg"
    assert client.get("/reconcile/suggest/entity?prefix=").json == {"result": []}


def test_more_suggestions_follow_the_cursor(tmp_path: Path) -> None:
    from pgmel.interfaces.http.entities import Entities
    from pgmel.interfaces.http.reconciliation.suggesting import suggest_entities
    from pgmel.kb import KnowledgeBase
    from pgmel.records import Entity

    with KnowledgeBase.create(tmp_path / "kb.sqlite", [Entity(f"E{n:02}", f"Saint {n:02}") for n in range(50)]) as kb:
        known = Entities(kb)
        pages = [suggest_entities(known, "saint", skip, 20) for skip in (0, 20, 40)]
    found = [entity.id for page in pages for entity in page]
    assert (len(found), len(set(found))) == (50, 50)


def test_the_cursor_is_told_where_there_is_more(client: Client) -> None:
    first = client.get("/reconcile/suggest/property?prefix=&limit=2").json
    assert (len(first["result"]), first["cursor"]) == (2, 2)
    second = client.get("/reconcile/suggest/property?prefix=&limit=2&cursor=2").json
    assert not {one["id"] for one in first["result"]} & {one["id"] for one in second["result"]}


def test_types_are_suggested(client: Client) -> None:
    answer = client.get("/reconcile/suggest/type?prefix=").json
    validate("0.2", "suggest-types-response", answer)
    assert ids(answer["result"]) == ["R7", "city", "island"]
    assert ids(client.get("/reconcile/suggest/type?prefix=nig").json["result"]) == ["R7"]
    assert ids(client.get("/reconcile/suggest/type?prefix=isl").json["result"]) == ["island"]


def test_properties_are_suggested(client: Client) -> None:
    answer = client.get("/reconcile/suggest/property?prefix=").json
    validate("0.2", "suggest-properties-response", answer)
    assert ids(answer["result"]) == ["context", "description", "aliases", "picture", "name", "kind", "continent", "attribute:description"]
    assert ids(client.get("/reconcile/suggest/property?prefix=cont").json["result"]) == ["context", "continent"]


def test_properties_to_extend_with_are_proposed(client: Client) -> None:
    answer = client.get("/reconcile/properties?type=city&limit=3").json
    validate("0.2", "data-extension-property-proposal", answer)
    assert (answer["type"], answer["limit"], len(answer["properties"])) == ("city", 3, 3)
    assert "context" not in ids(client.get("/reconcile/properties?type=city").json["properties"])


def test_entities_are_extended(client: Client) -> None:
    wanted = ["kind", "aliases", "picture", "description", "nothing", "attribute:description"]
    answer = post_form(client, extend={"ids": ["Q3", "R7", "unknown"], "properties": [{"id": one} for one in wanted]}).json
    validate("0.2", "data-extension-response", answer)
    assert [(one["id"], one["name"]) for one in answer["meta"]][-2:] == [("nothing", "nothing"), ("attribute:description", "description")]
    samoa = {key: [value["str"] for value in values] for key, values in answer["rows"]["Q3"].items()}
    assert list(samoa) == wanted
    assert (samoa["kind"], samoa["aliases"]) == (["R7", "island"], ["Western Samoa", EVIL])
    assert client.get(samoa["picture"][0].removeprefix(client.address)).headers["content-type"] == "image/jpeg"
    assert answer["rows"]["R7"]["attribute:description"] == [{"str": "a river too"}]
    assert answer["rows"]["unknown"] == {one: [] for one in wanted}


def test_settings_of_properties_are_heeded(client: Client) -> None:
    # OpenRefine sends the values of its form, so numbers as texts.
    properties = [{"id": "aliases", "settings": {"limit": "1"}}, {"id": "kind", "settings": {"limit": "0", "lists": "together"}}]
    rows = post_form(client, extend={"ids": ["Q3"], "properties": properties}).json["rows"]["Q3"]
    assert rows == {"aliases": [{"str": "Western Samoa"}], "kind": [{"str": "R7; island"}]}


def test_a_preview_fits_its_frame_and_runs_nothing(client: Client) -> None:
    answer = client.get("/reconcile/preview?id=Q3")
    text = answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert EVIL not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//|url\(|<script|style=", text)
    assert re.search(r'src="data:image/jpeg;base64,', text)
    assert re.search(r'src="\.\./pictures/Q3"', client.get("/reconcile/view?id=Q3").body.decode())
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*" in policy
    assert '<dt>kind</dt><dd dir="auto">R7; island</dd>' in client.get("/reconcile/view?id=Q3").body.decode()


@pytest.mark.parametrize("entity_id", ["C++", "a&b", "R&D+x=1", "50% off", "a b", "Q3"])
def test_ids_stand_in_addresses_as_openrefine_writes_them(tmp_path: Path, entity_id: str) -> None:
    def rename(entity: Entity) -> Entity:
        return replace(entity, id=entity_id) if entity.id == "Q3" else entity

    # encodeURI of a browser leaves these as they are.
    written = quote(entity_id, safe=";/?:@&=+$,#-_.!~*'()")
    bundle = write_toy_bundle(tmp_path / "bundle", make_decision(), change=rename)
    with Linker.load(bundle) as loaded, serving(create_app(loaded)) as made:
        for page in ("preview", "view"):
            manifest = made.get("/reconcile").json
            address = manifest[page]["url"].replace("{{id}}", written).removeprefix(made.address)
            assert '<h1 dir="auto">Samoa</h1>' in made.get(address).body.decode()
            assert made.get(f"/reconcile/{page}?lang=en&id={quote(entity_id, safe='')}&callback=x").status == 200


def test_a_picture_that_is_gone_leaves_the_preview_as_it_is(tmp_path: Path) -> None:
    bundle = write_toy_bundle(tmp_path / "bundle", make_decision())
    (bundle.parent / "pictures" / "3.png").unlink()
    with Linker.load(bundle) as loaded, serving(create_app(loaded)) as made:
        text = made.get("/reconcile/preview?id=Q3").body.decode()
    assert "Samoa" in text
    assert "<img" not in text


def test_pages_of_unknown_entities_are_not_found(client: Client) -> None:
    assert client.get("/reconcile/preview?id=nobody").code == "entity_not_found"
    assert client.get(f"/reconcile/view?id={quote('a/b ä')}").code == "entity_not_found"


@pytest.mark.parametrize(
    ("fields", "code", "said"),
    [
        ({}, "invalid_request", "neither queries nor extend"),
        ({"queries": "{"}, "invalid_json", "queries is not valid JSON"),
        ({"queries": []}, "invalid_request", "Expected object, got array"),
        ({"queries": {"q0": {}}}, "invalid_request", "the query 'q0' has neither a name"),
        ({"queries": {"q0": {"query": 3}}}, "invalid_request", "Expected str, got int"),
        ({"queries": {"q0": {"query": "x", "limit": 0}}}, "invalid_request", "limit below 1"),
        ({"queries": {"q0": {"query": "x", "properties": [{"pid": "a"}]}}}, "invalid_request", "field v"),
        ({"queries": {f"q{n}": {"query": "x"} for n in range(5)}}, "batch_too_long", "5 queries are more than 4"),
        ({"queries": {"q0": {"query": "x" * 101}}}, "text_too_long", "101 characters, more than 100"),
        ({"queries": {"q0": {"query": "x", "properties": [{"pid": "a", "v": ["y" * 60] * 2}]}}}, "text_too_long", "120 characters"),
        ({"extend": {"ids": ["Q0"]}}, "invalid_request", "properties"),
        ({"extend": {"ids": ["Q0"] * 5, "properties": []}}, "batch_too_long", "5 ids are more than 4"),
        ({"extend": {"ids": ["Q0"], "properties": [{"id": "a"}] * 101}}, "batch_too_long", "101 properties"),
        ({"extend": {"ids": ["Q0"], "properties": [{"id": "a", "settings": {"limit": "x"}}]}}, "invalid_request", "setting limit"),
        ({"queries": "x" * 50_000}, "body_too_large", "more than 0.0"),
    ],
    ids=str,
)
def test_requests_that_break_a_rule_are_refused(client: Client, fields: dict[str, Any], code: str, said: str) -> None:
    answer = post_form(client, **fields)
    assert answer.code == code
    assert said in answer.json["message"]


def test_other_kinds_of_body_are_refused(client: Client) -> None:
    assert client.post("/reconcile", {"queries": {}}).code == "unsupported_media_type"
    bad = client.send("POST", "/reconcile", b"queries=%ff", content_type="application/x-www-form-urlencoded")
    assert bad.code == "invalid_form"


def test_the_manifest_alone_needs_no_token_and_tells_nothing(guarded: Client) -> None:
    manifest = guarded.get("/reconcile").json
    validate("0.2", "manifest", manifest)
    assert manifest["authentication"]["name"] == "Authorization"
    assert manifest["defaultTypes"] == [{"id": "entity", "name": "Entity"}]
    query = urlencode({"queries": json.dumps({"q0": {"query": "Congo"}})})
    for path in (f"/reconcile?{query}", "/reconcile/suggest/entity?prefix=a", "/reconcile/preview?id=Q0", "/reconcile/properties"):
        assert guarded.get(path).code == "unauthorized"
        assert guarded.get(path, authorization=f"Bearer {TOKEN}").status == 200
    assert post_form(guarded, queries={"q0": {"query": "Congo"}}).code == "unauthorized"


def test_addresses_are_those_that_clients_see(linker: Linker) -> None:
    options = ReconciliationOptions(
        public_url="https://example.org/places/",
        name="Places",
        identifier_space="http://www.wikidata.org/entity/",
        view_url="https://www.wikidata.org/wiki/{{id}}",
    )
    with serving(create_app(linker, reconciliation=options)) as made:
        manifest = made.get("/reconcile").json
        validate("0.2", "manifest", manifest)
        assert (manifest["name"], manifest["identifierSpace"]) == ("Places", "http://www.wikidata.org/entity/")
        assert manifest["view"]["url"] == "https://www.wikidata.org/wiki/{{id}}"
        assert manifest["preview"]["url"] == "https://example.org/places/reconcile/preview?id={{id}}"
        rows = post_form(made, extend={"ids": ["Q0"], "properties": [{"id": "picture"}]}).json["rows"]
        assert rows["Q0"]["picture"] == [{"str": "https://example.org/places/pictures/Q0"}]


def test_a_host_header_that_is_none_is_not_repeated(client: Client) -> None:
    manifest = client.get("/reconcile", host='evil"><script>').json
    assert manifest["preview"]["url"].startswith(client.address)
    assert client.get("/reconcile", host="places.example:8080").json["preview"]["url"].startswith("http://places.example:8080/reconcile/")
