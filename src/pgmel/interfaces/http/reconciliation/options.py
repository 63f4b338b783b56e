"""How a server presents itself as a reconciliation service."""

import re
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import urlsplit

from starlette.requests import Request

from pgmel.errors import SettingError
from pgmel.interfaces.http.cross_origin import check_origin

__all__ = ["ID_TEMPLATE", "ReconciliationOptions", "base_address"]

ID_TEMPLATE: Final = "{{id}}"
"""Stands for an id in addresses, as version 0.2 of the API writes it."""

_HOST: Final = re.compile(r"[A-Za-z0-9.\-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")


@final
@dataclass(frozen=True, slots=True)
class ReconciliationOptions:
    """Values of the manifest that nobody can guess.

    ``public_url`` is the address of the server's root as clients see it; None takes it from each request. ``name`` is the service's name,
    by default the data set's. ``identifier_space`` and ``schema_space`` are the URIs that tell clients whose ids and properties these are,
    ``view_url`` the address of an entity's page, with ``{{id}}`` for its id; by default the server's own. ``type_attribute`` is the
    attribute whose values are the types of entities. ``origins`` are those whose pages may use the service, such as ``https://example.org``,
    besides those on the reader's own machine; ``*`` for any.
    """

    public_url: str | None = None
    name: str | None = None
    identifier_space: str | None = None
    schema_space: str = "https://schema.org/Thing"
    view_url: str | None = None
    type_attribute: str | None = None
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check addresses.

        Raises:
            SettingError: If one is none, the view's has no place for the id, or an origin is none.
        """
        for option, value in (
            ("--public-url", self.public_url),
            ("--identifier-space", self.identifier_space),
            ("--schema-space", self.schema_space),
            ("--view-url", self.view_url),
        ):
            if value is not None and not _is_address(value):
                raise SettingError(f"{option} must be an address that begins with http:// or https://, got {value!r}")
        if self.public_url is not None and set("?#{") & set(self.public_url):
            raise SettingError(f"--public-url must end with the path at most, got {self.public_url!r}")
        if self.view_url is not None and ID_TEMPLATE not in self.view_url:
            raise SettingError(f"--view-url must hold {ID_TEMPLATE} where the id goes, got {self.view_url!r}")
        for origin in self.origins:
            check_origin(origin)


def base_address(request: Request, options: ReconciliationOptions) -> str:
    """Return the address of the server's root as the client sees it, without a slash at the end."""
    if options.public_url is not None:
        return options.public_url.rstrip("/")
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        server, port = request.scope.get("server") or ("127.0.0.1", 80)
        host = f"{server}:{port}"
    return f"{request.scope['scheme']}://{host}{request.scope.get('root_path', '')}".rstrip("/")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in text
    except ValueError:
        return False
