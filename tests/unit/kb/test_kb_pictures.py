"""Pictures out of archives and from the web: what is asked for comes, and nothing gets where it should not."""

import http.server
import io
import socket
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pgmel.errors import DataError
from pgmel.kb.picture_sources import FetchFault, FetchLimits, PictureFinder, extract_pictures, fetch_picture, is_archive, is_public
from pgmel.kb.picture_sources import fetching as fetching_module


def png(size: int = 16) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (size, size), "red").save(content, "PNG")
    return content.getvalue()


UNSAFE = ("../out.png", "/abs.png", "a/../../out.png", "..\\out.png", "C:\\out.png", "x" * 300 + ".png")


def make_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name in ("a.png", "sub/b.PNG", "notes.txt", *UNSAFE):
            zipped.writestr(name, png())
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, "/etc/passwd")
    return path


def make_tar(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name in ("a.png", "sub/b.PNG", "notes.txt", *UNSAFE):
            member = tarfile.TarInfo(name)
            member.size = len(png())
            tar.addfile(member, io.BytesIO(png()))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_archives_give_pictures_and_nothing_leaves_the_folder(make: object, tmp_path: Path) -> None:
    archive = make(tmp_path / "pictures.bin")  # type: ignore[operator]
    assert is_archive(archive)
    found = extract_pictures(archive, tmp_path / "in" / "folder", show_progress=False)
    assert (found.pictures, found.others, found.refused) == (2, 1, len(UNSAFE) + 1)
    assert {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if not file.is_dir()} == {
        "pictures.bin",
        "in/folder/a.png",
        "in/folder/sub/b.PNG",
    }


def test_a_picture_that_unpacks_too_large_is_refused_whatever_its_header_says(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("bomb.png", bytes(5_000_000))
        zipped.writestr("fine.png", png())
    found = extract_pictures(tmp_path / "a.zip", tmp_path / "out", max_file_bytes=100_000, show_progress=False)
    assert (found.pictures, found.refused) == (1, 1)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["fine.png"]
    with pytest.raises(DataError, match="take more than 1,000 bytes"):
        extract_pictures(tmp_path / "a.zip", tmp_path / "out", max_total_bytes=1000, show_progress=False)


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(DataError, match="cannot be read any further"):
        extract_pictures(archive, tmp_path / "out", show_progress=False)


def test_pictures_are_looked_up_in_order_and_with_underscores(tmp_path: Path) -> None:
    for name in ("one/a.png", "two/a.png", "two/My_lamp.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    finder = PictureFinder([tmp_path / "one", tmp_path / "two"], tmp_path)
    assert finder.find("a.png") == (tmp_path / "one" / "a.png", True)
    assert finder.find("My lamp.png") == (tmp_path / "two" / "My_lamp.png", True)
    assert finder.find("one/../gone.png") == (tmp_path / "one" / "gone.png", False)  # where it was expected first
    assert PictureFinder([], tmp_path).find("gone.png") == (tmp_path / "gone.png", False)
    assert finder.find("nul\x00.png")[1] is False


def test_pictures_called_like_an_entity_are_its_own(tmp_path: Path) -> None:
    for name in ("7.jpg", "7_2.png", "7/front.png", "77.jpg", "7.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = PictureFinder([tmp_path], tmp_path).of_entity("7")
    assert {path.relative_to(tmp_path).as_posix() for path in found} == {"7.jpg", "7_2.png", "7/front.png"}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("64:ff9b::808:808", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("no address", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/to-private":
            self.answer(302, location="http://secret.test/a.png")
        elif path == "/loop":
            self.answer(302, location="/loop")
        elif path == "/moved":
            self.answer(301, location="/a.png")
        elif path == "/page":
            self.answer(200, "text/html", b"<html>")
        elif path == "/lies":
            self.answer(200, "image/png", b"<html>")
        elif path == "/drip":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
            for _ in range(50):
                self.wfile.write(b"X-More: 1\r\n")
                time.sleep(0.1)
        elif path == "/a.png":
            self.answer(200, "image/png", png())
        elif path == "/large":
            self.answer(200, "image/png", b"x" * 5000, length=False)
        else:
            self.answer(404)

    def answer(self, status: int, kind: str = "", body: bytes = b"", location: str = "", length: bool = True) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Location", location), ("Content-Length", str(len(body)) if length else "")):
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that the name ``pictures.test`` leads to, taken for public; ``secret.test`` leads to it, too, as a private address."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass

    running = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    port = running.server_address[1]

    def resolve(host: str, port: int, **options: object) -> list[tuple[object, ...]]:
        address = {"pictures.test": "8.8.8.8", "secret.test": "10.0.0.1"}[host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def lead(address: tuple[str, int], timeout: float) -> socket.socket:
        assert address[0] == "8.8.8.8", "the checked address is the one that is asked"
        connected = socket.socket()
        connected.settimeout(timeout)
        connected.connect(("127.0.0.1", port))
        return connected

    monkeypatch.setattr(fetching_module.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(fetching_module.socket, "create_connection", lead)
    yield f"http://pictures.test:{port}"
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/a.png", "/moved", "/a.png?x=ä b"])
def test_a_picture_is_fetched_once(server: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fetch_picture(server + path, tmp_path, FetchLimits())
    assert (found.suffix, found.read_bytes()) == (".png", png())
    monkeypatch.setattr(fetching_module, "_get", None)
    assert fetch_picture(server + path, tmp_path, FetchLimits()) == found


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/none", "answered 404"),
        ("/page", "sent text/html"),
        ("/lies", "no usable picture"),
        ("/large", "more than 1,000 bytes"),
        ("/loop", "more than 5 redirects"),
        ("/to-private", r"secret\.test is an address of a private network \(10\.0\.0\.1\)"),
        ("/drip", "took too long"),
    ],
)
def test_what_may_not_or_cannot_be_fetched(server: str, path: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(FetchFault, match=reason):
        fetch_picture(server + path, tmp_path, FetchLimits(max_bytes=1000, timeout_s=0.5 if path == "/drip" else 10))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/a.png", "http://localhost/a.png", "http://[::1]/a.png", "http://2130706433/a.png", "http://0x7f.1/a.png"],
)
def test_this_machine_is_never_asked(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching_module.socket, "create_connection", None)
    with pytest.raises(FetchFault, match=r"private network|cannot be resolved"):
        fetch_picture(url, tmp_path, FetchLimits())


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://8.8.8.8/a.png", "http://user:pw@8.8.8.8/a.png", "http:///a.png"])
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchFault, match="the address"):
        fetch_picture(url, tmp_path, FetchLimits())
