"""Requests as the API writes them, read into plain values: forms of version 0.2, JSON of version 1.0-draft."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.requests import Request

from pgmel.interfaces.http.problems import Problem

__all__ = ["decode_text", "ids_in", "read_form_fields", "read_json_as"]

Model = TypeVar("Model")

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_MOST_FIELDS: Final = 32


async def read_form_fields(request: Request) -> Mapping[str, str]:
    """Return the fields of a form, of a name's values the first.

    Raises:
        Problem: If the body is no form.
    """
    if _kind(request) != _FORM:
        raise Problem("unsupported_media_type", "the body is of a kind that this route does not read", f"Send Content-Type: {_FORM}")
    try:
        pairs = parse_qsl((await request.body()).decode("ascii"), True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Problem("invalid_form", "the form cannot be read", "Send percent-encoded UTF-8, as curl --data-urlencode does") from None
    return dict(reversed(pairs))


async def read_json_as(request: Request, model: type[Model]) -> Model:
    """Return a JSON body.

    Raises:
        Problem: If it is of another kind, no JSON, or breaks the model.
    """
    if _kind(request) != _JSON:
        raise Problem("unsupported_media_type", "the body is of a kind that this route does not read", f"Send Content-Type: {_JSON}")
    found: Model = decode_text(await request.body(), model, "the body")
    return found


def ids_in(query: str) -> list[str]:
    """Return what else than the parameter ``id`` may be meant by an address that ends with an id, the likeliest first.

    OpenRefine puts ids into addresses with ``+`` and ``&`` as they are, which would otherwise stand for a space and for a new parameter.

    Args:
        query: What stands behind the question mark, as it was sent.
    """
    found = query.partition("id=")[2] if query.startswith("id=") else query.partition("&id=")[2]
    return list(dict.fromkeys((unquote(found.partition("&")[0]), unquote(found))))


def decode_text(text: str | bytes, model: Any, what: str) -> Any:
    """Decode JSON.

    Args:
        text: The JSON.
        model: The type that it must fit.
        what: What it is, for the error.

    Raises:
        Problem: If it is no JSON, or breaks the model; says where, without the values.
    """
    try:
        return msgspec.convert(msgspec.json.decode(text), model)
    except msgspec.ValidationError as error:
        rule = str(error).replace("`", "").replace("$", what)
        raise Problem("invalid_request", f"{what} is not as the specification says: {rule[:200]}", "See the specification") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Problem("invalid_json", f"{what} is not valid JSON", "Send one JSON object in UTF-8") from None


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
