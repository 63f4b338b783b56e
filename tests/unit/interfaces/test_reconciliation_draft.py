"""The reconciliation service of version 1.0-draft: JSON bodies, a real server, a real linker."""

from collections.abc import Iterator
from typing import Any

import pytest
from reconciliation_schemas import validate
from reconciling import CITIES, reconcile, write_bundle
from serving import Client, serving

from pgmel.interfaces.http import Limits, ReconciliationOptions, create_app
from pgmel.linking import Linker

ROOT = "/reconcile/1.0-draft"
SMALL = Limits(mentions=4, text_characters=100, top_k=14, waiting_mentions=64)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    bundle = write_bundle(tmp_path_factory.mktemp("toy") / "bundle")
    options = ReconciliationOptions(type_attribute="kind")
    with Linker.load(bundle) as linker, serving(create_app(linker, SMALL, reconciliation=options)) as made:
        yield made


def name(*values: str) -> dict[str, Any]:
    return {"matchType": "name", "propertyValue": values[0] if len(values) == 1 else list(values)}


def prop(property_id: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"matchType": "property", "propertyId": property_id, "propertyValue": value, **more}


def match(client: Client, *conditions: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    answer = client.post(f"{ROOT}/match", {"queries": [{"conditions": list(conditions), **query}]})
    assert answer.status == 200, answer.body
    validate("1.0-draft", "reconciliation-result-batch", answer.json)
    found: list[dict[str, Any]] = answer.json["results"][0]["candidates"]
    return found


def test_the_manifest_is_as_specified(client: Client) -> None:
    manifest = client.get(ROOT).json
    validate("1.0-draft", "manifest", manifest)
    assert manifest == client.get(f"{ROOT}/").json
    assert client.get(manifest["view"]["url"].replace("{id}", "Q0").removeprefix(client.address)).status == 200
    assert client.get(f"{ROOT}/preview?id=Q0").status == 200


def test_a_name_finds_what_version_0_2_finds(client: Client) -> None:
    found, before = match(client, name("Congo"), limit=3), reconcile(client, query="Congo", limit=3)
    assert [(one["id"], one["score"], one["match"]) for one in found] == [(one["id"], one["score"], one["match"]) for one in before]
    assert found[0]["image"] == f"{client.address}/pictures/Q0"


def test_results_stand_in_the_order_of_the_queries(client: Client) -> None:
    queries = [{"conditions": [name(wanted)], "limit": 1} for wanted in ("Samoa", "Xqzwk", "Mexico")]
    results = client.post(f"{ROOT}/match", {"queries": queries}).json["results"]
    assert [result["candidates"][0]["match"] for result in results] == [True, False, True]
    assert results[2]["candidates"][0]["name"] == "Mexico"


def test_a_type_sorts_the_others_out(client: Client) -> None:
    assert [one["name"] for one in match(client, name("Brazzaville"), type="city")] == list(CITIES)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (prop("continent", "africa", required=True), {"Brazzaville"}),
        (prop("continent", ["Asia", "America"], required=True), {"Saint Martin"}),
        (prop("kind", ["R7", "island"], required=True, matchQuantifier="all"), {"Samoa"}),
        (prop("continent", ["Africa", "America"], required=True, matchQuantifier="none"), None),
        (prop("continent", "Nowhere", required=True), set()),
    ],
    ids=["any", "any of two", "all", "none", "nobody"],
)
def test_required_conditions_are_fulfilled(client: Client, condition: dict[str, Any], expected: set[str] | None) -> None:
    names = {one["name"] for one in match(client, name("Samoa"), condition, limit=14)}
    if expected is None:
        assert len(names) == 12
        assert not names & set(CITIES)
    else:
        assert names == expected


def test_conditions_that_are_not_required_sort_nobody_out(client: Client) -> None:
    assert len(match(client, name("Samoa"), prop("continent", "Nowhere"), limit=14)) == 14


def test_a_query_without_a_name_is_answered(client: Client) -> None:
    assert match(client, prop("aliases", "Western Samoa"))[0]["name"] == "Samoa"


def test_suggestions_are_as_specified(client: Client) -> None:
    entities = client.get(f"{ROOT}/suggest/entity?prefix=Samo").json
    validate("1.0-draft", "suggest-entities-response", entities)
    assert entities["result"][0]["image"] == f"{client.address}/pictures/Q3"
    types = client.get(f"{ROOT}/suggest/type?prefix=&limit=1&offset=1").json
    validate("1.0-draft", "suggest-types-response", types)
    assert [one["id"] for one in types["result"]] == ["city"]
    properties = client.get(f"{ROOT}/suggest/property?prefix=con").json
    validate("1.0-draft", "suggest-properties-response", properties)
    assert "cursor" not in properties


def test_entities_are_extended(client: Client) -> None:
    query = {"ids": ["Q3", "unknown"], "properties": [{"id": "kind"}, {"id": "aliases", "settings": {"limit": 1}}]}
    answer = client.post(f"{ROOT}/extend", query).json
    validate("1.0-draft", "data-extension-response", answer)
    assert answer["rows"][0] == {
        "id": "Q3",
        "properties": [
            {"id": "kind", "values": [{"str": "R7"}, {"str": "island"}]},
            {"id": "aliases", "values": [{"str": "Western Samoa"}]},
        ],
    }
    assert answer["rows"][1]["properties"][0]["values"] == []


def test_properties_to_extend_with_are_proposed(client: Client) -> None:
    answer = client.get(f"{ROOT}/extend/propose?type=city").json
    validate("1.0-draft", "data-extension-property-proposal", answer)
    assert {"kind", "continent"} <= {one["id"] for one in answer["properties"]}


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"{", "invalid_json", "the body is not valid JSON"),
        ({}, "invalid_request", "queries"),
        ({"queries": [{"conditions": []}]}, "invalid_request", "the query 1 has no conditions"),
        ({"queries": [{"conditions": [{"matchType": "property", "propertyValue": "x"}]}]}, "invalid_request", "without a propertyId"),
        ({"queries": [{"conditions": [{"matchType": "else", "propertyValue": "x"}]}]}, "invalid_request", "matchType"),
        ({"queries": [{"conditions": [name("x")]}] * 5}, "batch_too_long", "5 queries are more than 4"),
        ({"queries": [{"conditions": [name("x" * 101)]}]}, "text_too_long", "more than 100"),
    ],
    ids=str,
)
def test_requests_that_break_a_rule_are_refused(client: Client, body: Any, code: str, said: str) -> None:
    answer = client.post(f"{ROOT}/match", body)
    assert answer.code == code
    assert said in answer.json["message"]
