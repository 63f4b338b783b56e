"""From a request's body to mentions; pictures go through files that only this server reads and that live as long as the request."""

import base64
import binascii
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pgmel.interfaces.http.limits import MIB, Limits
from pgmel.interfaces.http.problems import Problem
from pgmel.interfaces.http.schemas import BatchRequest, LinkRequest, MentionRequest
from pgmel.pictures import PictureFault, open_picture
from pgmel.records import Mention

__all__ = ["check_limits", "decode_picture", "explain_faults", "read_form", "read_json", "to_mentions"]

Model = TypeVar("Model", bound=BaseModel)

IMAGE: Final = "image"
_PROBE_PIXELS: Final = 8
_MAX_FAULTS: Final = 5


async def read_json(request: Request, model: type[Model]) -> Model:
    """Read a JSON body.

    Raises:
        Problem: If it is of another kind, no JSON, or breaks the schema.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        shown = "application/json or multipart/form-data" if issubclass(model, LinkRequest) else "application/json"
        raise Problem("unsupported_media_type", "the body is of a kind that this route does not read", f"Send Content-Type: {shown}")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise Problem("invalid_json", "the body is not valid JSON", "Send one JSON object in UTF-8; see /docs") from None
        raise explain_faults(error.errors()) from None


async def read_form(request: Request, limits: Limits) -> tuple[LinkRequest, bytes | None]:
    """Read a multipart form: the fields of ``LinkRequest``, and a picture in the field ``image``.

    Raises:
        Problem: If it is no form, or breaks the schema or the limit on a picture's bytes.
    """
    try:
        # A character takes four bytes at most.
        form = await request.form(max_files=1, max_fields=16, max_part_size=4 * limits.text_characters + 1024)
    except HTTPException as error:
        raise Problem("invalid_form", f"the form cannot be read: {error.detail}", "Send multipart/form-data; curl -F does") from None
    try:
        return _link_request(form), await _uploaded(form, limits)
    finally:
        await form.close()


def _link_request(form: FormData) -> LinkRequest:
    values: dict[str, Any] = {name: value for name, value in form.multi_items() if isinstance(value, str) and value}
    values.pop(IMAGE, None)  # an empty file field
    try:
        return LinkRequest.model_validate(values, strict=False)
    except ValidationError as error:
        raise explain_faults(error.errors()) from None


async def _uploaded(form: FormData, limits: Limits) -> bytes | None:
    files = {name: value for name, value in form.multi_items() if isinstance(value, UploadFile)}
    if unknown := files.keys() - {IMAGE}:
        raise Problem("invalid_request", f"there is no file field {min(unknown)[:40]!r}", f"Send the picture as {IMAGE!r}")
    if IMAGE not in files:
        if isinstance(form.get(IMAGE), str) and form[IMAGE]:
            raise Problem("invalid_request", "image is text, not a file", "Send a file: curl -F image=@photo.jpg")
        return None
    content = await files[IMAGE].read(limits.picture_bytes + 1)
    # A browser sends a field that was left empty as a file without name and bytes; a file of no bytes has a name.
    return content if files[IMAGE].filename else content or None


def decode_picture(text: str) -> bytes:
    """Decode a picture in base64, with or without the beginning of a data address.

    Raises:
        Problem: If it is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem("picture_unusable", "image_base64 is not base64", "Encode the picture file: base64 -w0 photo.jpg") from None


def check_limits(request: LinkRequest | BatchRequest, limits: Limits) -> None:
    """Check number, length and wishes of mentions.

    Raises:
        Problem: If a limit is broken, or a mention is empty.
    """
    mentions = request.mentions if isinstance(request, BatchRequest) else [request]
    if len(mentions) > limits.mentions:
        raise Problem("batch_too_long", f"{len(mentions):,} mentions are more than {limits.mentions:,}", "Send them in several requests")
    if request.explain and len(mentions) > limits.explained_mentions:
        message = f"{len(mentions):,} mentions are more than the {limits.explained_mentions:,} that are explained at once"
        raise Problem("batch_too_long", message, "Send them in several requests, or without explain")
    if request.top_k > limits.top_k:
        raise Problem("invalid_request", f"top_k is {request.top_k:,}, more than {limits.top_k}", f"Ask for {limits.top_k} at most")
    for number, mention in enumerate(mentions, start=1):
        longest = max(len(mention.words), len(mention.context))
        if longest > limits.text_characters:
            message = f"mention {number} has a text of {longest:,} characters, more than {limits.text_characters:,}"
            raise Problem("text_too_long", message, "Send the sentence or paragraph around the mention")


@contextmanager
def to_mentions(
    requests: Sequence[MentionRequest], uploads: Sequence[bytes | None], folder: Path, limits: Limits
) -> Iterator[list[Mention]]:
    """Check pictures and write them into files while the block runs.

    Args:
        requests: The mentions.
        uploads: The bytes of each mention's picture, or None.
        folder: Where the files live.
        limits: Limits on pictures.

    Raises:
        Problem: If a mention is empty, or a picture cannot be used.
    """
    paths: list[Path | None] = []
    try:
        for number, (mention, content) in enumerate(zip(requests, uploads, strict=True), start=1):
            if content is None and not mention.words.strip():
                raise Problem("invalid_request", f"mention {number} is empty", "Send the words to link in `mention`, or a picture")
            if content is not None:
                _check_picture(content, number, limits)
            path = None if content is None else folder / uuid.uuid4().hex
            paths.append(path)
            if path is not None and content is not None:
                path.write_bytes(content)
        yield [
            Mention(request.id or f"mention-{number}", request.words, request.context, request.start, request.end, path)
            for number, (request, path) in enumerate(zip(requests, paths, strict=True), start=1)
        ]
    finally:
        for path in paths:
            if path is not None:
                path.unlink(missing_ok=True)


def _check_picture(content: bytes, number: int, limits: Limits) -> None:
    if len(content) > limits.picture_bytes:
        message = f"the picture of mention {number} has more than {limits.picture_bytes / MIB:g} MiB"
        raise Problem("picture_too_large", message, "Send a smaller or more compressed one")
    try:
        open_picture(content, max_pixels=limits.picture_pixels, target=_PROBE_PIXELS)
    except PictureFault as fault:
        code = "picture_too_large" if fault.kind == "too_large" else "picture_unusable"
        fix = "Scale it down" if fault.kind == "too_large" else "Send a JPEG, PNG, WebP or GIF, or leave the picture out"
        raise Problem(code, f"the picture of mention {number} cannot be used: {fault.reason}", fix) from None


def explain_faults(errors: Sequence[Any]) -> Problem:
    """Say what breaks a schema, without repeating the values."""
    listed = [f"{_place(error['loc'])}: {_rule(error)}" for error in errors[:_MAX_FAULTS]]
    more = f"; and {len(errors) - _MAX_FAULTS} more" if len(errors) > _MAX_FAULTS else ""
    fix = "See /docs for the fields of this request"
    if any(error["loc"] and error["loc"][-1] == IMAGE for error in errors):
        fix = "Send a picture as a file (multipart/form-data) or in image_base64; paths and addresses are not read"
    return Problem("invalid_request", "; ".join(listed) + more, fix)


def _place(loc: Sequence[int | str]) -> str:
    return ".".join(str(part)[:40] for part in loc if part not in ("query", "path")) or "the body"


def _rule(error: Any) -> str:
    return str(error["msg"]).removeprefix("Value error, ")
