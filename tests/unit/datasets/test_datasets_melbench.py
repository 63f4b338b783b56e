"""The MELBench and GHMFC layout."""

from pathlib import Path

import pytest
from dataset_writers import at, small, write, write_melbench_richpedia, write_melbench_wiki

from pgmel.datasets import load_dataset
from pgmel.errors import DataError
from pgmel.records import NIL

RECORD = {
    "id": "7",
    "sentence": "Powers with Noel Harrison",
    "mentions": ["Noel Harrison", "Powers"],
    "entities": ["NH", "SP"],
    "answer": ["Q1", "Q2"],
}
NAMES = {"Q1": "NH", "Q2": "SP"}


def make(root: Path, records: dict, splits: dict | None = None, names: dict | None = NAMES) -> Path:
    write(root / "Wikidata-MEL.json", records)
    if splits is not None:
        write(root / "splits.json", splits)
    if names is not None:
        write(root / "qid2ne.json", names)
    return root


def test_reads_wikimel(tmp_path: Path) -> None:
    write(make(tmp_path, {"7": RECORD}, {"train": [], "dev": ["7"], "test": []}) / "qid2abs.json", {"Q2": "Sex: female."})
    dataset = load_dataset(tmp_path)
    assert (dataset.layout, list(dataset.splits)) == ("melbench", ["train", "dev", "test"])
    assert [(entity.id, entity.name, entity.description) for entity in dataset.entities] == [("Q1", "NH", ""), ("Q2", "SP", "Sex: female.")]
    first, second = dataset.splits["dev"]
    assert (first.id, first.surface, first.start, first.end, first.entity_id) == ("dev-7-0", "Noel Harrison", 12, 25, "Q1")
    assert (second.id, second.surface, second.start, second.entity_id) == ("dev-7-1", "Powers", 0, "Q2")
    assert first.image == tmp_path / "images" / "7.jpg"


def test_reads_richpedia_by_split_with_ids_that_tell_nothing(tmp_path: Path) -> None:
    record = {"id": "Q1", "sentence": "NH sings", "mentions": "NH", "entities": "NH", "answer": "Q1"}
    write(tmp_path / "train.json", {"Q1": record, "Q2": record | {"id": "Q2", "answer": "Q2"}})
    write(tmp_path / "dev.json", {"Q1": record})
    write(tmp_path / "qid2ne.json", NAMES)
    dataset = load_dataset(tmp_path)
    assert [mention.id for mentions in dataset.splits.values() for mention in mentions] == ["train-0", "train-1", "dev-0"]
    assert dataset.splits["train"][1].image == tmp_path / "images" / "Q2.jpg"
    assert dataset.splits["train"][1].entity_id == "Q2"


def test_richpedia_in_one_file_with_splits(tmp_path: Path) -> None:
    record = {"id": "Q1", "sentence": "NH sings", "mentions": "NH", "entities": "NH", "answer": "Q1"}
    write(tmp_path / "Richpedia-MEL.json", {"Q1": record, "Q2": record | {"id": "Q2", "answer": "nil"}})
    write(tmp_path / "splits.json", {"train": ["Q2"], "test": ["Q1"]})
    write(tmp_path / "qid2ne.json", NAMES)
    dataset = load_dataset(tmp_path)
    assert [(mention.id, mention.entity_id) for mention in dataset.splits["train"]] == [("train-1", NIL)]
    assert [mention.id for mention in dataset.splits["test"]] == ["test-0"]


@pytest.mark.parametrize(("files", "text"), [(("qid2abs", "qid2abs_long"), "long"), (("qid2abs",), "short"), ((), "")])
def test_richpedia_prefers_the_long_texts(tmp_path: Path, files: tuple[str, ...], text: str) -> None:
    write_melbench_richpedia(tmp_path, small())
    (tmp_path / "qid2abs.json").unlink()
    for name in files:
        write(tmp_path / f"{name}.json", {"Q0": "long" if name.endswith("long") else "short"})
    assert load_dataset(tmp_path).entities[0].description == text


def test_wikimel_takes_the_short_texts(tmp_path: Path) -> None:
    write_melbench_wiki(tmp_path, small())
    write(tmp_path / "qid2abs_long.json", {"Q0": "long"})
    assert load_dataset(tmp_path).entities[0].description == "Country in the west"


def test_texts_may_lie_in_input_data(tmp_path: Path) -> None:
    write_melbench_wiki(tmp_path / "input_data", small())
    (tmp_path / "images").mkdir()
    dataset = load_dataset(tmp_path)
    assert len(dataset.entities) == 3
    image = dataset.splits["train"][0].image
    assert image is not None
    assert image.parent == tmp_path / "images"


def test_candidates_are_looked_up_by_mention_text(tmp_path: Path) -> None:
    write(make(tmp_path, {"7": RECORD}, {"train": ["7"]}) / "search_top100.json", {"Powers": ["Q2", "Q1"], "Noel Harrison": []})
    first, second = load_dataset(tmp_path).splits["train"]
    assert (first.candidates, second.candidates) == ((), ("Q2", "Q1"))


def test_entities_are_those_of_the_records_where_no_names_are_given(tmp_path: Path) -> None:
    nil = RECORD | {"id": "8", "answer": ["nil", "Q2"]}
    dataset = load_dataset(make(tmp_path, {"7": RECORD, "8": nil}, {"train": ["7", "8"]}, names=None))
    assert [(entity.id, entity.name) for entity in dataset.entities] == [("Q1", "NH"), ("Q2", "SP")]
    assert dataset.splits["train"][2].entity_id is NIL


