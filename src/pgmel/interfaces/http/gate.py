"""What every request passes: its id, the token, the limits on bytes and time, safe headers, the log line and the counters."""

import asyncio
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pgmel.interfaces.http.cross_origin import CrossOrigin
from pgmel.interfaces.http.limits import MIB, Limits
from pgmel.interfaces.http.logs import log_event, log_fault
from pgmel.interfaces.http.monitoring import Monitor
from pgmel.interfaces.http.problems import Problem, problem_response

__all__ = ["Gate"]

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PORT: Final = re.compile(r":\d*$")
_METHODS: Final = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")


@dataclass(slots=True)
class _Exchange:
    """One request and its answer, as far as they may be logged."""

    request_id: str
    began: float
    bytes_in: int = 0
    bytes_out: int = 0
    status: int = 0
    body_complete: bool = False


@final
class Gate:
    """ASGI middleware around the whole application.

    Args:
        app: What answers.
        limits: Limits on bytes, seconds and open requests.
        monitor: Counts.
        open_paths: Paths that need no token; a path that ends in ``/`` and is not the root stands for all below it.
        token: What ``Authorization: Bearer`` must carry; None lets everybody in.
        hosts: Names that the header ``Host`` may carry, without a port; None takes any. A page elsewhere that has its own name point to
            this machine would otherwise read from a server that only this machine reaches.
        cross_origin: Which pages of other origins may read what; None for none.
        manifests: Paths that need no token where they are read without any parameter.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        monitor: Monitor,
        open_paths: Collection[str],
        token: str | None = None,
        hosts: Collection[str] | None = None,
        cross_origin: CrossOrigin | None = None,
        manifests: Collection[str] = (),
    ) -> None:
        self._app = app
        self._cross_origin = cross_origin or CrossOrigin(())
        self._manifests = frozenset(manifests)
        self._limits = limits
        self._monitor = monitor
        self._open_paths = frozenset(open_paths)
        self._token = None if token is None else _digest(token.encode())
        self._hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._open_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer it with a problem where that is not possible."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = _Exchange(_request_id(headers), time.perf_counter())
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        self._open_requests += 1
        self._monitor.open.inc()
        try:
            await self._answer(scope, headers, receive, send, exchange)
        finally:
            self._open_requests -= 1
            self._monitor.open.dec()
            self._note(scope, exchange)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, send: Send, exchange: _Exchange) -> None:
        sender = _sender(send, exchange, self._cross_origin.headers(scope["path"], headers.get("origin")))
        try:
            if self._cross_origin.is_preflight(scope["method"], scope["path"], headers):
                self._check_host(headers)
                await Response(status_code=204, headers=self._cross_origin.preflight_headers())(scope, receive, sender)
                return
            self._check(scope, headers)
            async with asyncio.timeout(self._limits.timeout_s):
                await self._app(scope, self._receiver(receive, exchange), sender)
            return
        except Problem as error:
            problem = error
        except TimeoutError:
            problem = self._late(exchange)
        except Exception as error:
            log_fault(error, exchange.request_id)
            problem = Problem("internal", "an unexpected fault of the server; it is logged", f"Report it with the id {exchange.request_id}")
        if not exchange.status:  # else the answer is on its way, and breaking off is all that is left
            await problem_response(problem, exchange.request_id)(scope, receive, sender)

    def _check(self, scope: Scope, headers: Headers) -> None:
        if self._open_requests > self._limits.open_requests:
            raise Problem("overloaded", f"{self._limits.open_requests} requests are open already", "Send it again later")
        self._check_host(headers)
        if self._token is not None and not self._is_open(scope):
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(_digest(given.strip().encode("latin-1")), self._token):
                raise Problem("unauthorized", "the token is missing or wrong", "Send the header Authorization: Bearer TOKEN")
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limits.body_bytes:
            raise self._too_large()

    def _check_host(self, headers: Headers) -> None:
        if self._hosts is not None and _PORT.sub("", headers.get("host", "")).lower() not in self._hosts:
            raise Problem("unknown_host", "this server does not answer for that host name", "Start it with --allow-host NAME")

    def _is_open(self, scope: Scope) -> bool:
        path = scope["path"]
        if path in self._manifests and scope["method"] in ("GET", "HEAD") and not scope["query_string"]:
            return True
        folders = tuple(prefix for prefix in self._open_paths if prefix.endswith("/") and prefix != "/")
        return path in self._open_paths or path.startswith(folders)

    def _receiver(self, receive: Receive, exchange: _Exchange) -> Receive:
        async def counting() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                exchange.bytes_in += len(message.get("body", b""))
                exchange.body_complete = not message.get("more_body", False)
                if exchange.bytes_in > self._limits.body_bytes:
                    raise self._too_large()
            return message

        return counting

    def _too_large(self) -> Problem:
        size = self._limits.body_bytes / MIB
        return Problem("body_too_large", f"the body has more than {size:g} MiB", "Send fewer mentions at once, or smaller pictures")

    def _late(self, exchange: _Exchange) -> Problem:
        seconds = f"{self._limits.timeout_s:g} s"
        if not exchange.body_complete:
            return Problem("body_too_slow", f"the body did not arrive within {seconds}", "Send less at once")
        return Problem("timed_out", f"there was no answer within {seconds}", "Send fewer mentions at once, or send it again later")

    def _note(self, scope: Scope, exchange: _Exchange) -> None:
        route = scope.get("route")
        # The template, never the path: ids and names in it are the user's business.
        template = getattr(route, "path", None) or "unmatched"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        seconds = time.perf_counter() - exchange.began
        self._monitor.requests.labels(template, method, str(exchange.status or 499)).inc()
        self._monitor.seconds.labels(template).observe(seconds)
        values: dict[str, Any] = {
            "request_id": exchange.request_id,
            "method": method,
            "route": template,
            "status": exchange.status or 499,
            "ms": round(seconds * 1000, 1),
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
        }
        if (mentions := scope["state"].get("num_mentions")) is not None:
            values["mentions"] = mentions
        log_event("request", **values)


def _sender(send: Send, exchange: _Exchange, shared: Mapping[str, str]) -> Send:
    async def marking(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = exchange.request_id
            for name, value in shared.items():
                headers[name] = value
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        elif message["type"] == "http.response.body":
            exchange.bytes_out += len(message.get("body", b""))
        await send(message)

    return marking


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _digest(token: bytes) -> bytes:
    # Digests are of one length, so the comparison does not tell how long the token is.
    return hashlib.sha256(token).digest()
