"""Errors as a client sees them: ``application/problem+json`` (RFC 9457) with a code, a message and what to do."""

from http import HTTPStatus
from typing import Final, final

import msgspec
from starlette.responses import Response

__all__ = ["PROBLEMS", "Problem", "problem_response"]

PROBLEMS: Final = {
    "invalid_request": (422, "a value is missing, unknown, or of the wrong type"),
    "invalid_json": (400, "the body is not valid JSON"),
    "invalid_form": (400, "the body is not a valid multipart form"),
    "unsupported_media_type": (415, "the body is of a kind that this route does not read"),
    "unauthorized": (401, "the token is missing or wrong"),
    "not_found": (404, "there is no such route"),
    "method_not_allowed": (405, "the route exists, but not for this method"),
    "unknown_host": (421, "the request names a host that this server does not answer for"),
    "entity_not_found": (404, "no entity of the knowledge base has this id"),
    "picture_not_found": (404, "the entity has no picture that can be shown"),
    "body_too_large": (413, "the body has more bytes than the server accepts"),
    "picture_too_large": (413, "a picture has more bytes or pixels than the server accepts"),
    "picture_unusable": (422, "a picture is broken, empty, or of a kind that is not read"),
    "text_too_long": (413, "a text has more characters than the server accepts"),
    "batch_too_long": (413, "a batch has more mentions than the server accepts"),
    "body_too_slow": (408, "the body did not arrive in time"),
    "timed_out": (504, "linking took longer than the server allows"),
    "overloaded": (503, "more is waiting already than the server holds"),
    "internal": (500, "an unexpected fault of the server"),
}
"""Every code, with its HTTP status and what it stands for."""

RETRY_AFTER_S: Final = 1


@final
class Problem(Exception):  # noqa: N818 - the term of RFC 9457
    """A request that is answered with an error.

    Args:
        code: One of ``PROBLEMS``; clients tell errors apart by it.
        message: What is wrong, without anything that the client sent and that is longer than a word.
        fix: What the client can do.
    """

    def __init__(self, code: str, message: str, fix: str) -> None:
        self.code, self.message, self.fix = code, message, fix
        self.status = PROBLEMS[code][0]
        super().__init__(f"{code}: {message}")


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return a problem as a response."""
    values = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "message": problem.message,
        "fix": problem.fix,
        "request_id": request_id,
    }
    headers = {"Cache-Control": "no-store"}
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    elif problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(msgspec.json.encode(values), problem.status, headers, "application/problem+json")