def test_all_records_are_train_where_nothing_splits_them(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, {"7": RECORD}))
    assert [(split, len(mentions)) for split, mentions in dataset.splits.items()] == [("train", 2)]
    assert dataset.notes == ("nothing splits the records (no splits.json): all of them are train",)


def test_a_split_without_any_record_was_withheld(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, {"7": RECORD}, {"train": ["7"], "test": ["8", "9"]}))
    assert list(dataset.splits) == ["train"]
    assert dataset.notes == ("test was withheld: splits.json names 2 records for it, and none of them is there",)


def test_records_outside_all_splits_are_noted(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, {"7": RECORD, "8": RECORD | {"id": "8"}}, {"train": ["7"]}))
    assert dataset.notes == ("1 records are in no split of splits.json",)


@pytest.mark.parametrize(
    ("ids", "place", "rule"),
    [
        (["7", "404"], 'the splits, split "train", id "404"', "a split names an id that no record has"),
        (["7", "7"], 'the splits, split "train", id "7"', "an id occurs more than once"),
    ],
)
def test_a_fault_in_the_splits_says_where(tmp_path: Path, ids: list[str], place: str, rule: str) -> None:
    make(tmp_path, {"7": RECORD}, {"train": ids})
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("splits.json", place, rule)
    assert len(load_dataset(tmp_path, on_error="skip").splits["train"]) == 2


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": ["7"], "night": []}, r"splits\.json: the split 'night' is none of train, dev"),
        ({"train": "7"}, r'splits\.json, key "\[\.\.\.\]": expected array, got str: a value has the wrong type'),
        ([], r"splits\.json, expected object, got array: a value has the wrong type"),
    ],
)
def test_splits_of_another_form_stop(tmp_path: Path, splits: object, message: str) -> None:
    write(make(tmp_path, {"7": RECORD}) / "splits.json", splits)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path, on_error="skip")


FAULTS = {
    "missing key": (
        {key: value for key, value in RECORD.items() if key != "sentence"},
        'key "8", key "sentence"',
        "a required key is missing",
    ),
    "wrong type": (RECORD | {"answer": 3}, 'key "8", key "answer": expected str | array, got int', "a value has the wrong type"),
    "id differs from key": (RECORD | {"id": "9"}, 'key "8", "id": "9"', "two places give different ids to one record"),
    "uneven lists": (RECORD | {"id": "8", "answer": ["Q1"]}, 'key "8"', "mentions, entities and answers differ in number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_record_says_where(tmp_path: Path, fault: str) -> None:
    record, place, rule = FAULTS[fault]
    make(tmp_path, {"7": RECORD, "8": record}, {"train": ["7", "8"]})
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("Wikidata-MEL.json", place, rule)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("Wikidata-MEL.json", place, rule)]
    assert len(dataset.splits["train"]) == 2


@pytest.mark.parametrize(
    ("changes", "place", "rule"),
    [
        ({"mentions": ["", "Powers"]}, 'key "7"', "the mention has no text"),
        ({"answer": ["Q404", "Q2"]}, 'key "7", id "Q404"', "the gold entity is not in the knowledge base"),
    ],
)
def test_a_faulty_mention_is_left_out_alone(tmp_path: Path, changes: dict, place: str, rule: str) -> None:
    make(tmp_path, {"7": RECORD | changes}, {"train": ["7"]})
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("Wikidata-MEL.json", place, rule)
    assert [mention.id for mention in load_dataset(tmp_path, on_error="skip").splits["train"]] == ["train-7-1"]


def test_a_key_that_occurs_twice_is_a_fault(tmp_path: Path) -> None:
    make(tmp_path, {}, {"train": ["7"]})
    text = str(RECORD).replace("'", '"')
    write(tmp_path / "Wikidata-MEL.json", f'{{"7": {text}, "7": {text.replace("Powers", "Other")}}}')
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("Wikidata-MEL.json", 'key "7"', "an id occurs more than once")
    assert load_dataset(tmp_path, on_error="skip").splits["train"][1].surface == "Powers"


def test_a_text_for_no_entity_is_a_fault(tmp_path: Path) -> None:
    write(make(tmp_path, {"7": RECORD}, {"train": ["7"]}) / "qid2abs.json", {"Q3": "Sex: male."})
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("qid2abs.json", 'key "Q3"', "an id has no entity in the knowledge base")


def test_a_name_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    make(tmp_path, {"7": RECORD}, {"train": ["7"]}, NAMES | {"Q3": None})
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("qid2ne.json", 'key "Q3", expected str, got NoneType', "a value has the wrong type")


def test_an_unknown_candidate_is_a_fault(tmp_path: Path) -> None:
    write(make(tmp_path, {"7": RECORD}, {"train": ["7"]}) / "search_top100.json", {"Powers": ["Q2", "Q77"]})
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("search_top100.json", 'key "Powers", id "Q77"', "a candidate is not in the knowledge base")
    dataset = load_dataset(tmp_path, on_error="skip")
    assert dataset.splits["train"][1].candidates == ("Q2",)
    assert len(dataset.faults) == 1


def test_names_without_mentions_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "qid2ne.json", NAMES)
    with pytest.raises(DataError, match=r"there are no mentions; looked for Wikidata-MEL\.json, Richpedia-MEL\.json, train\.json"):
        load_dataset(tmp_path)
