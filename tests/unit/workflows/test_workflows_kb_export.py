"""A KB written out as JSON lines."""

from pathlib import Path

import pytest

from pgmel.datasets import load_dataset
from pgmel.errors import KnowledgeBaseError
from pgmel.kb import KnowledgeBase
from pgmel.records import Entity
from pgmel.workflows.kb import export_kb

ENTITIES = (
    Entity("Q1", "Congo", ("Zaïre", "DRC"), "a country", (Path("/pictures/1.png"),), {"capital": "Kinshasa"}),
    Entity("Q2", "Georgia"),
)


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    KnowledgeBase.create(tmp_path / "kb.sqlite", ENTITIES).close()
    return tmp_path


def test_a_data_set_reads_what_is_written(kb: Path, tmp_path: Path) -> None:
    assert export_kb(kb, tmp_path / "data" / "kb.jsonl") == 2
    assert load_dataset(tmp_path / "data").entities == ENTITIES


def test_a_file_is_replaced_only_when_asked(kb: Path, tmp_path: Path) -> None:
    (tmp_path / "kb.jsonl").write_text("mine")
    with pytest.raises(KnowledgeBaseError, match="exists already"):
        export_kb(kb, tmp_path / "kb.jsonl")
    assert (tmp_path / "kb.jsonl").read_text() == "mine"
    export_kb(kb, tmp_path / "kb.jsonl", overwrite=True)
    assert len((tmp_path / "kb.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("out", "message"),
    [("folder", "is a folder; name a file in it"), ("kb.sqlite", "is the knowledge base itself"), ("file/kb.jsonl", "is a file")],
)
def test_what_cannot_be_written_is_told_before_anything_is_read(kb: Path, out: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (kb / "folder").mkdir()
    (kb / "file").write_text("mine")
    monkeypatch.setattr(KnowledgeBase, "open", None)
    with pytest.raises(KnowledgeBaseError, match=message):
        export_kb(kb, kb / out, overwrite=True)
