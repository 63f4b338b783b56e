"""Every command and snippet of the documentation runs, page by page, on small files; or stands on a short list with the reason."""

import contextlib
import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from docs_blocks import DOCS, PAGES, ROOT, Block, blocks, commands_of
from docs_world import make_once, make_world
from toy_runs import run_cli, set_options

DATA_FILES = {"csv", "json", "jsonl", "toml"}
"""Languages of blocks that hold data; test_docs.py reads them all, and those whose title is a file's name are written here too."""

KNOWN = {"sh", "python", "text", *DATA_FILES}
SERVER = "http://127.0.0.1:8000"
"""Where the pages say that a server is."""

IN_A_SHELL = {"cat", "curl", "echo", "head", "ls", "mkdir", "python"}
"""Programs, other than pgmel, that are run as written."""


class NotRun(NamedTuple):
    """Commands or Python snippets that are not run: a pattern of the whole, the page (or any), and why."""

    pattern: str
    reason: str
    page: str = ""


NOT_RUN = (
    NotRun(r"make .*", "set-up and long experiments; continuous integration begins with the first two of the README"),
    NotRun(r"\. \.venv/bin/activate.*", "changes the reader's shell"),
    NotRun(r"(\.venv/bin/python -m )?pip install .*", "needs a package index"),
    NotRun(r"(OMP_NUM_THREADS=1 )?python benchmarks/.*", "minutes to hours on real data; the scripts have tests of their own"),
    NotRun(r"pgmel quickstart .*", "a minute and a half; continuous integration runs it before the tests"),
    NotRun(r"pgmel compare .*", "minutes to hours; test_cli_compare.py runs the command on a toy matrix"),
    NotRun(r"pgmel evaluate .* DATA/richpediamel .*", "needs real data and trained bundles; other pages run the command", "experiments.md"),
    NotRun(r"torchrun .*", "starts several processes; test_training_processes has them"),
    NotRun(r"pgmel hub (push|pull) .*", "needs the hub; test_linking_publishing.py has a stand-in"),
    NotRun(r".*Linker\.from_pretrained\(\"OWNER/NAME\".*", "needs the hub; test_linking_publishing.py has a stand-in", "hugging-face.md"),
    NotRun(r"linker\.push_to_hub\(.*", "needs the hub; test_linking_publishing.py has a stand-in", "hugging-face.md"),
    NotRun(r".*(curl|openssl).*", "test_http_docs.py runs them on a server of its own", "serve.md"),
    NotRun(r"PGMEL_TOKEN=\.\.\. pgmel serve .*", "serves to the whole network, and needs the rights for port 80"),
)

MORE_OPTIONS = {
    frozenset({"train", "--data"}): set_options(),
    frozenset({"train", "--config"}): set_options(),
    frozenset({"index", "--zero-shot"}): ["--set", "features.text_encoder=none"],
}
"""Options added to commands that have these words, so that they take a second."""

AS_WRITTEN = {"tutorial.md"}
"""Pages whose readers start with nothing and do each step as it is written."""


def check_tutorial(folder: Path) -> None:
    """Check that all six posts come out right, as the tutorial says."""
    with (folder / "links.csv").open(encoding="utf-8", newline="") as file:
        assert [row["entity_id"] for row in csv.DictReader(file)] == ["T1", "B1", "K1", "H1", "S1", "R1"]


CLAIMS: dict[str, Callable[[Path], None]] = {"tutorial.md": check_tutorial}
"""What a page says of its own results, checked where the reader ends."""


def pages_with_code() -> list[Path]:
    return [page for page in PAGES if blocks(page, "sh", "python")]


def why_not(code: str, page: Path) -> str | None:
    """Return the reason for which a command or snippet is not run, or None."""
    return next((one.reason for one in NOT_RUN if matches(one, code, page)), None)


