"""A real server over a toy bundle for tests: uvicorn in a thread, on a free port, and a plain client."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple

import uvicorn
from fastapi import FastAPI

from pgmel.interfaces.http import address_of, open_socket

__all__ = ["BORDER", "Answer", "Client", "form", "serving"]

BORDER = "pgmel-test-border"


class Answer(NamedTuple):
    """What the server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code; it must be a well-formed problem."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        assert self.json["status"] == self.status
        assert self.json["message"]
        assert self.json["fix"]
        return str(self.json["code"])


class Client(NamedTuple):
    """Sends requests, each on a connection of its own."""

    address: str

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = HTTPConnection(self.address.removeprefix("http://"), timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def post(self, path: str, values: Any, **headers: str) -> Answer:
        content = values if isinstance(values, bytes) else json.dumps(values).encode()
        return self.send("POST", path, content, **{"content_type": "application/json", **headers})

    def upload(self, path: str, fields: dict[str, str], picture: bytes | None = None, name: str = "image") -> Answer:
        return self.send("POST", path, form(fields, picture, name), content_type=f"multipart/form-data; boundary={BORDER}")


def form(fields: dict[str, str], picture: bytes | None = None, name: str = "image") -> bytes:
    """Return a multipart body."""
    parts = [f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode() for key, value in fields.items()]
    if picture is not None:
        head = f'Content-Disposition: form-data; name="{name}"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        parts.append(head.encode() + picture)
    lines = [f"--{BORDER}\r\n".encode() + part + b"\r\n" for part in parts]
    return b"".join(lines) + f"--{BORDER}--\r\n".encode()


@contextmanager
def serving(app: FastAPI) -> Iterator[Client]:
    """Serve an application while the block runs."""
    listening = open_socket("127.0.0.1", 0)
    config = uvicorn.Config(app, loop="asyncio", http="h11", ws="none", lifespan="on", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield Client(address_of(listening))
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
        assert not thread.is_alive()
