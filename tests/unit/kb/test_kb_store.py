"""The entity store: what goes in comes out, by row and by id, from any thread."""

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgmel.errors import DataError, KnowledgeBaseError
from pgmel.kb import KnowledgeBase
from pgmel.records import Entity


def some_entities(count: int = 5) -> list[Entity]:
    return [Entity(f"Q{number * 7 % count}", f"name {number}", description=f"text {number}") for number in range(count)]


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.create(tmp_path / "kb.sqlite", some_entities()) as opened:
        yield opened


def test_everything_of_an_entity_comes_back(tmp_path: Path) -> None:
    entity = Entity("Q1", "Näme", ("a", "ß"), "long\ntext", (tmp_path / "images" / "1.png", Path("/elsewhere/2.png")), {"type": "river"})
    with KnowledgeBase.create(tmp_path / "kb.sqlite", [entity], image_root=tmp_path) as kb:
        assert kb.get("Q1") == entity


def test_rows_are_the_order_given(kb: KnowledgeBase) -> None:
    assert kb.all_ids() == [entity.id for entity in some_entities()]
    assert list(kb.iter_entities(chunk=2)) == some_entities()
    assert len(kb) == kb.num_rows == 5


def test_get_many_keeps_order_and_repeats(kb: KnowledgeBase) -> None:
    expected = some_entities()
    assert kb.get_many([3, 0, 3]) == [expected[3], expected[0], expected[3]]


def test_names_and_ids_of_rows(kb: KnowledgeBase) -> None:
    rows = np.array([4, 1])
    assert kb.names_of(rows) == ["name 4", "name 1"]
    assert kb.ids_of(rows) == [some_entities()[4].id, some_entities()[1].id]


def test_rows_of_more_ids_than_one_statement_takes(tmp_path: Path) -> None:
    with KnowledgeBase.create(tmp_path / "kb.sqlite", (Entity(f"Q{n}", "") for n in range(9000))) as kb:
        assert kb.rows_of([f"Q{n}" for n in reversed(range(9000))]).tolist() == list(reversed(range(9000)))
        assert kb.names_of(np.arange(9000)) == [""] * 9000


def test_unknown_ids_have_row_minus_one(kb: KnowledgeBase) -> None:
    rows = kb.rows_of(["Q3", "unknown", "q3", "\ud800", "Q3"])
    assert rows.dtype == np.int64
    assert rows.tolist() == [4, -1, -1, -1, 4]
    assert "Q3" in kb
    assert "unknown" not in kb


def test_unknown_id_is_named(kb: KnowledgeBase) -> None:
    with pytest.raises(KnowledgeBaseError, match="no entity 'Q99'"):
        kb.get("Q99")


@pytest.mark.parametrize("row", [-1, 5])
def test_row_outside_is_named(kb: KnowledgeBase, row: int) -> None:
    with pytest.raises(KnowledgeBaseError, match=f"no entity in row {row}; it has 5 rows"):
        kb.names_of([0, row])


def test_empty_kb(tmp_path: Path) -> None:
    with KnowledgeBase.create(tmp_path / "kb.sqlite", []) as kb:
        assert (len(kb), kb.num_rows, kb.all_ids(), list(kb.iter_entities()), kb.rows_of(["a"]).tolist()) == (0, 0, [], [], [-1])


def test_entities_are_read_as_a_stream(tmp_path: Path) -> None:
    class Tracked(dict[str, str]):
        alive = most = 0

        def __init__(self) -> None:
            Tracked.alive += 1
            Tracked.most = max(Tracked.most, Tracked.alive)

        def __del__(self) -> None:
            Tracked.alive -= 1

    with KnowledgeBase.create(tmp_path / "kb.sqlite", (Entity(f"Q{n}", "", attributes=Tracked()) for n in range(20_000))) as kb:
        assert len(kb) == 20_000
    assert Tracked.most < 10_000


def test_picture_paths_follow_a_moved_root(tmp_path: Path) -> None:
    path = tmp_path / "kb.sqlite"
    KnowledgeBase.create(path, [Entity("Q1", "", images=(Path("/data/images/1.png"),))], image_root=Path("/data")).close()
    with KnowledgeBase.open(path, image_root=Path("/moved")) as kb:
        assert kb.get("Q1").images == (Path("/moved/images/1.png"),)


def test_a_folder_whose_name_begins_alike_is_not_below_the_root(tmp_path: Path) -> None:
    image = Path("/data-old/1.png")
    path = tmp_path / "kb.sqlite"
    KnowledgeBase.create(path, [Entity("Q1", "", images=(image,))], image_root=Path("/data")).close()
    with KnowledgeBase.open(path, image_root=Path("/moved")) as kb:
        assert kb.get("Q1").images == (image,)


def test_relative_picture_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with KnowledgeBase.create(tmp_path / "kb.sqlite", [Entity("Q1", "", images=(Path("a/1.png"),))], image_root=Path("a")) as kb:
        assert kb.get("Q1").images == (tmp_path / "a" / "1.png",)