def matches(one: NotRun, code: str, page: Path) -> bool:
    return one.page in ("", page.name) and re.fullmatch(one.pattern, code.partition("  #")[0].strip(), re.DOTALL) is not None


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_once(tmp_path_factory, "docs-cache", lambda _: None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    def make(folder: Path) -> None:
        make_world(folder, cache)
        (folder / "configs").symlink_to(ROOT / "configs")

    return make_once(tmp_path_factory, "docs-world", make)


class Reader:
    """Somebody who reads a page and does what it says, in an own folder."""

    def __init__(self, page: Path, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._names: dict[str, Any] = {"__name__": "__docs__"}
        self._server = contextlib.ExitStack()
        self._address = SERVER

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def follow(self, block: Block) -> None:
        if block.is_file and block.language in {"python", *DATA_FILES}:
            (self._folder / block.label).parent.mkdir(parents=True, exist_ok=True)
            (self._folder / block.label).write_text(block.text, encoding="utf-8")
        elif block.language == "python" and why_not(block.text, self._page) is None:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block.text, self._page.name, "exec"), self._names)
        elif block.language == "sh":
            for command, words in commands_of(block.text):
                if why_not(command, self._page) is None:
                    self._run(command, words)

    def _run(self, command: str, words: list[str]) -> None:
        if words[:2] == ["pgmel", "serve"]:
            self._serve(Path(words[words.index("--bundle") + 1]))
        elif words[0] == "pgmel" and not {"|", ">", "&&", ";"} & set(words):
            arguments = self._arguments(words[1:])
            if self._page.name not in AS_WRITTEN:
                self._make_room(arguments)
            outcome = run_cli(*arguments)
            assert outcome.code == 0, f"{self._page.name}: {command}\nleft with {outcome.code}:\n{outcome.out}{outcome.err}"
        elif words[0] in IN_A_SHELL:
            self._in_a_shell(command)
        else:
            raise AssertionError(f"{self._page.name}: nothing runs this command, and NOT_RUN gives no reason: {command}")

    def _arguments(self, words: list[str]) -> list[str]:
        more = [option for marks, options in MORE_OPTIONS.items() if marks <= set(words[:4]) for option in options]
        return [*words, *([] if self._page.name in AS_WRITTEN else more)]

    def _make_room(self, arguments: list[str]) -> None:
        """Remove what an example is to write and an example before it, or the world, has written already."""
        for option, value in pairwise(arguments):
            if option in ("--out", "--output") and (target := self._folder / value).exists():
                shutil.rmtree(target) if target.is_dir() else target.unlink()

    def _in_a_shell(self, command: str) -> None:
        if "curl" in command and shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
        environment = {**os.environ, "PATH": path, "no_proxy": "*", "OMP_NUM_THREADS": "1"}
        script = "set -e -o pipefail\n" + command.replace("curl ", "curl --silent --show-error --fail-with-body ")
        done = subprocess.run(
            ["bash", "-c", script.replace(SERVER, self._address)],
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{self._page.name}: {command}\nleft with {done.returncode}:\n{done.stdout}{done.stderr}"

    def _serve(self, bundle: Path) -> None:
        from serving import serving

        from pgmel.interfaces.http import create_app
        from pgmel.linking import Linker

        self._server.close()
        linker = self._server.enter_context(Linker.load(bundle))
        self._address = self._server.enter_context(serving(create_app(linker))).address


@pytest.mark.parametrize("page", pages_with_code(), ids=lambda page: page.name)
def test_a_reader_can_do_what_the_page_says(page: Path, world: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    if page.name in AS_WRITTEN:
        folder.mkdir()
    else:
        shutil.copytree(world, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PGMEL_CACHE", str(cache))
    with Reader(page, folder) as reader:
        for block in blocks(page):
            reader.follow(block)
    CLAIMS.get(page.name, lambda _: None)(folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_known_kind(page: Path) -> None:
    assert {block.language for block in blocks(page)} <= KNOWN


def test_no_reason_is_left_over() -> None:
    shown = [(page, code) for page in PAGES for code in _all_code(page)]
    assert [one.pattern for one in NOT_RUN if not any(matches(one, code, page) for page, code in shown)] == []


def test_an_unknown_command_is_noticed(tmp_path: Path) -> None:
    with Reader(DOCS / "kb.md", tmp_path) as reader, pytest.raises(AssertionError, match=r"NOT_RUN gives no reason: rm -rf everything"):
        reader.follow(Block("sh", "", "rm -rf everything\n"))


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    with Reader(DOCS / "kb.md", tmp_path) as reader, pytest.raises(AssertionError, match="left with 4"):
        reader.follow(Block("sh", "", f"pgmel kb check {tmp_path / 'none'}\n"))


def _all_code(page: Path) -> Iterator[str]:
    for block in blocks(page, "sh"):
        yield from (command for command, _ in commands_of(block.text))
    yield from (block.text for block in blocks(page, "python"))
