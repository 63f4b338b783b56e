"""The reference page at ``/docs``: made of the OpenAPI description, without scripts or anything from elsewhere."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["render_reference"]


def render_reference(openapi: Mapping[str, Any], problems: Mapping[str, tuple[int, str]]) -> str:
    """Return the page.

    Args:
        openapi: The description of the routes.
        problems: Status and meaning of every error code.
    """
    schemas = openapi.get("components", {}).get("schemas", {})
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "summary": values.get("description") or values.get("summary", ""),
            "parameters": [_field(parameter["name"], parameter["schema"], parameter) for parameter in values.get("parameters", ())],
            "bodies": [
                {"kind": kind, "fields": _fields(content["schema"], schemas)}
                for kind, content in values.get("requestBody", {}).get("content", {}).items()
            ],
            "answers": [
                {"kind": kind, "fields": _fields(content.get("schema", {}), schemas)}
                for kind, content in values["responses"].get("200", {}).get("content", {}).items()
            ],
        }
        for path, methods in openapi["paths"].items()
        for method, values in methods.items()
    ]
    nested = (
        *("MentionRequest", "CandidateAnswer", "ExplanationAnswer", "ScorePartAnswer", "GatesAnswer", "WordAnswer", "PictureAnswer"),
        *("LinkAnswer", "SearchHit", "DecidesAnswer", "PrecisionAnswer"),
    )
    parts = [{"name": name, "fields": _fields(schemas[name], schemas)} for name in nested if name in schemas]
    return _template().render(info=openapi["info"], operations=operations, parts=parts, problems=problems)


@lru_cache(maxsize=1)
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("pgmel.interfaces.http", "static")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True).get_template("reference.html.jinja")


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    needed = schema.get("required", ())
    return [_field(name, values, {"required": name in needed}) for name, values in schema.get("properties", {}).items()]


def _field(name: str, schema: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": _type(schema),
        "required": bool(about.get("required")),
        "default": schema.get("default"),
        "description": about.get("description") or schema.get("description", ""),
    }


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return "file" if schema.get("format") == "binary" else str(schema.get("type", "any"))
