"""A KB from a file, changed and checked: links are those of a full rebuild, and only what changed is encoded."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_runs import ToyRun, read_lines, write_lines

from pgmel.candidates import NameIndex
from pgmel.errors import BundleError, DataError, IndexFileError, KnowledgeBaseError
from pgmel.features import Encoders
from pgmel.files import read_json, write_json
from pgmel.kb import KnowledgeBase
from pgmel.kb.sources import SourceOptions
from pgmel.linking import Linker, check_bundle, read_card
from pgmel.records import Mention
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.kb import Action, KbOptions, build_kb, change_kb, check_kb, find_kb

NAMES = ("Congo", "Georgia", "Samoa", "Alder", "Luxembourg", "Macedonia", "Korea")
SKIP = KbOptions(on_error="skip")


def rows(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"Q{n}", "name": NAMES[n % len(NAMES)] + (" II" if n >= len(NAMES) else ""), **more} for n in numbers]


def build(source: Path, out: Path, options: KbOptions = KbOptions(), **more: Any) -> dict[str, Any]:  # noqa: B008
    return build_kb(source, out, options, show_progress=False, **more)


def change(target: Path, action: Action, source: Path, options: KbOptions = KbOptions(), **more: Any) -> dict[str, Any]:  # noqa: B008
    return change_kb(target, source, action, options, show_progress=False, **more)


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    build(write_lines(tmp_path / "first.jsonl", rows(*range(7))), tmp_path / "kb")
    return tmp_path / "kb"


@pytest.fixture
def bundle(toy_run: ToyRun, kb: Path, tmp_path: Path) -> Path:
    build_bundle(toy_run.folder / "bundle", kb, tmp_path / "bundle", show_progress=False)
    return tmp_path / "bundle"


def links(bundle: Path) -> list[Any]:
    with Linker.load(bundle) as linker:
        found = linker.link([Mention(name, name, f"In {name}.") for name in (*NAMES, "Congo II", "Zanzibar")], top_k=4)
    return [(link.entity_id, [(c.entity_id, c.score, c.probability) for c in link.candidates if c.score > 0.01]) for link in found]


def test_a_built_kb_serves(bundle: Path) -> None:
    assert check_bundle(bundle) == []
    assert [found[0][0] for _, found in links(bundle)[: len(NAMES)]] == [f"Q{n}" for n in range(7)]
    assert read_card(bundle)["data"]["layout"] == "kb"


def test_a_kb_encoded_in_parts_has_the_vectors_of_a_data_set(
    toy_run: ToyRun, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(tmp_path / "set" / "kb.jsonl", rows(*range(7)))
    build_bundle(toy_run.folder / "bundle", tmp_path / "set", tmp_path / "other", show_progress=False)
    monkeypatch.setattr("pgmel.workflows.kb.encode.ROWS_AT_ONCE", 2)
    build_bundle(toy_run.folder / "bundle", tmp_path / "kb", tmp_path / "parts", show_progress=False)
    vectors = [np.load(folder / "index" / "vectors.npy") for folder in (tmp_path / "other", bundle, tmp_path / "parts")]
    np.testing.assert_array_equal(vectors[0], vectors[1])
    np.testing.assert_array_equal(vectors[0], vectors[2])


def test_a_changed_bundle_links_as_one_built_anew(toy_run: ToyRun, bundle: Path, tmp_path: Path) -> None:
    assert change(bundle, "remove", write_lines(tmp_path / "r.jsonl", rows(1, 3)))["removed"] == 2
    added = change(bundle, "add", write_lines(tmp_path / "a.jsonl", rows(7, 8, 9)))
    assert (added["added"], added["entities"]) == (3, 8)
    updated = change(bundle, "update", write_lines(tmp_path / "u.jsonl", [{"id": "Q0", "name": "Zanzibar"}, *rows(2)]))
    assert (updated["changed"], updated["unchanged"]) == (1, 1)
    assert check_bundle(bundle) == []
    final = [{"id": "Q0", "name": "Zanzibar"}, *rows(2, 4, 5, 6, 7, 8, 9)]
    build(write_lines(tmp_path / "final.jsonl", final), tmp_path / "kb2")
    build_bundle(toy_run.folder / "bundle", tmp_path / "kb2", tmp_path / "anew", show_progress=False)
    assert links(bundle) == links(tmp_path / "anew")
    build_bundle(toy_run.folder / "bundle", bundle, tmp_path / "again", show_progress=False)
    assert links(tmp_path / "again") == links(bundle)


def found_by_name(bundle: Path) -> list[list[tuple[str, float]]]:
    texts = [*NAMES, "Zanzibra", "Kongo", "II Congo", "Zaire", "DRC"]
    scores, rows = NameIndex.load(bundle / "names").search(texts, 10)
    with find_kb(bundle).open() as store:
        ids = {row: store.ids_of([row])[0] for row in set(rows[rows >= 0].tolist())}
    return [sorted((ids[row], score) for row, score in zip(*pair, strict=True) if row >= 0) for pair in zip(rows, scores, strict=True)]


def test_names_of_a_changed_bundle_are_those_of_one_built_anew(toy_run: ToyRun, bundle: Path, tmp_path: Path) -> None:
    change(bundle, "remove", write_lines(tmp_path / "r.jsonl", rows(1, 3)))
    change(bundle, "add", write_lines(tmp_path / "a.jsonl", rows(7, 8, aliases=["Zaire"])))
    change(bundle, "update", write_lines(tmp_path / "u.jsonl", [{"id": "Q0", "name": "Zanzibar"}, *rows(2, aliases=["DRC"])]))
    change(bundle, "remove", write_lines(tmp_path / "s.jsonl", rows(5)))
    assert check_bundle(bundle) == []
    assert read_card(bundle)["names"] == {"names": 9}
    final = [{"id": "Q0", "name": "Zanzibar"}, *rows(2, aliases=["DRC"]), *rows(4, 6), *rows(7, 8, aliases=["Zaire"])]
    build(write_lines(tmp_path / "final.jsonl", final), tmp_path / "kb2")
    build_bundle(toy_run.folder / "bundle", tmp_path / "kb2", tmp_path / "anew", show_progress=False)
    assert found_by_name(bundle) == found_by_name(tmp_path / "anew")


def test_a_change_without_names_is_refused(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NameIndex, "save", lambda *_: None)
    with pytest.raises(IndexFileError, match="name index was built over another knowledge base"):
        change(bundle, "remove", write_lines(tmp_path / "r.jsonl", rows(1)))
    assert len(KnowledgeBase.open(bundle / "kb" / "kb.sqlite")) == 7


def test_names_of_removed_entities_are_a_fault(bundle: Path, tmp_path: Path) -> None:
    from pgmel.linking import revise_bundle

    names = NameIndex.load(bundle / "names")
    change(bundle, "remove", write_lines(tmp_path / "r.jsonl", rows(1)))
    with revise_bundle(bundle) as part, KnowledgeBase.open(part / "kb" / "kb.sqlite") as store:
        shutil.copytree(bundle / "index", part / "index")
        names.change(np.empty(0, np.int64), []).save(part / "names", store.fingerprint)
    assert any("name index" in fault and "does not have" in fault for fault in check_bundle(bundle))


def test_a_bundle_with_empty_rows_goes_on_without_them(toy_run: ToyRun, bundle: Path, tmp_path: Path) -> None:
    change(bundle, "remove", write_lines(tmp_path / "r.jsonl", rows(1, 3)))
    build_bundle(toy_run.folder / "bundle", bundle, tmp_path / "again", show_progress=False)
    assert check_bundle(tmp_path / "again") == []
    assert "2 free rows" in next(finding.text for finding in check_kb(bundle) if finding.part == "kb")
    assert {found[0][0] for _, found in links(tmp_path / "again")}.isdisjoint({"Q1", "Q3"})


def test_only_what_changed_is_encoded(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []
    stream = Encoders.stream_entities

    def spy(self: Encoders, entities: Any, show_progress: bool = True) -> Any:
        encoded.extend(entity.id for entity in entities)
        return stream(self, entities, show_progress)

    monkeypatch.setattr(Encoders, "stream_entities", spy)
    change(bundle, "update", write_lines(tmp_path / "u.jsonl", [*rows(0, 1), {"id": "Q2", "name": "other"}]))
    change(bundle, "add", write_lines(tmp_path / "a.jsonl", rows(8)))
    change(bundle, "remove", write_lines(tmp_path / "r.jsonl", rows(4)))
    assert encoded == ["Q2", "Q8"]


def test_a_bad_row_changes_nothing_or_is_left_out(bundle: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "a.jsonl", [*rows(8), *rows(0), *rows(9)])
    before = {file: file.read_bytes() for file in bundle.rglob("*") if file.is_file()}
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: the id 'Q0' is in the knowledge base already.*--on-error skip"):
        change(bundle, "add", source)
    assert {file: file.read_bytes() for file in bundle.rglob("*") if file.is_file()} == before
    about = change(bundle, "add", source, SKIP)
    assert (about["added"], about["bad_rows"]) == (2, 1)
    [line] = read_lines(tmp_path / "bundle.bad.jsonl")
    assert (line["place"], line["what"]) == ("line 2", "row left out")
    change(bundle, "remove", source)
    assert not (tmp_path / "bundle.bad.jsonl").exists()


def test_an_update_replaces_what_the_file_has_and_leaves_the_rest(kb: Path, tmp_path: Path) -> None:
    change(kb, "update", write_lines(tmp_path / "u.jsonl", [{"id": "Q0", "description": "a river"}]))
    change(kb, "update", write_lines(tmp_path / "v.jsonl", [{"id": "Q0", "aliases": ["Zaire"]}]))
    with find_kb(kb).open() as store:
        entity = store.get("Q0")
    assert (entity.name, entity.description, entity.aliases) == ("Congo", "a river", ("Zaire",))


def test_missing_entities_are_bad_rows_or_added(kb: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "u.jsonl", [{"id": "Q50", "name": "new"}])
    with pytest.raises(DataError, match="'Q50' is not in the knowledge base"):
        change(kb, "update", source)
    assert change(kb, "update", source, add_missing=True)["added"] == 1
    nameless = write_lines(tmp_path / "n.jsonl", [{"id": "Q51", "description": "x"}])
    with pytest.raises(DataError, match="'Q51' is new and has no name"):
        change(kb, "update", nameless, add_missing=True)


def test_somebody_elses_change_in_the_meantime_is_noticed(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pgmel.workflows.kb.change as change_module

    encode = change_module.encode_rows

    def meddle(*arguments: Any) -> Any:
        write_json(bundle / "card.json", {**read_json(bundle / "card.json"), "created": "later"})
        return encode(*arguments)

    monkeypatch.setattr(change_module, "encode_rows", meddle)
    with pytest.raises(BundleError, match="changed by somebody else"):
        change(bundle, "add", write_lines(tmp_path / "a.jsonl", rows(8)))
    assert len(KnowledgeBase.open(bundle / "kb" / "kb.sqlite")) == 7


def test_pictures_from_folders_archives_and_ids(toy_run: ToyRun, tmp_path: Path) -> None:
    picture = next((toy_run.data / "images").glob("*.png"))
    for name in ("shots/a.png", "more/Q2.png"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(picture, tmp_path / name)
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as zipped:
        zipped.write(picture, "deep/b.png")
    source = write_lines(tmp_path / "s.jsonl", [*rows(0, images=["a.png", "deep/b.png", "http://x.test/c.png", "gone.png"]), *rows(1)])
    about = build(source, tmp_path / "kb", KbOptions(pictures=(tmp_path / "shots", tmp_path / "p.zip")))
    assert {key: count for key, count in about["pictures"].items() if count} == {"named": 4, "found": 2, "missing": 1, "not_fetched": 1}
    shutil.move(tmp_path / "kb", tmp_path / "moved")
    with find_kb(tmp_path / "moved").open() as store:
        paths = store.get("Q0").images
    assert [path.is_file() for path in paths] == [True, True, False]
    assert paths[1] == tmp_path / "moved" / "pictures" / "p.zip" / "deep" / "b.png"
    assert [(f.part, f.level) for f in check_kb(tmp_path / "moved", show_progress=False)] == [("kb", "ok"), ("pictures", "warning")]
    build(write_lines(tmp_path / "t.jsonl", rows(2, 3)), tmp_path / "kb3", KbOptions(pictures=(tmp_path / "more",)))
    with find_kb(tmp_path / "kb3").open() as store:
        assert [len(entity.images) for entity in store.iter_entities()] == [1, 0]


def test_pictures_added_to_a_bundle_stay_in_it(toy_run: ToyRun, bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as zipped:
        zipped.write(next((toy_run.data / "images").glob("*.png")), "b.png")
    source = write_lines(tmp_path / "a.jsonl", rows(8, images=["b.png"]))
    assert change(bundle, "add", source, KbOptions(pictures=(tmp_path / "p.zip",)))["pictures"]["found"] == 1
    change(bundle, "remove", write_lines(tmp_path / "r.jsonl", rows(1)))
    assert (bundle / "pictures" / "p.zip" / "b.png").is_file()
    assert check_kb(bundle)[-1].level == "ok"


def test_a_failed_build_leaves_nothing_and_the_old_one(kb: Path, tmp_path: Path) -> None:
    bad = write_lines(tmp_path / "bad.jsonl", [*rows(0), {"id": "x"}])
    for out in (tmp_path / "new", kb):
        with pytest.raises(DataError, match=r"bad\.jsonl, line 2: the entity|bad\.jsonl, line 2"):
            build(bad, out, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"bad.jsonl", "first.jsonl", "kb"}
    with find_kb(kb).open() as store:
        assert len(store) == 7


def test_what_stands_in_the_way_is_not_replaced(kb: Path, tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseError, match=r"exists already.*--overwrite"):
        build(tmp_path / "first.jsonl", kb)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").touch()
    with pytest.raises(KnowledgeBaseError, match="not empty and no knowledge base"):
        build(tmp_path / "first.jsonl", tmp_path / "mine", overwrite=True)


def test_a_file_without_a_usable_row_gives_no_kb(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "s.jsonl", [{"id": "", "name": "x"}])
    with pytest.raises(DataError, match=r"no entity can be taken from it .1 bad rows"):
        build(source, tmp_path / "kb", SKIP)
    (tmp_path / "d.json").write_text("[\n" + json.dumps({"id": "Q1", "labels": {}, "claims": {}}) + "\n]")
    with pytest.raises(DataError, match="1 left out as asked"):
        build(tmp_path / "d.json", tmp_path / "kb", KbOptions(source=SourceOptions(languages=("de",))))


def levels(target: Path) -> dict[str, str]:
    return {finding.part: finding.level for finding in check_kb(target, show_progress=False)}


def test_a_sound_bundle_is_found_sound(bundle: Path) -> None:
    assert set(levels(bundle).values()) <= {"ok", "warning"}
    assert {"files", "kb", "index", "model", "encoders"} <= levels(bundle).keys()


def test_faults_of_a_bundle_are_found(bundle: Path) -> None:
    card = read_json(bundle / "card.json")
    write_json(bundle / "card.json", {**card, "encoders": {**card["encoders"], "years": None}})
    assert levels(bundle)["encoders"] == "fault"
    (bundle / "model" / "model.safetensors").write_bytes(b"")
    [fault] = [finding for finding in check_kb(bundle) if finding.level == "fault"]
    assert "model.safetensors has 0 bytes" in fault.text
    with pytest.raises(KnowledgeBaseError, match="does not exist"):
        check_kb(bundle / "none")


def test_a_damaged_kb_is_found(kb: Path) -> None:
    content = (kb / "kb.sqlite").read_bytes()
    (kb / "kb.sqlite").write_bytes(content[: len(content) // 2])
    assert levels(kb) == {"kb": "fault"}


def test_an_index_that_finds_removed_entities_is_a_fault(bundle: Path, tmp_path: Path) -> None:
    from pgmel.index import EntityIndex
    from pgmel.linking import revise_bundle

    change(bundle, "remove", write_lines(tmp_path / "r.jsonl", rows(1)))
    index = EntityIndex.load(bundle / "index")
    with revise_bundle(bundle) as part, KnowledgeBase.open(part / "kb" / "kb.sqlite") as store:
        EntityIndex.build(np.array(index.vectors), "exact").save(part / "index", store.fingerprint)
    assert any("same rows empty" in fault for fault in check_bundle(bundle))