def test_duplicate_id_names_both_places(tmp_path: Path) -> None:
    entities = [Entity(f"Q{n}", "") for n in range(5000)] + [Entity("Q6", "again")]
    with pytest.raises(DataError, match="'Q6' occurs twice: as entity 7 and as entity 5001"):
        KnowledgeBase.create(tmp_path / "kb.sqlite", entities)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("entity", "rule"),
    [
        (Entity("", "x"), "id is empty"),
        (Entity("NIL", "x"), "reserved"),
        (Entity("a\x00b", "x"), "NUL"),
        (Entity("Q1", "\ud800"), "not valid Unicode"),
        (Entity("Q1", "", aliases=("\udc00",)), "not valid Unicode"),
        (Entity("Q1", "", images=(Path(os.fsdecode(b"/a/\xff.png")),)), "not valid Unicode"),
    ],
)
def test_entities_that_cannot_be_stored_are_refused_with_their_place(tmp_path: Path, entity: Entity, rule: str) -> None:
    with pytest.raises(DataError, match=f"entity 2: .*{rule}"):
        KnowledgeBase.create(tmp_path / "kb.sqlite", [Entity("Q0", "fine"), entity])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_build_leaves_the_old_file(kb: KnowledgeBase) -> None:
    def broken() -> Iterator[Entity]:
        yield Entity("new", "")
        raise DataError("the source broke")

    with pytest.raises(DataError, match="the source broke"):
        KnowledgeBase.create(kb.path, broken())
    with KnowledgeBase.open(kb.path) as again:
        assert again.all_ids() == kb.all_ids()


def test_a_build_over_an_old_file_replaces_it(kb: KnowledgeBase) -> None:
    with KnowledgeBase.create(kb.path, [Entity("new", "")]) as fresh:
        assert fresh.all_ids() == ["new"]


def test_fingerprint_depends_on_content_alone(tmp_path: Path) -> None:
    prints = [
        KnowledgeBase.create(tmp_path / f"{number}.sqlite", entities).fingerprint
        for number, entities in enumerate([some_entities(), some_entities(), some_entities()[::-1], some_entities(4)])
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3
    assert len(prints[0]) == 32


def test_many_threads_read_at_once(kb: KnowledgeBase) -> None:
    start = threading.Barrier(8)

    def read(number: int) -> list[str]:
        start.wait()
        return [kb.names_of([row % 5])[0] + kb.get("Q0").name for row in range(number, number + 200)]

    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(read, range(8))):
            assert found == [f"name {row % 5}name 0" for row in range(number, number + 200)]


def test_closed_kb_says_so(kb: KnowledgeBase) -> None:
    kb.close()
    with pytest.raises(KnowledgeBaseError, match="closed"):
        kb.all_ids()


def test_writable_kb_can_be_changed_and_a_reading_one_not(kb: KnowledgeBase) -> None:
    with KnowledgeBase.open(kb.path, writable=True) as writable:
        writable._connection.execute("DELETE FROM entities WHERE row = 2")
    with KnowledgeBase.open(kb.path) as again:
        assert (len(again), again.num_rows) == (4, 5)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            again._connection.execute("DELETE FROM entities")


def test_an_interrupted_change_is_undone_when_the_kb_is_opened(kb: KnowledgeBase) -> None:
    script = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA cache_size = 1')\n"
        "connection.execute('BEGIN')\n"
        "connection.execute('UPDATE entities SET description = ?', ('x' * 100_000,))\n"
        "os._exit(1)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(kb.path)], check=False)
    assert kb.path.with_name("kb.sqlite-journal").exists()
    with KnowledgeBase.open(kb.path) as again:
        assert list(again.iter_entities()) == some_entities()
        assert again.check() == []


text = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Entity,
            id=text.filter(lambda value: value not in ("", "NIL") and "\x00" not in value),
            name=text,
            aliases=st.lists(text, max_size=3).map(tuple),
            description=text,
            attributes=st.dictionaries(text, text, max_size=3),
        ),
        unique_by=lambda entity: entity.id,
        max_size=20,
    )
)
def test_any_entities_come_back_as_they_went_in(tmp_path: Path, entities: list[Entity]) -> None:
    with KnowledgeBase.create(tmp_path / "any.sqlite", entities) as kb:
        assert list(kb.iter_entities()) == entities
        assert kb.rows_of([entity.id for entity in entities]).tolist() == list(range(len(entities)))
        assert [kb.get(entity.id) for entity in entities] == entities


def test_connections_are_closed_when_opening_fails(tmp_path: Path) -> None:
    path = tmp_path / "kb.sqlite"
    KnowledgeBase.create(path, some_entities()).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE meta")
    with pytest.raises(KnowledgeBaseError, match="no such table"):
        KnowledgeBase.open(path)
