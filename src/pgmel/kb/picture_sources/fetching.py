"""Fetch pictures from the web, without being led astray.

An address comes from somebody's table, so it may be meant to make this machine ask its own network for something. Every name is resolved
once, every address it resolves to must be public, and the connection goes to that very address: a name that changes its mind between the
check and the connection gains nothing. Redirects are followed by hand, each checked in the same way. Size, time, and type are limited.
"""

import contextlib
import hashlib
import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final
from urllib.parse import quote, urljoin, urlsplit

from pgmel.files import write_bytes
from pgmel.pictures import PICTURE_FORMATS, PictureFault, open_picture
from pgmel.version import __version__

__all__ = ["FetchFault", "FetchLimits", "fetch_picture", "is_public"]

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_BLOCK: Final = 1 << 16
_NAT64: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_ENDINGS: Final = {"JPEG": ".jpg", "TIFF": ".tif", "JPEG2000": ".jp2"}


class FetchFault(Exception):  # noqa: N818 - it says what is wrong with one picture, and seldom stops anything
    """A picture cannot or may not be fetched; the text is the reason, without the address."""


@final
@dataclass(frozen=True)
class FetchLimits:
    """Most bytes of a picture, most seconds for one (all redirects together), and most redirects."""

    max_bytes: int = 20_000_000
    timeout_s: float = 20.0
    max_redirects: int = 5


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; an IPv6 address that carries an IPv4 one must do so on both counts."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if any(ip in network for network in _NAT64):
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        carried = [found for found in inner if found is not None]
        if carried:
            return all(is_public(str(found)) for found in carried)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def fetch_picture(url: str, folder: Path, limits: FetchLimits) -> Path:
    """Fetch a picture into a folder; one that was fetched before is not fetched again.

    Args:
        url: ``http`` or ``https``.
        folder: Where it is written, under a name made of the address.
        limits: Of size, time and redirects.

    Raises:
        FetchFault: If the address is refused, the server does not answer with a picture, or a limit is passed.
    """
    stem = hashlib.blake2b(url.encode("utf-8", "replace"), digest_size=16).hexdigest()
    for known in folder.glob(f"{stem}.*"):
        return known
    content = _get(url, limits)
    try:
        open_picture(content, target=8)
        picture_format = _format_of(content)
    except PictureFault as fault:
        raise FetchFault(f"what came is no usable picture ({fault.reason})") from None
    path = folder / f"{stem}{_ENDINGS.get(picture_format, f'.{picture_format.lower()}')}"
    write_bytes(path, content)
    return path


def _get(url: str, limits: FetchLimits) -> bytes:
    deadline = time.monotonic() + limits.timeout_s
    for _ in range(limits.max_redirects + 1):
        try:
            answer = _ask(url, limits, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            _left(deadline)
            raise FetchFault(f"the server cannot be reached ({str(error) or type(error).__name__})") from None
        if isinstance(answer, bytes):
            return answer
        url = urljoin(url, answer)
    raise FetchFault(f"more than {limits.max_redirects} redirects")


def _ask(url: str, limits: FetchLimits, deadline: float) -> bytes | str:
    """Make one request; return the content, or the address that the server points to."""
    connection, target = _connect(url, deadline)
    # A server that sends one byte a second keeps every single read short; only cutting the line ends that in time.
    watch = threading.Timer(_left(deadline), _cut, [connection.sock])
    watch.daemon = True
    watch.start()
    try:
        headers = {"User-Agent": f"pgmel/{__version__}", "Accept": "image/*", "Accept-Encoding": "identity"}
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        _left(deadline)  # headers that were cut short look like whole ones
        if response.status in _REDIRECTS and (location := response.getheader("Location")):
            return location
        if response.status != 200:
            raise FetchFault(f"the server answered {response.status} {response.reason}")
        kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
        if not kind.startswith("image/") and kind != "application/octet-stream":
            raise FetchFault(f"the server sent {kind or 'nothing known'}, not a picture")
        length = response.getheader("Content-Length") or ""
        if length.isdigit() and int(length) > limits.max_bytes:
            raise FetchFault(f"it has {int(length):,} bytes, more than {limits.max_bytes:,}")
        return _read(response, connection, limits, deadline)
    finally:
        watch.cancel()
        connection.close()


def _read(response: http.client.HTTPResponse, connection: http.client.HTTPConnection, limits: FetchLimits, deadline: float) -> bytes:
    content = io.BytesIO()
    while True:
        if connection.sock is not None:
            connection.sock.settimeout(_left(deadline))
        block = response.read1(_BLOCK)
        _left(deadline)
        if not block:
            return content.getvalue()
        content.write(block)
        if content.tell() > limits.max_bytes:
            raise FetchFault(f"it has more than {limits.max_bytes:,} bytes")


def _connect(url: str, deadline: float) -> tuple[http.client.HTTPConnection, str]:
    """Return a connection to a checked address of the server, and what to ask it for."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme.lower() not in ("http", "https") or not host:
        raise FetchFault("the address is none of http or https")
    if parts.username is not None or parts.password is not None:
        raise FetchFault("the address holds a user name or password")
    secure = parts.scheme.lower() == "https"
    port = parts.port or (443 if secure else 80)
    address = _resolve(host, port)
    plain = socket.create_connection((address, port), timeout=_left(deadline))
    connection: http.client.HTTPConnection
    try:
        if secure:
            connection = http.client.HTTPSConnection(host, port, timeout=_left(deadline))
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=_left(deadline))
            connection.sock = plain
    except BaseException:
        plain.close()
        raise
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else "")
    return connection, target


def _resolve(host: str, port: int) -> str:
    """Return an address of a host, all of whose addresses are public."""
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise FetchFault(f"the name {host} cannot be resolved ({error})") from None
    inside = [address for address in found if not is_public(address)]
    if inside or not found:
        raise FetchFault(f"{host} is an address of a private network ({', '.join(inside)}), which is never asked")
    return found[0]


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise FetchFault("it took too long")
    return left


def _format_of(content: bytes) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=[name for name in PICTURE_FORMATS if name in Image.OPEN] or None) as picture:
            return picture.format or "bin"
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        raise PictureFault("unsupported", "it is no picture of a known format") from None
