"""Which web pages of other origins may read answers (CORS), embed previews in a frame, and show pictures."""

import re
from collections.abc import Collection, Mapping
from typing import Final, final

from pgmel.errors import SettingError

__all__ = ["ANY_ORIGIN", "CrossOrigin", "check_origin"]

ANY_ORIGIN: Final = "*"

_LOOPBACK: Final = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?")
_LOOPBACK_FRAMES: Final = tuple(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1"))
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
_AGE_S: Final = 600


@final
class CrossOrigin:
    """The rule for pages of other origins.

    Pages that the reader's own machine serves are let in, whatever their port, as OpenRefine's are. Others have to be named, since a page
    anywhere could otherwise read what only this machine reaches.

    Args:
        shared: Paths that pages of other origins may read; each stands for itself and all below it.
        embedded: Paths whose content they may show, but not read, such as pictures.
        origins: Further origins, such as ``https://example.org``; ``*`` for any.
    """

    def __init__(self, shared: Collection[str], embedded: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self._shared, self._embedded = tuple(shared), tuple(embedded)
        self._any = ANY_ORIGIN in origins
        self._origins = frozenset(origin.lower() for origin in origins)

    @property
    def frame_ancestors(self) -> str:
        """Value of ``frame-ancestors`` in the policy of a page that may be embedded."""
        return ANY_ORIGIN if self._any else " ".join(("'self'", *_LOOPBACK_FRAMES, *sorted(self._origins)))

    def is_preflight(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Whether a browser asks beforehand whether it may send a request."""
        return method == "OPTIONS" and "access-control-request-method" in headers and _is_below(path, self._shared)

    def preflight_headers(self) -> dict[str, str]:
        """Return what the answer to a preflight says besides ``headers``."""
        return {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Request-ID",
            "Access-Control-Max-Age": str(_AGE_S),
        }

    def headers(self, path: str, origin: str | None) -> dict[str, str]:
        """Return the headers of an answer, for a path and the origin that asks."""
        shared = _is_below(path, self._shared)
        if not shared and not _is_below(path, self._embedded):
            return {}
        # One site is one host whatever the port, so the page of OpenRefine on this machine can show the pictures.
        found = {"Cross-Origin-Resource-Policy": "cross-origin" if self._any or self._origins else "same-site"}
        if shared:
            found["Vary"] = "Origin"
            if origin is not None and self._allows(origin):
                found["Access-Control-Allow-Origin"] = ANY_ORIGIN if self._any else origin
                found["Access-Control-Expose-Headers"] = "X-Request-ID, Retry-After"
        return found

    def _allows(self, origin: str) -> bool:
        return self._any or origin.lower() in self._origins or _LOOPBACK.fullmatch(origin.lower()) is not None


def check_origin(origin: str) -> None:
    """Check that an origin is one.

    Raises:
        SettingError: If it is not.
    """
    if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
        raise SettingError(f"--allow-origin must be http(s)://HOST[:PORT] without a path, or *, got {origin!r}")


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
