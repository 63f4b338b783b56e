"""``pgmel link --explain`` from the outside: one mention, and a file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from toy_bundle import draw_picture, write_toy_bundle
from typer.testing import CliRunner

from pgmel.interfaces.commands.link import link
from pgmel.interfaces.commands.link_explanations import show_explanations
from pgmel.records import Candidate, Explanation, Link, PictureEffect, ScorePart

app = typer.Typer()
app.command()(link)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", None)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def check(candidate: Mapping[str, Any]) -> None:
    parts = candidate["explanation"]["parts"]
    assert sum(part["value"] for part in parts) == pytest.approx(candidate["score"], abs=1e-5)
    assert sum(candidate["explanation"]["kinds"].values()) == pytest.approx(candidate["score"], abs=1e-5)


def test_parts_and_words_are_shown(bundle: Path, tmp_path: Path) -> None:
    seen = draw_picture(tmp_path / "seen.png", "red")
    mention = ("--bundle", bundle, "--text", "The flag of Samoa.", "--mention", "Samoa", "--image", seen, "--top-k", 2)
    shown = run(*mention, "--explain")
    assert all(text in shown for text in ("= spelling", "+ picture", "name match", "Why Samoa has", "parts: lexical +"))
    assert "words for it: Samoa +" in shown
    assert "parts of the picture for it: " in shown
    assert "share of text in the gates: mention 50%, entity 50%" in shown
    assert "Why" not in run(*mention)


def test_one_mention_as_json(bundle: Path) -> None:
    link = json.loads(run("--bundle", bundle, "--text", "The Samoa.", "--mention", "Samoa", "--explain", "--json", "--top-k", 3))
    assert len(link["candidates"]) == 3
    for candidate in link["candidates"]:
        check(candidate)
    words = link["candidates"][0]["explanation"]["words"]
    assert [(word["word"], word["place"], word["start"], word["end"]) for word in words] == [
        ("Samoa", "mention", 4, 9),
        ("The", "context", 0, 3),
    ]


def test_a_file_is_written_with_explanations(bundle: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "mentions.jsonl", tmp_path / "links.jsonl"
    source.write_text('{"mention": "Samoa", "context": ""}\n{"mention": "Congo", "context": "In Congo."}\n')
    run("--bundle", bundle, "--input", source, "--output", output, "--explain", "--top-k", 2)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [len(line["candidates"]) for line in lines] == [2, 2]
    for line in lines:
        for candidate in line["candidates"]:
            check(candidate)


def shown(explanation: Explanation) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        show_explanations(console, Link("m", "Q1", None, (Candidate("Q1", "[b]one", 0.5, None, explanation),)))
    return captured.get()


def test_what_is_not_there_is_not_shown() -> None:
    text = shown(Explanation((ScorePart("name", "text", 0.5),)))
    assert "[b]one" in text
    assert not any(word in text for word in ("spelling", "picture", "words", "gates", "ranked again"))


def test_parts_of_the_re_ranker_are_shown_apart() -> None:
    again = (ScorePart("years", "text", -0.1, "reranker"), ScorePart("pronouns", "text", 0.0, "reranker"))
    text = shown(Explanation((ScorePart("name", "text", 0.6), *again)))
    assert "parts: name +0.600\n" in text
    assert "ranked again: years -0.100\n" in text


def test_the_parts_of_the_picture_have_names() -> None:
    text = shown(Explanation((), picture=PictureEffect(3, 3, (0, 0, 0, 0, 0.2, 0, 0, 0, -0.1))))
    assert "parts of the picture for it: middle +0.200\n" in text
    assert "parts of the picture against it: bottom right -0.100\n" in text
