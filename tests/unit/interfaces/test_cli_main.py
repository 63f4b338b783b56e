"""What all commands share: help, exit codes, messages, interruptions."""

import importlib
import inspect
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer
from toy_runs import Outcome, ToyRun, run_cli, start_cli

import pgmel
from pgmel.errors import DataError, MissingExtraError, PgmelError
from pgmel.interfaces import cli
from pgmel.kb.sources import RowError
from pgmel.version import __version__


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    group = group or typer.main.get_command(cli.app)
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


def error_classes() -> list[type[PgmelError]]:
    """Return every class of our errors, wherever it is defined."""
    found = {PgmelError}
    for module in pkgutil.walk_packages(pgmel.__path__, "pgmel."):
        if module.name != "pgmel.__main__":
            values = vars(importlib.import_module(module.name)).values()
            found |= {value for value in values if inspect.isclass(value) and issubclass(value, PgmelError)}
    return sorted(found, key=lambda cls: cls.__name__)


def run_raising(monkeypatch: pytest.MonkeyPatch, error: BaseException, *options: str) -> Outcome:
    """Run a command whose work ends in an error."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr("pgmel.workflows.train.train", fail)
    return run_cli(*options, "train")


# Help


def test_every_command_is_there() -> None:
    names = {words[0] for words in commands() if words}
    measuring = {"evaluate", "calibrate", "report", "compare"}
    assert names == {"quickstart", "data", "train", "index", "link", "kb", "serve", "settings", "hub"} | measuring


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_help_has_an_example_that_names_the_command(words: tuple[str, ...]) -> None:
    shown = run_cli(*words, "--help")
    assert shown.code == 0
    text = " ".join(shown.out.split())
    if words in ((), ("data",), ("kb",), ("hub",)):  # groups list their commands
        assert "Commands" in text
    else:
        assert "Example" in text
        assert f"pgmel {' '.join(words)}" in text.split("Example", 1)[1]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_option_says_what_it_is_for(words: tuple[str, ...]) -> None:
    command: Any = typer.main.get_command(cli.app)
    for word in words:
        command = command.commands[word]
    assert (command.help or "").strip()
    silent = [parameter.name for parameter in command.params if not getattr(parameter, "help", None) and parameter.name != "help"]
    assert [name for name in silent if name not in ("install_completion", "show_completion")] == []


def test_exit_codes_are_in_the_help() -> None:
    text = " ".join(run_cli("--help").out.split())
    for part in ("0 done", "1 output", "2 wrong settings", "3 faulty data", "4 damaged", "5 missing encoder", "130 interrupted"):
        assert part in text, part


def test_version_is_shown() -> None:
    assert run_cli("--version") == Outcome(0, f"pgmel {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["nonsense"], ["train", "--nonsense"], ["evaluate"], ["index", "--kind", "exakt"]])
def test_wrong_usage_leaves_with_2(arguments: list[str]) -> None:
    outcome = run_cli(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Error" in outcome.err
    assert "Traceback" not in outcome.err


# Exit codes


def make_error(cls: type[PgmelError], message: str) -> PgmelError:
    if cls is MissingExtraError:
        return MissingExtraError("package", "data", message)
    return cls(message, "table.csv", "line 3") if issubclass(cls, RowError) else cls(message)


@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_an_error_leaves_with_its_code_and_message_and_no_traceback(monkeypatch: pytest.MonkeyPatch, cls: type[PgmelError]) -> None:
    odd = "something [bold]odd[/nope] happened"
    error = make_error(cls, odd)
    outcome = run_raising(monkeypatch, error)
    assert outcome.code == cls.exit_code
    assert (outcome.out, outcome.err) == ("", f"Error: {error}\n")


def test_every_exit_code_of_our_errors_is_documented() -> None:
    text = " ".join(cli.EXIT_CODES.split()).removeprefix("Exit codes: ")
    documented = {int(part.split()[0]) for part in text.removesuffix(".").split("; ")}
    assert {cls.exit_code for cls in error_classes()} | {0, 1} == documented
    assert len(error_classes()) >= 10


@pytest.mark.parametrize("error", [DataError("odd", "file", "line 3"), RuntimeError("odd"), PermissionError(13, "denied", "file")])
def test_debug_adds_the_traceback_and_keeps_code_and_message(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    plain, debug = run_raising(monkeypatch, error), run_raising(monkeypatch, error, "--debug")
    assert "Traceback" not in plain.err
    assert "Traceback (most recent call last)" in debug.err
    assert "in fail\n    raise error\n" in debug.err
    assert debug.code == plain.code
    assert debug.err.endswith(plain.err)
    assert debug.out == ""


def test_debug_may_stand_behind_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    run_raising(monkeypatch, RuntimeError("odd"))
    outcome = run_cli("train", "--debug")
    assert outcome.code == 1
    assert "Traceback" in outcome.err


def test_an_unexpected_fault_is_called_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run_raising(monkeypatch, RuntimeError("shapes [3] and [4]"))
    assert outcome.code == 1
    assert "Unexpected fault: RuntimeError: shapes [3] and [4]" in outcome.err
    assert "This is a bug in pgmel. Run the command again with --debug" in outcome.err


def test_a_full_disk_is_no_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run_raising(monkeypatch, OSError(28, "No space left on device", "runs/x"))
    assert outcome == Outcome(1, "", "Error: runs/x: No space left on device\n")


def test_an_interruption_leaves_with_130_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run_raising(monkeypatch, KeyboardInterrupt())
    assert outcome.code == 130
    assert outcome.err.startswith("interrupted; run the same command again")
    assert "linked files" in outcome.err
    assert outcome.out == ""


SLOW = """
import sys, time
import pgmel.datasets.loading as loading
import pgmel.workflows.material as material

