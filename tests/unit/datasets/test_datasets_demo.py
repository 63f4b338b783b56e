"""The built-in demo: what is written, and that it asks what it should."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgmel.datasets import load_dataset
from pgmel.datasets.demo import EXAMPLES, SPLIT_SIZES, write_demo
from pgmel.datasets.demo.gazetteer import load_places, read_data
from pgmel.datasets.demo.mixture import cast_places
from pgmel.errors import DataError
from pgmel.pictures import probe_picture
from pgmel.records import NIL

SPLITS = tuple(SPLIT_SIZES)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "written"
    write_demo(folder)
    return folder


def read_rows(file: Path) -> Rows:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def kb(demo: Path) -> Rows:
    return read_rows(demo / "kb.jsonl")


@pytest.fixture(scope="module")
def mentions(demo: Path) -> dict[str, Rows]:
    return {split: read_rows(demo / f"{split}.jsonl") for split in SPLITS}


@pytest.fixture(scope="module")
def everything(mentions: dict[str, Rows]) -> Rows:
    return [row for split in SPLITS for row in mentions[split]]


@pytest.fixture(scope="module")
def faults(demo: Path, everything: Rows) -> dict[str, str]:
    """Kind of fault by picture path, of the pictures that cannot be used."""
    probed = {row["image"]: probe_picture(demo / row["image"]) for row in everything if "image" in row}
    return {path: fault.kind for path, fault in probed.items() if fault is not None}


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for split, size in zip(SPLITS, (50, 20, 20), strict=True):
        monkeypatch.setitem(SPLIT_SIZES, split, size)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_one_seed_gives_the_same_files_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    write_demo(tmp_path / "a", seed=3)
    write_demo(tmp_path / "b", seed=3)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_seed_gives_other_sentences_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    write_demo(tmp_path / "a", seed=3)
    write_demo(tmp_path / "b", seed=4)
    a, b = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert a["train.jsonl"] != b["train.jsonl"]
    assert a["images/example/1.jpg"] != b["images/example/1.jpg"]
    assert a["kb.jsonl"] == b["kb.jsonl"]


def test_the_written_folder_loads_without_a_fault(demo: Path) -> None:
    dataset = load_dataset(demo, on_error="skip")
    assert dataset.faults == ()
    assert {split: len(rows) for split, rows in dataset.splits.items()} == SPLIT_SIZES
    assert any(mention.entity_id is NIL for mention in dataset.splits["test"])


def test_there_are_entities_enough_and_most_but_not_all_have_a_picture(demo: Path, kb: Rows) -> None:
    assert len(kb) >= 220
    assert 0.75 <= np.mean([bool(row["images"]) for row in kb]) <= 0.9
    assert all(probe_picture(demo / image) is None for row in kb for image in row["images"])


def test_the_folder_stays_small(demo: Path) -> None:
    assert sum(len(content) for content in contents(demo).values()) < 10_000_000


def test_ids_are_unique_and_names_of_pictures_are_bare_numbers(everything: Rows) -> None:
    assert len({row["id"] for row in everything}) == len(everything)
    assert all(re.fullmatch(r"(train|dev|test)-\d{4}", row["id"]) for row in everything)
    paths = [row["image"] for row in everything if "image" in row]
    assert all(re.fullmatch(r"images/mention/\d{4}\.(jpg|png)", path) for path in paths)
    assert len(set(paths)) == len(paths)


def test_numbers_of_pictures_do_not_follow_the_order_of_mentions(mentions: dict[str, Rows]) -> None:
    numbers = [int(row["image"][15:19]) for row in mentions["train"] if "image" in row]
    assert abs(np.corrcoef(numbers, np.arange(len(numbers)))[0, 1]) < 0.1


def test_every_gold_is_in_the_kb_or_nil(kb: Rows, everything: Rows) -> None:
    assert {row["entity_id"] for row in everything} <= {row["id"] for row in kb} | {"NIL"}


def test_offsets_point_at_the_surface(everything: Rows) -> None:
    assert all(row["context"][row["start"] : row["end"]] == row["mention"] for row in everything)


def test_every_surface_is_ambiguous_unless_it_is_the_full_name_of_its_gold(kb: Rows, everything: Rows) -> None:
    named: defaultdict[str, set[str]] = defaultdict(set)
    for row in kb:
        for name in (row["name"], *row["aliases"]):
            named[name].add(row["id"])
    names = {row["id"]: row["name"] for row in kb}
    known = [row for row in everything if row["entity_id"] != "NIL"]
    assert all(len(named[row["mention"]]) >= 2 or names[row["entity_id"]] == row["mention"] for row in known)
    assert all(row["entity_id"] in named[row["mention"]] for row in known)
    assert np.mean([len(named[row["mention"]]) >= 2 for row in known]) > 0.85


def test_no_sentence_is_used_twice_in_any_split(everything: Rows) -> None:
    contexts = [row["context"] for row in everything] + [example.context for example in EXAMPLES]
    assert len(set(contexts)) == len(contexts)


@pytest.mark.parametrize("split", SPLITS)
def test_shares_of_pictures_and_nil(split: str, mentions: dict[str, Rows], faults: dict[str, str]) -> None:
    rows = mentions[split]
    images = [row.get("image") for row in rows]
    shares = Counter("none" if image is None else faults.get(image, "usable") for image in images)
    assert 0.5 <= shares["usable"] / len(rows) <= 0.7
    assert 0.01 <= shares["missing"] / len(rows) <= 0.1
    assert 0.02 <= (shares["broken"] + shares["empty"] + shares["unsupported"]) / len(rows) <= 0.1
    assert 0.03 <= np.mean([row["entity_id"] == "NIL" for row in rows]) <= 0.12


def test_broken_pictures_are_cut_short_empty_or_pages(demo: Path, faults: dict[str, str]) -> None:
    assert {"missing", "broken", "empty", "unsupported"} <= set(faults.values())
    present = {path.name for path in (demo / "images" / "mention").iterdir()}
    missing = {Path(path).name for path, kind in faults.items() if kind == "missing"}
    assert not missing & present


def test_unseen_places_are_meant_in_dev_and_test_only(demo: Path, mentions: dict[str, Rows]) -> None:
    unseen = set(json.loads((demo / "about.json").read_text())["unseen_in_train"])
    golds = {split: Counter(row["entity_id"] for row in rows) for split, rows in mentions.items()}
    assert len(unseen) >= 40
    assert not unseen & set(golds["train"])
    for split in ("dev", "test"):
        assert 0.2 <= sum(golds[split][place] for place in unseen) / SPLIT_SIZES[split] <= 0.4


def test_nil_places_are_outside_the_kb_and_not_shared_between_splits(kb: Rows) -> None:
    castings = cast_places(load_places(), np.random.default_rng(0))
    nil = [place.id for split in SPLITS for place in castings[split].nil]
    assert len(set(nil)) == len(nil)
    assert not set(nil) & {row["id"] for row in kb}
    assert set(nil) == {place.id for place in load_places() if not place.in_kb}


def test_places_are_described_and_have_flags_of_their_own() -> None:
    places = load_places()
    assert len({place.id for place in places}) == len(places)
    assert set(read_data("flags.toml")) <= {place.id for place in places}
    congo = next(place for place in places if place.id == "republic-of-the-congo")
    assert congo.description == "Country in Central Africa. Capital: Brazzaville."
    zaire = next(place for place in places if place.id == "zaire")
    assert zaire.description == "Historic state in Central Africa, 1971\u20131997. Capital: Kinshasa."


def test_no_two_kb_entities_share_name_and_description(kb: Rows) -> None:
    assert len({(row["name"], row["description"]) for row in kb}) == len(kb)


def test_the_examples_are_picture_text_and_nil(demo: Path, kb: Rows) -> None:
    by_picture, by_text, nil = EXAMPLES
    named = {row["id"]: {row["name"], *row["aliases"]} for row in kb}
    assert by_picture.image is not None
    assert sum(by_picture.surface in names for names in named.values()) >= 2
    assert by_picture.surface in named[str(by_picture.entity_id)]
    assert by_text.image is None
    assert by_text.surface in named[str(by_text.entity_id)]
    assert nil.entity_id is NIL
    assert nil.surface not in set().union(*named.values())
    for example in EXAMPLES:
        assert example.context[example.start : example.end] == example.surface
        assert example.image is None or probe_picture(demo / example.image) is None


def test_an_earlier_demo_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)
    write_demo(tmp_path / "demo", seed=1)
    (tmp_path / "demo" / "stale.txt").write_text("old")
    write_demo(tmp_path / "demo", seed=2)
    assert not (tmp_path / "demo" / "stale.txt").exists()
    assert json.loads((tmp_path / "demo" / "about.json").read_text())["seed"] == 2


@pytest.mark.parametrize("about", [None, '{"name": "another"}', "[]", "not JSON"])
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, about: str | None) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    if about is not None:
        (tmp_path / "about.json").write_text(about)
    with pytest.raises(DataError, match="would replace files that are not an earlier demo"):
        write_demo(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("precious")
    with pytest.raises(DataError, match="would replace"):
        write_demo(tmp_path / "demo")
    assert (tmp_path / "demo").read_text() == "precious"


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch)

    def fail(_jobs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("pgmel.datasets.demo.writing.write_pictures", fail)
    with pytest.raises(OSError, match="no space"):
        write_demo(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_says_what_it_is(demo: Path, kb: Rows) -> None:
    about = json.loads((demo / "about.json").read_text())
    assert about["name"] == "pgmel-demo"
    assert "Apache-2.0" in about["licence"]
    assert about["entities"] == len(kb)
