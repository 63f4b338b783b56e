"""``pgmel kb`` from the outside."""

import zipfile
from pathlib import Path

import pytest
from toy_runs import ToyRun, run_cli


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "s.csv").write_text("Sku;Title;Price\n1;Congo;3\n2;Georgia;4\n3;;5\n")
    return tmp_path / "s.csv"


def test_from_a_table_to_links_and_changes(toy_run: ToyRun, source: Path, tmp_path: Path) -> None:
    built = run_cli("kb", "build", source, "--out", tmp_path / "kb", "--attributes", "Price", "--on-error", "skip")
    assert built.code == 0, built.err
    assert built.out.splitlines() == [
        f"2 entities; knowledge base: {tmp_path / 'kb'}",
        "columns: id = Sku, name = Title, attributes = Price",
    ]
    assert "bad rows left out: 1" in built.err
    assert "line 4" in built.err
    bundle = tmp_path / "bundle"
    assert run_cli("index", "--model", toy_run.folder / "bundle", "--kb", tmp_path / "kb", "--out", bundle).code == 0
    (tmp_path / "n.csv").write_text("id,name\n9,Samoa\n")
    assert run_cli("kb", "add", bundle, tmp_path / "n.csv").out == f"1 added; {bundle} has 3 entities\n"
    (tmp_path / "u.csv").write_text("id,name\n9,Korea\n")
    assert run_cli("kb", "update", bundle, tmp_path / "u.csv", "--json").json()["changed"] == 1
    (tmp_path / "r.txt").write_text("1\n")
    assert run_cli("kb", "remove", bundle, tmp_path / "r.txt").out == f"1 removed; {bundle} has 2 entities\n"
    found = run_cli("link", "--bundle", bundle, "--mention", "Korea", "--text", "In Korea.", "--json").json()
    assert found["candidates"][0]["id" if "id" in found["candidates"][0] else "entity_id"] == "9"
    checked = run_cli("kb", "check", bundle)
    assert checked.code == 0, checked.out
    assert "fault" not in checked.out


def test_columns_that_nothing_is_taken_from_are_named_in_one_line(source: Path, tmp_path: Path) -> None:
    built = run_cli("kb", "build", source, "--out", tmp_path / "kb", "--on-error", "skip")
    assert "\ncolumns left out: Price (--attributes takes them in)\n" in built.out
    (tmp_path / "wide.csv").write_text(",".join(["id", "name", *(f"c{number}" for number in range(23))]) + "\n")
    with (tmp_path / "wide.csv").open("a") as file:
        file.write("1,Congo" + "," * 23 + "\n")
    wide = run_cli("kb", "build", tmp_path / "wide.csv", "--out", tmp_path / "wide")
    assert "c18, c19, and 3 more (--attributes" in wide.out
    shown = run_cli("kb", "build", tmp_path / "wide.csv", "--out", tmp_path / "wide", "--overwrite", "--attributes", "*", "--json")
    assert shown.json()["unused_columns"] == []


def test_where_no_picture_is_found_the_option_for_their_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,name,photo\n1,Lamp,lamp.png\n2,Tent,\n")
    built = run_cli("kb", "build", tmp_path / "p.csv", "--out", tmp_path / "kb")
    assert "pictures: 1 named, 1 missing" in built.out
    assert "say where they are with --pictures" in built.err
    (tmp_path / "lamp.png").touch()
    assert "--pictures" not in run_cli("kb", "build", tmp_path / "p.csv", "--out", tmp_path / "kb2").err


def test_missing_pictures_are_named_where_they_were_looked_for_first(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,name,photo\n1,Lamp,lamp.png\n2,Tent,tent.png|a.png|b.png|c.png\n")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "lamp.png").touch()
    built = run_cli("kb", "build", tmp_path / "p.csv", "--out", tmp_path / "kb", "--pictures", tmp_path / "photos")
    named = [f"  picture missing: line 3, 2: {tmp_path / 'photos' / name}" for name in ("tent.png", "a.png", "b.png")]
    assert built.err.splitlines() == [*named, "  and more"]
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("lamp.png", b"")
    packed = run_cli("kb", "build", tmp_path / "p.csv", "--out", tmp_path / "kb2", "--pictures", tmp_path / "photos.zip")
    assert packed.err.splitlines()[0] == f"  picture missing: line 3, 2: {tmp_path / 'kb2' / 'pictures' / 'photos.zip' / 'tent.png'}"
    added = run_cli("kb", "update", tmp_path / "kb", tmp_path / "p.csv")
    assert f"picture missing: line 2, 1: {tmp_path / 'lamp.png'}" in added.err


def test_a_fault_of_a_bundle_has_its_exit_code(toy_run: ToyRun, tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    checked = run_cli("kb", "check", tmp_path, "--json")
    assert checked.code == 4
    assert "fault" in {finding["level"] for finding in checked.json()}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("build", "{source}", "--out", "{tmp}/kb"), 3, "line 4: the entity '3' has no name"),
        (("build", "{source}", "--out", "{tmp}/kb", "--name", "Titel"), 2, "did you mean 'Title'?"),
        (("build", "{source}", "--out", "{tmp}/kb", "--id", "Sku", "--name", "Sku", "--format", "jsonl"), 3, "no record has any field"),
        (("build", "{tmp}/none.csv", "--out", "{tmp}/kb"), 3, "does not exist"),
        (("build", "{source}", "--out", "{source}/kb"), 4, "s.csv/kb cannot be written: {source} is a file"),
        (("add", "{tmp}", "{source}"), 4, "is neither a bundle nor a knowledge base"),
        (("check", "{tmp}/none"), 4, "does not exist"),
    ],
)
def test_bad_input_is_told_clearly(source: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    outcome = run_cli("kb", *(argument.format(source=source, tmp=tmp_path) for argument in arguments))
    assert outcome.code == code
    assert message.format(source=source) in outcome.err
    assert "Traceback" not in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


def test_a_doubt_without_a_terminal_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,title,label\n1,a,b\n")
    outcome = run_cli("kb", "build", tmp_path / "s.csv", "--out", tmp_path / "kb")
    assert outcome.code == 2
    assert "say --name and one of 'title', 'label'" in outcome.err
