"""The documentation says what the package does: generated pages are fresh, links lead somewhere, commands and snippets fit the code."""

import ast
import importlib
import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from docs_blocks import DOCS, FENCE, PAGES, ROOT, blocks

from pgmel import errors
from pgmel.datasets import LAYOUTS, load_dataset
from pgmel.evaluation import EvaluationResult, Metrics, NilMetrics
from pgmel.interfaces.cli import app
from pgmel.linking import link_values
from pgmel.linking.explanation_lines import explanation_values
from pgmel.records import NIL, Candidate, Explanation, Link, Mention, PictureEffect, ScorePart, WordEffect
from pgmel.settings import Settings, read_settings, settings_from
from pgmel.workflows.compare import make_plan, read_matrix

COMMANDS: Any = typer.main.get_command(app)

INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)

all_pages = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> list[str]:
    return INLINE.findall(prose(page))


def shell_commands(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of every pgmel command in the shell blocks of a page."""
    for block in blocks(page, "sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            starts = [place for place, word in enumerate(words) if word.rsplit("/", 1)[-1] == "pgmel"]
            if starts:
                arguments = words[starts[0] + 1 :]
                ends = [place for place, word in enumerate(arguments) if word in ("|", ">", "&&", ";")]
                yield arguments[: ends[0]] if ends else arguments


def find_command(arguments: list[str]) -> tuple[Any, list[str]]:
    """Follow the names of commands; return the last one and what is left. A placeholder such as COMMAND stands for any."""
    command, path, rest = COMMANDS, ["pgmel"], list(arguments)
    while hasattr(command, "commands"):
        context = command.context_class(command, info_name=path[-1])
        rest = list(command.make_parser(context).parse_args(rest)[1])
        if not rest or rest[0].isupper():
            break
        assert rest[0] in command.commands, f"{' '.join(path)} has no command {rest[0]!r}"
        command = command.commands[rest[0]]
        path.append(rest.pop(0))
    return command, rest


def leaves(command: Any = COMMANDS, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, (*path, name))


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_settings", DOCS / "make_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_settings_page_is_up_to_date(generator: ModuleType) -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == generator.render_settings(), "run: python docs/make_settings.py"


def test_table_of_metrics_is_up_to_date(generator: ModuleType) -> None:
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert text == generator.renew_columns(text), "run: python docs/make_settings.py"


@all_pages
def test_relative_links_resolve(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and not anchor.startswith("pgmel."):  # of the API reference: the site's build knows them
            headings = {slug(heading) for heading in HEADING.findall(prose(file))}
            assert anchor in headings, f"{page.name} links to {target}; {file.name} has no such heading"


@all_pages
def test_commands_in_shell_blocks_parse(page: Path) -> None:
    for arguments in shell_commands(page):
        command, rest = find_command(arguments)
        if hasattr(command, "commands"):
            continue  # options of pgmel itself
        context = command.make_context(command.name, rest)
        read_settings(None, context.params.get("overrides") or [])


@all_pages
def test_commands_and_options_in_the_text_exist(page: Path) -> None:
    options = {option for _, command in [*leaves(), ((), COMMANDS)] for option in (*_options(command), "--help")}
    for code in inline_code(page):
        if code.startswith("pgmel "):
            command, rest = find_command(shlex.split(code)[1:])
            unknown = [word for word in rest if word.startswith("-") and word not in (*_options(command), "--help")]
            assert not unknown, f"{page.name}: `{code}` has unknown options"
        elif code.startswith("--"):
            assert code.split()[0] in options, f"{page.name} names the option {code}, which no command has"


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)


@pytest.mark.parametrize("path", [path for path, _ in leaves()], ids=" ".join)
def test_every_command_has_an_example(path: tuple[str, ...]) -> None:
    shown = [tuple(word for word in arguments if not word.startswith("-")) for arguments in shell_commands(DOCS / "command-line.md")]
    assert any(words[: len(path)] == path for words in shown)


def test_every_exit_code_is_explained() -> None:
    text = (DOCS / "command-line.md").read_text(encoding="utf-8")
    for name in errors.__all__:
        assert f"\n| {getattr(errors, name).exit_code} |" in text, f"the exit code of {name} is not in command-line.md"


@all_pages
def test_python_snippets_compile_and_import_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block.text, page.name, "exec")
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "pgmel":
                module = importlib.import_module(node.module or "")
                for name in node.names:
                    assert hasattr(module, name.name), f"{page.name} imports {name.name}, which {node.module} has not"
            elif isinstance(node, ast.Import):
                for name in node.names:
                    importlib.import_module(name.name)


@all_pages
def test_dotted_names_exist(page: Path) -> None:
    for code in inline_code(page):
        if re.fullmatch(r"pgmel(\.\w+)+", code):
            found: Any = importlib.import_module("pgmel")
            for place, part in enumerate(code.split(".")[1:], start=2):
                if not hasattr(found, part):
                    importlib.import_module(".".join(code.split(".")[:place]))
                found = getattr(found, part)


@all_pages
def test_json_snippets_parse(page: Path) -> None:
    for block in blocks(page, "json"):
        json.loads(block.text)
    for block in blocks(page, "jsonl"):
        for line in block.text.splitlines():
            json.loads(line)


@all_pages
def test_settings_named_in_the_text_exist(page: Path) -> None:
    known = Settings().model_dump()
    for code in inline_code(page):
        group, dot, name = code.partition(".")
        if dot and isinstance(known.get(group), dict) and re.fullmatch(r"\w+", name):
            assert name in known[group], f"{page.name} names {code}, which is not a setting"
    for block in blocks(page, "toml"):
        if block.label != "matrix.toml":
            settings_from(tomllib.loads(block.text), origin=page.name)


def test_the_matrix_file_shown_is_one(tmp_path: Path) -> None:
    [block] = [block for block in blocks(DOCS / "command-line.md", "toml") if block.label == "matrix.toml"]
    file = tmp_path / "matrices" / "shown.toml"
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.toml").touch()
    (tmp_path / "mine").mkdir()
    file.parent.mkdir()
    file.write_text(block.text, encoding="utf-8")
    cells = make_plan(read_matrix(file), file, tmp_path).cells
    assert {(cell.system, cell.settings.negatives.sampler) for cell in cells} == {("generator", "generator"), ("hardest", "hardest")}
    assert {cell.settings.negatives.num for cell in cells if cell.system == "hardest"} == {5}


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*.toml")), ids=lambda file: file.name)
def test_settings_in_configs_exist(file: Path) -> None:
    read_settings(file)


def test_the_data_set_shown_loads_without_a_fault(tmp_path: Path) -> None:
    for block in blocks(DOCS / "data-formats.md", "jsonl"):
        if block.label:
            (tmp_path / block.label).write_text(block.text, encoding="utf-8")
    dataset = load_dataset(tmp_path)
    assert [entity.id for entity in dataset.entities] == ["cog", "cod", "7"]
    assert [mention.entity_id for mention in dataset.splits["train"]] == ["cod", "7", NIL, None]


def test_the_links_shown_have_the_fields_that_are_written() -> None:
    written = link_values(Link("1", "Q1", 0.5, (Candidate("Q1", "one", 0.5, 0.5),)), Mention("1", "one"))
    shown = [json.loads(line) for block in blocks(DOCS / "data-formats.md", "jsonl") for line in block.text.splitlines()]
    shown = [line for line in shown if "warnings" in line]
    assert shown
    for line in shown:
        assert line.keys() == written.keys()
        assert all(candidate.keys() == written["candidates"][0].keys() for candidate in line["candidates"])


def test_the_explanation_shown_has_the_fields_that_are_written() -> None:
    word, picture = WordEffect("one", "mention", 0, 3, 0.1), PictureEffect(3, 3, (0.0,) * 9)
    written = explanation_values(Explanation((ScorePart("name", "text", 0.5),), words=(word,), picture=picture))
    [shown] = [found for block in blocks(DOCS / "data-formats.md", "json") if "parts" in (found := json.loads(block.text))]
    assert shown.keys() == written.keys()
    for name in ("parts", "words"):
        assert all(row.keys() == written[name][0].keys() for row in shown[name])
    for name in ("gates", "picture"):
        assert shown[name].keys() == written[name].keys()
    assert len(shown["picture"]["effects"]) == shown["picture"]["rows"] * shown["picture"]["columns"]
    for kind, value in shown["kinds"].items():
        assert sum(part["value"] for part in shown["parts"] if part["kind"] == kind) == pytest.approx(value)


def test_every_layout_is_described() -> None:
    text = (DOCS / "data-formats.md").read_text(encoding="utf-8")
    assert [name for name in LAYOUTS if f"\n| `{name}` |" not in text] == []


@pytest.mark.parametrize("kind", [EvaluationResult, Metrics, NilMetrics], ids=lambda kind: kind.__name__)
def test_every_figure_of_a_result_is_defined(kind: Any) -> None:
    rows = [line.split("|")[1] for line in prose(DOCS / "metrics.md").splitlines() if line.startswith("|")]
    defined = {code for row in rows for code in INLINE.findall(row)}
    assert {field.name for field in fields(kind)} - defined == set()
