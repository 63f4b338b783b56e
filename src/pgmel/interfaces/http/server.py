"""Run the application: a socket, signals, and an end that finishes what is in flight."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import State

from pgmel.errors import SettingError
from pgmel.interfaces.http.logs import log_event

__all__ = ["address_of", "open_socket", "run_server"]

_BACKLOG: Final = 2048


def open_socket(host: str, port: int) -> socket.socket:
    """Listen.

    Args:
        host: A name or address, IPv6 too.
        port: 0 takes any that is free.

    Raises:
        SettingError: If that is not possible; says why.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingError(f"cannot listen on {host} port {port} ({reason}); choose others with --host and --port") from None


def address_of(listening: socket.socket) -> str:
    """Return the address that a browser on this machine opens."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(app: FastAPI, listening: socket.socket, grace_s: float = 30.0, when_ready: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; then take no new connections and finish the requests in flight. A second Ctrl-C ends at once.

    SIGHUP calls ``app.state.reload``, if there is one.

    Args:
        app: What answers.
        listening: Where, as ``open_socket`` gave it.
        grace_s: How long requests in flight may take after the signal.
        when_ready: Called when the server answers.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace_s)),
    )
    server = _Server(config, app.state, when_ready)
    # uvicorn raises the signal again when it is done; by then there is nothing left to end.
    before = {kind: signal.signal(kind, _ignore) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listening])
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
        listening.close()
    log_event("stopped")


def _ignore(_signal: int, _frame: Any) -> None:
    """Do nothing."""


class _Server(uvicorn.Server):
    """Says when it is ready and that it is asked to stop, and loads the bundle anew on SIGHUP."""

    def __init__(self, config: uvicorn.Config, state: State, when_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._state = state
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._reload_when_asked()
        if self.started and self._when_ready is not None:
            self._when_ready()

    def _reload_when_asked(self) -> None:
        reload = getattr(self._state, "reload", None)
        if reload is None or not hasattr(signal, "SIGHUP"):
            return
        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()

        def begin() -> None:
            log_event("reloading")
            task = loop.create_task(reload())
            running.add(task)  # the loop itself keeps no hold of a task
            task.add_done_callback(running.discard)

        loop.add_signal_handler(signal.SIGHUP, begin)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        log_event("stopping", open_requests=len(self.server_state.tasks))
        await super().shutdown(sockets)
