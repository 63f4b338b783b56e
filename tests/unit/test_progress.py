"""Progress bars, looked at through a pseudo-terminal."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")

HEAD = "import logging, time\nfrom pgmel.progress import message_console, progress_bar, track\n"
WALK = (
    HEAD
    + """
with progress_bar("walking", 6, unit="steps", show={show}) as bar:
    for _ in range(6):
        time.sleep(0.12)
        bar.advance()
"""
)
COLOUR = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]")


def watch(code: str) -> str:
    """Run code in a terminal 120 columns wide; return all that it wrote, without colours."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "20"}
    process = subprocess.Popen([sys.executable, "-c", code], stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    written = b""
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not block:
            break
        written += block
    os.close(leader)
    assert process.wait(timeout=60) == 0, written.decode()
    return COLOUR.sub("", written.decode())


def screen(written: str) -> list[str]:
    """Return the lines that are left on the screen: what a terminal makes of returns, erased lines and steps up."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            column = 0
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part == "\x1b[1A":
            row -= 1
        else:
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def walk() -> str:
    return watch(WALK.format(show=True))


def test_a_bar_shows_title_and_count(walk: str) -> None:
    assert "walking" in walk
    assert [f"{count}/6" for count in range(7) if f" {count}/6 " in walk][-1] == "6/6"


def test_a_bar_shows_the_rate(walk: str) -> None:
    rates = [float(rate) for rate in re.findall(r"([\d.]+) steps/s", walk)]
    assert rates
    assert all(0.5 < rate < 9 for rate in rates), "0.12 s a step are 8.3 steps a second at most"


def test_a_bar_shows_the_remaining_time(walk: str) -> None:
    assert re.search(r"left 0:00:0\d", walk)


def test_a_finished_bar_is_wiped_off(walk: str) -> None:
    assert screen(walk) == []


def test_a_bar_that_is_not_wanted_stays_away() -> None:
    assert watch(WALK.format(show=False)) == ""


def test_nothing_is_written_where_nobody_watches() -> None:
    done = subprocess.run([sys.executable, "-c", WALK.format(show=True)], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_message_stands_above_the_running_bar() -> None:
    code = (
        "import pgmel.interfaces.cli as cli\n"
        + HEAD
        + "cli.options()\n"
        + 'with progress_bar("walking", 4) as bar:\n    bar.advance(2)\n    time.sleep(0.2)\n'
        + '    logging.getLogger("pgmel.test").warning("look out")\n    time.sleep(0.2)\n'
        + 'print("end")\n'
    )
    assert screen(watch(code)) == ["look out", "end"]


def test_a_resumed_bar_starts_where_the_job_stopped() -> None:
    code = HEAD + 'with progress_bar("walking", 9, done=5) as bar:\n    bar.describe("running")\n    bar.advance(2)\n    time.sleep(0.3)\n'
    written = watch(code)
    assert "7/9" in written
    assert "running" in written


def test_a_bar_of_unknown_length_counts() -> None:
    assert "3/?" in watch(HEAD + 'with progress_bar("walking", None) as bar:\n    bar.advance(3)\n    time.sleep(0.3)\n')


def test_track_gives_every_item(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from pgmel.progress import track

    assert list(track(range(5), "walking", total=5)) == [0, 1, 2, 3, 4]
    assert capfd.readouterr() == ("", "")


def test_an_error_ends_the_bar() -> None:
    from pgmel.progress import message_console, progress_bar

    inside = []

    def walk_into_an_error() -> None:
        with progress_bar("walking", 3):
            inside.extend([message_console(), message_console()])
            raise KeyError

    with pytest.raises(KeyError):
        walk_into_an_error()
    assert inside[0] is inside[1]
    assert message_console() is not inside[0]


WAIT = """
import logging, sys, time
logging.basicConfig(level=logging.{level}, format="%(message)s")
from pgmel.progress import waiting
with waiting("loading the bundle [x]", tell={tell}):
    time.sleep(0.3)
print("loaded")
"""


def test_what_is_waited_for_is_shown_with_the_time_and_gone_afterwards() -> None:
    written = watch(WAIT.format(level="INFO", tell=True))
    assert re.search(r"loading the bundle \[x\] 0:00:00", written)
    assert [line.strip() for line in screen(written) if line.strip()] == ["loaded"]


def test_where_messages_are_turned_off_there_is_no_spinner_either() -> None:
    assert "loading" not in watch(WAIT.format(level="WARNING", tell=True))


@pytest.mark.parametrize(("tell", "expected"), [(True, "loading the bundle [x]\n"), (False, "")])
def test_without_a_terminal_waiting_is_a_message(tell: bool, expected: str) -> None:
    done = subprocess.run([sys.executable, "-c", WAIT.format(level="INFO", tell=tell)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("loaded\n", expected)
