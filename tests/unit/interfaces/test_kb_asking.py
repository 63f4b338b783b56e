"""Asking the person at the terminal which column is meant."""

import pytest
import typer

from pgmel.interfaces.commands.kb_options import ask_person


def test_the_question_is_put_again_until_the_number_is_on_the_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    answers = iter([0, 3, 2])
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(answers))
    ask = ask_person()
    assert ask is not None
    assert ask("id", ["sku", "code"]) == "code"
    assert next(answers, None) is None
    assert "1  sku" in capsys.readouterr().err


def test_nobody_is_asked_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert ask_person() is None
