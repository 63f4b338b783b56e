"""A toy bundle with attributes, and requests as reconciliation clients send them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from serving import Answer, Client
from toy_bundle import make_decision, write_toy_bundle

from pgmel.linking import Decision
from pgmel.records import Entity

__all__ = ["CITIES", "EVIL", "post_form", "reconcile", "write_bundle"]

CITIES = ("Brazzaville", "Saint Martin")
EVIL = "<script>alert(1)</script>"


def describe(entity: Entity) -> Entity:
    """Give entities attributes: kinds, continents, one name that is dangerous in HTML, and an attribute named as what all have."""
    if entity.name == "Samoa":
        return replace(entity, aliases=("Western Samoa", EVIL), description=f"{EVIL} & co", attributes={"kind": "R7; island"})
    if entity.name in CITIES:
        return replace(entity, attributes={"kind": "city", "continent": "Africa" if entity.name == "Brazzaville" else "America"})
    if entity.name == "Niger":
        return replace(entity, attributes={"description": "a river too"})
    return replace(entity, attributes={"kind": "R7"})


def write_bundle(folder: Path, decision: Decision | None = None) -> Path:
    """Write the bundle."""
    return write_toy_bundle(folder, decision or make_decision(), change=describe)


def post_form(client: Client, path: str = "/reconcile", **fields: Any) -> Answer:
    """Send a form, as OpenRefine does; values that are no texts as JSON."""
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    return client.send("POST", path, urlencode(texts).encode(), content_type=kind)


def reconcile(client: Client, **query: Any) -> list[dict[str, Any]]:
    """Return the candidates of one query."""
    answer = post_form(client, queries={"q0": query})
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["q0"]["result"]
    return found