def slowly(*arguments):
    print("reading", file=sys.stderr, flush=True)
    time.sleep(60)

material.load_dataset = slowly
from pgmel.interfaces.cli import main
main()
"""


def test_ctrl_c_before_training_ends_at_once_with_a_message(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW, "train", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "reading\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.startswith("interrupted; run the same command again")
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


SLOW_IMPORT = """
import sys, time
print("importing", file=sys.stderr, flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt as error:
    raise ImportError("some importers take it for a fault of their own") from error
"""


def test_ctrl_c_while_the_command_line_is_imported_ends_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(SLOW_IMPORT)  # found before the real one
    process = start_cli("settings", env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert process.stderr is not None
    assert process.stderr.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=30)
    assert (process.returncode, out, said) == (130, "", "")


def test_ctrl_c_is_passed_on_to_commands_again(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[Any] = []
    monkeypatch.setattr(cli, "main", lambda: handlers.append(signal.getsignal(signal.SIGINT)))
    from pgmel_start import main

    main()
    assert handlers == [signal.default_int_handler]


def test_where_ctrl_c_is_ignored_it_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[Any] = []
    monkeypatch.setattr(cli, "main", lambda: handlers.append(signal.getsignal(signal.SIGINT)))
    from pgmel_start import main

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert handlers == [signal.SIG_IGN]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_leaves_is_no_error_to_speak_of(options: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = start_cli("settings", *options, stdout=writer)
    os.close(writer)
    _, said = process.communicate(timeout=60)
    assert said == ""


# Messages


def test_messages_go_to_standard_error_and_quiet_stops_them(toy_run: ToyRun) -> None:
    arguments = ("evaluate", "--bundle", toy_run.folder / "bundle", "--data", toy_run.data, "--json")
    normal, quiet, debug = run_cli(*arguments), run_cli("--quiet", *arguments), run_cli("--debug", *arguments)
    assert "from the cache" in normal.err
    assert quiet.err == ""
    assert "INFO: " in debug.err
    assert normal.out == quiet.out == debug.out


def test_a_warning_passes_quiet(toy_run: ToyRun, tmp_path: Path) -> None:
    (tmp_path / "kb.jsonl").write_text(json.dumps({"id": "Q1", "name": "Congo", "images": ["gone.png"]}) + "\n")
    outcome = run_cli("--quiet", "index", "--model", toy_run.folder / "bundle", "--kb", tmp_path, "--out", tmp_path / "new")
    assert outcome.code == 0, outcome.err
    assert "gone.png" in outcome.err


def test_the_module_can_be_run() -> None:
    process = start_cli("--version")
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out, said) == (0, f"pgmel {__version__}\n", "")


def test_the_command_is_installed() -> None:
    from importlib.metadata import entry_points

    from pgmel_start import main

    [script] = entry_points(group="console_scripts", name="pgmel")
    assert script.load() is main
