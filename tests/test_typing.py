"""What a user writes against the public types passes the strictest type check."""

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

SCRIPT = """
from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import pgmel
from pgmel import NIL, BulkJob, BulkOptions, Candidate, Decision, Entity, InputOptions, KnowledgeBase, Link, Linker, Mention, PgmelError


def mentions(texts: dict[str, str]) -> Iterator[Mention]:
    for number, (surface, text) in enumerate(texts.items()):
        yield Mention(id=str(number), surface=surface, context=text, image=Path("photo.jpg"))


def answer(link: Link) -> str:
    if link.entity_id is NIL:
        return "none"
    assert_type(link.entity_id, str)
    best: Candidate = link.candidates[0]
    return f"{best.name} {best.score:.3f} {link.probability or 0.0:.3f} {' '.join(link.warnings)}"


def main(folder: Path, device: str = "cpu") -> int:
    try:
        with Linker.load(folder, device) as linker:
            assert_type(linker, Linker)
            links = linker.link([Mention("1", "Congo", "Back from Congo.")], top_k=3)
            assert_type(links, list[Link])
            for link in linker.stream(mentions({"Congo": "Back from Congo."}), batch_size=16):
                assert_type(link, Link)
                print(answer(link))
            assert_type(linker.kb, KnowledgeBase)
            entity = linker.kb.get("Q1")
            assert_type(entity, Entity)
            assert_type(linker.decision, Decision | None)
            options = BulkOptions(top_k=3, input=InputOptions(columns={"mention": "words"}))
            assert_type(BulkJob(Path("a.csv"), Path("b.csv"), "bundle", options).run(linker).nil, int)
    except pgmel.DataError as error:
        assert_type(error.place, str | None)
    except PgmelError as error:
        return error.exit_code
    assert_type(pgmel.__version__, str)
    return 0
"""

# Packages that pgmel stands on are passed over: looking into torch takes a minute.
SETTINGS = f"""
[mypy]
strict = True
mypy_path = {SOURCE}
[mypy-torch.*,transformers.*,numpy.*,scipy.*,sklearn.*,faiss.*,PIL.*,jaxtyping.*,pydantic.*,msgspec.*,rich.*,typer.*,safetensors.*]
follow_imports = skip
ignore_missing_imports = True
[mypy-pgmel.*]
ignore_errors = True
"""


def check(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    (folder / "mypy.ini").write_text(SETTINGS)
    (folder / "mine.py").write_text(script)
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", str(folder / "cache"), "mine.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mypy")
    return tmp_path_factory.mktemp("typing")


def test_a_script_against_the_public_types_passes(folder: Path) -> None:
    done = check(folder, SCRIPT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_use_of_the_public_types_is_told(folder: Path) -> None:
    wrong = SCRIPT.replace('[Mention("1", "Congo", "Back from Congo.")], top_k=3', '[], top_k="3"')
    wrong = wrong.replace("if link.entity_id is NIL:", "if False:")
    said = check(folder, wrong).stdout
    assert 'Argument "top_k" to "link" of "Linker" has incompatible type "str"; expected "int"' in said
    assert 'Expression is of type "str | Literal[NilType.NIL]", not "str"' in said
    assert "Found 2 errors" in said
