"""What answers of a reconciliation service have to look like, as JSON schemas.

The schemas are written anew from the text of the specification, version 0.2 and 1.0-draft (the one with ``conditions`` in queries), and
stricter than the published ones where the text is. Where a copy of https://github.com/reconciliation-api/specs is at hand, name its folder
in the environment variable ``PGMEL_RECONCILIATION_SPECS``, and every answer is held against the published schemas as well.
"""

import json
import os
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

__all__ = ["KINDS", "published_folder", "validate"]

TEXT = {"type": "string"}
NAME = {"type": "string", "minLength": 1}
FLAG = {"type": "boolean"}
ADDRESS = {"type": "string", "pattern": "^https?://"}
COUNT = {"type": "integer", "minimum": 1}
ISO_TIME = r"^-?\d{4,}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?$"


def record(required: dict[str, Any], optional: dict[str, Any] | None = None, closed: bool = False) -> dict[str, Any]:
    """Return the schema of an object."""
    schema: dict[str, Any] = {"type": "object", "properties": required | (optional or {}), "required": list(required)}
    return schema | {"additionalProperties": False} if closed else schema


def listed(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def keyed(values: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def address_with(pattern: str) -> dict[str, Any]:
    return {"allOf": [ADDRESS, {"pattern": pattern}]}


NAMED = record({"id": NAME, "name": NAME}, {"description": TEXT})
TYPE = record({"id": NAME, "name": NAME}, {"description": TEXT, "broader": listed({"$ref": "#/$defs/type"})})
TYPE_OR_ID = {"oneOf": [record({"id": NAME}, {"name": NAME}), NAME]}
VALUE = {
    "oneOf": [
        record({}, closed=True),
        record({"id": NAME, "name": NAME}, {"description": TEXT}, closed=True),
        record({"str": TEXT}, closed=True),
        record({"float": {"type": "number"}}, closed=True),
        record({"int": {"type": "integer"}}, closed=True),
        record({"date": {"type": "string", "pattern": ISO_TIME}}, closed=True),
    ]
}
API_KEY = record({"type": {"const": "apiKey"}, "name": NAME, "in": {"enum": ["header", "query"]}}, {"description": TEXT}, closed=True)
EXTENDED = record({"id": NAME, "name": NAME}, {"type": record({"id": NAME}, {"name": NAME}), "service": ADDRESS})
PROPOSAL = record({"properties": listed(NAMED), "type": TEXT}, {"limit": {"type": "integer"}})


def settings(key: str, label: str, help_text: str) -> dict[str, Any]:
    """Return the schema of data extension settings, whose fields have other names in either version."""

    def setting(kind: str, default: Any, **more: Any) -> dict[str, Any]:
        return record({"type": {"const": kind}, key: NAME, label: NAME, "default": default, help_text: NAME, **more}, closed=True)

    choices = listed(record({"value": TEXT, "name": TEXT}, closed=True), minItems=1)
    number = {"type": "number"}
    return listed(
        {"oneOf": [setting("number", number), setting("text", TEXT), setting("checkbox", FLAG), setting("select", TEXT, choices=choices)]}
    )


def manifest(version: str, required: dict[str, Any], optional: dict[str, Any]) -> dict[str, Any]:
    shared = {
        "documentation": ADDRESS,
        "logo": ADDRESS,
        "serviceVersion": NAME,
        "defaultTypes": listed({"$ref": "#/$defs/type"}, uniqueItems=True),
        "batchSize": COUNT,
        "authentication": API_KEY,
    }
    return record({"versions": listed(TEXT, contains={"const": version}), "name": NAME, **required}, shared | optional)


def candidate(feature: dict[str, Any], required: dict[str, Any]) -> dict[str, Any]:
    features = listed(record(feature | {"value": {"type": ["boolean", "number"]}}, closed=True))
    score = {"type": "number", "minimum": 0, "maximum": 100}
    return record(
        {"id": NAME, "name": NAME, "type": listed(TYPE_OR_ID), "match": FLAG, **required},
        {"description": TEXT, "image": ADDRESS, "score": score, "features": features},
        closed=True,
    )


SCORE = {"score": {"type": "number", "minimum": 0, "maximum": 100}}
SIZE = {"width": COUNT, "height": COUNT}
SUGGESTION = record({"service_url": ADDRESS, "service_path": {"type": "string", "pattern": "^/"}}, closed=True)
SCHEMAS: dict[str, dict[str, Any]] = {
    "0.2": {
        "manifest": manifest(
            "0.2",
            {"identifierSpace": ADDRESS, "schemaSpace": ADDRESS},
            {
                "view": record({"url": address_with(r"\{\{id\}\}")}, closed=True),
                "preview": record({"url": address_with(r"\{\{id\}\}"), **SIZE}, closed=True),
                "suggest": record({}, {"entity": SUGGESTION, "property": SUGGESTION, "type": SUGGESTION}, closed=True),
                "extend": record(
                    {}, {"propose_properties": SUGGESTION, "property_settings": settings("name", "label", "help_text")}, closed=True
                ),
            },
        ),
        "reconciliation-result-batch": keyed(record({"result": listed(candidate({"id": NAME}, SCORE))}, closed=True)),
        "suggest-entities-response": record(
            {"result": listed(record({"id": NAME, "name": NAME}, {"description": TEXT, "notable": listed(TYPE_OR_ID)}))}
        ),
        "suggest-properties-response": record({"result": listed(NAMED)}),
        "suggest-types-response": record({"result": listed({"$ref": "#/$defs/type"})}),
        "data-extension-response": record({"meta": listed(EXTENDED), "rows": keyed(keyed(listed(VALUE)))}, closed=True),
        "data-extension-property-proposal": PROPOSAL,
    },
    "1.0-draft": {
        "manifest": manifest(
            "1.0-draft",
            {"view": record({"url": address_with(r"\{[+#./;?&]?id\}")}, closed=True)},
            {
                "preview": record(SIZE, closed=True),
                "suggest": record({"entity": FLAG, "property": FLAG, "type": FLAG}, closed=True),
                "extend": record({}, {"proposeProperties": FLAG, "propertySettings": settings("id", "name", "helpText")}, closed=True),
                "standardizedScore": FLAG,
            },
        ),
        "reconciliation-result-batch": record(
            {"results": listed(record({"candidates": listed(candidate({"id": NAME, "name": NAME}, {}))}, closed=True))}, closed=True
        ),
        "suggest-entities-response": record(
            {"result": listed(record({"id": NAME, "name": NAME}, {"description": TEXT, "image": ADDRESS, "notable": listed(TYPE_OR_ID)}))}
        ),
        "suggest-properties-response": record(
            {"result": listed(record({"id": NAME, "name": NAME}, {"description": TEXT, "matchQualifiers": listed(NAMED)}))}
        ),
        "suggest-types-response": record({"result": listed({"$ref": "#/$defs/type"})}),
        "data-extension-response": record(
            {
                "meta": listed(EXTENDED),
                "rows": listed(
                    record({"id": NAME, "properties": listed(record({"id": NAME, "values": listed(VALUE)}, closed=True))}, closed=True)
                ),
            },
            closed=True,
        ),
        "data-extension-property-proposal": PROPOSAL,
    },
}
KINDS = tuple(SCHEMAS["0.2"])


def published_folder() -> Path | None:
    """Return the folder of the published specification, if one is named."""
    named = os.environ.get("PGMEL_RECONCILIATION_SPECS")
    return Path(named) if named else None


def validate(version: str, kind: str, value: Any) -> None:
    """Hold an answer against our schema, and the published one if it is at hand.

    Raises:
        jsonschema.ValidationError: If it does not fit.
    """
    schema = SCHEMAS[version][kind] | {"$defs": {"type": TYPE}}
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(value)
    folder = published_folder()
    path = None if folder is None else folder / version / "schemas" / f"{kind}.json"
    if path is not None and path.is_file():
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft7Validator(schema, registry=Registry(retrieve=_beside(path.parent))).validate(value)


def _beside(folder: Path) -> Any:
    def retrieve(uri: str) -> Resource[Any]:
        path = folder / uri.rpartition("/")[2]
        # Security schemes are described by another specification, which is not fetched.
        elsewhere: dict[str, Any] = {"definitions": {"securityDefinitions": {"additionalProperties": {}}}}
        return DRAFT7.create_resource(json.loads(path.read_text(encoding="utf-8")) if path.is_file() else elsewhere)

    return retrieve
