"""Changing a KB: rows are stable, all or nothing happens, and the fingerprint is that of the content."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.errors import DataError, KnowledgeBaseError
from pgmel.kb import KnowledgeBase, change_file, move_image_root
from pgmel.records import Entity


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "kb.sqlite"
    KnowledgeBase.create(file, [Entity(f"Q{n}", f"name {n}", images=(tmp_path / f"{n}.png",)) for n in range(5)], tmp_path).close()
    return file


def test_entities_come_change_and_go(path: Path) -> None:
    with change_file(path) as change:
        assert change.add(Entity("new", "n")) == 5
        assert change.replace(Entity("Q1", "other")) == 1
        assert change.remove("Q2") == 2
        assert change.find("Q3") == Entity("Q3", "name 3", images=(path.parent / "3.png",))
    assert (change.written, change.freed) == ({1, 5}, {2})
    with KnowledgeBase.open(path) as kb:
        assert (len(kb), kb.num_rows, kb.free_rows().tolist()) == (5, 6, [2])
        assert kb.names_of([0, 1, 5]) == ["name 0", "other", "n"]
        assert kb.fingerprint == change.fingerprint
        assert kb.check() == []


def test_rows_that_became_free_are_taken_again_lowest_first(path: Path) -> None:
    with change_file(path) as change:
        change.remove("Q3")
        change.remove("Q1")
    with change_file(path) as change:
        assert [change.add(Entity(key, key)) for key in "abc"] == [1, 3, 5]
    with KnowledgeBase.open(path) as kb:
        assert kb.free_rows().tolist() == []


def test_the_rows_end_with_the_last_entity(path: Path) -> None:
    with change_file(path) as change:
        change.remove("Q4")
    with KnowledgeBase.open(path) as kb:
        assert (kb.num_rows, kb.free_rows().tolist()) == (4, [])


def test_what_is_the_same_is_not_written(path: Path) -> None:
    with KnowledgeBase.open(path) as kb:
        same = kb.get("Q1")
    with change_file(path) as change:
        assert change.replace(same) is None
    assert change.written == set()


def test_a_fault_undoes_everything(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(DataError, match="'Q0' is in the knowledge base already"), change_file(path) as change:  # noqa: PT012
        change.remove("Q1")
        change.add(Entity("Q0", "again"))
    with KnowledgeBase.open(path) as kb:
        assert kb.all_ids() == [f"Q{n}" for n in range(5)]
    assert path.read_bytes() == before


def test_ids_that_are_not_there(path: Path) -> None:
    with change_file(path) as change:
        assert change.find("none") is None
        for refused in (lambda: change.remove("none"), lambda: change.replace(Entity("none", "x"))):
            with pytest.raises(DataError, match="'none' is not in the knowledge base"):
                refused()


def test_a_kb_that_is_being_changed_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pgmel.kb.changing as changing_module

    connect = changing_module.connect

    def impatient(file: Path, mode: str) -> object:
        connection = connect(file, mode)
        connection.execute("PRAGMA busy_timeout = 10")
        return connection

    monkeypatch.setattr(changing_module, "connect", impatient)
    with change_file(path), pytest.raises(KnowledgeBaseError, match="cannot be changed: database is locked"), change_file(path):
        pass


def test_pictures_follow_a_root_that_moved_for_good(path: Path) -> None:
    move_image_root(path, Path("/moved"))
    with KnowledgeBase.open(path) as kb:
        assert kb.get("Q1").images == (Path("/moved/1.png"),)


@given(st.lists(st.tuples(st.sampled_from("ARX"), st.sampled_from("abcdef"), st.text(max_size=2)), max_size=12))
def test_any_change_leaves_what_a_model_of_it_says(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str]]) -> None:
    path = tmp_path_factory.mktemp("kb") / "kb.sqlite"
    KnowledgeBase.create(path, [Entity("a", "1"), Entity("b", "2")]).close()
    expected = {"a": "1", "b": "2"}
    with change_file(path) as change:
        for action, key, name in steps:
            known = key in expected
            if action == "A" and not known:
                change.add(Entity(key, name))
            elif action == "R" and known:
                change.replace(Entity(key, name))
            elif action == "X" and known:
                change.remove(key)
            else:
                continue
            expected = {**expected, key: name} if action != "X" else {k: v for k, v in expected.items() if k != key}
    with KnowledgeBase.open(path) as kb:
        assert {entity.id: entity.name for entity in kb.iter_entities()} == expected
        rows = [row for part, _ in kb.iter_chunks(2) for row in part.tolist()]
        assert sorted(rows + kb.free_rows().tolist()) == list(range(kb.num_rows))
        found = kb.fingerprint
    with change_file(path) as change:  # to the same content by another way
        for key in expected:
            row = change.remove(key)
            assert change.add(Entity(key, expected[key])) <= row
        if not expected:
            assert int(found, 16) == 0
