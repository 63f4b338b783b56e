"""The MIMIC layout: names of files, rules of names, and faults."""

from pathlib import Path

import pytest
from dataset_writers import at, small, write, write_mimic

from pgmel.datasets import load_dataset
from pgmel.datasets.mimic import picture_name
from pgmel.errors import DataError
from pgmel.records import NIL

ENTITY = {"id": 0, "qid": "Q5", "type": "entity", "entity_name": "Congo", "attr": "A river", "image_list": []}
MENTION = {"mentions": "Congo", "sentence": "The Congo", "imgPath": "", "answer": "Q5"}


def make(root: Path, entities: list, train: list, qid2id: dict | None = None) -> Path:
    write(root / "kb_entity.json", entities)
    write(root / "WIKIMEL_train.json", train)
    if qid2id is not None:
        write(root / "qid2id.json", qid2id)
    return root


@pytest.mark.parametrize("prefix", ["WIKIMEL", "WikiMEL", "RichpediaMEL", "wiki_diverse", "WikiDiverse", "repackaged"])
def test_reads_all_splits_under_every_published_name(tmp_path: Path, prefix: str) -> None:
    dataset = load_dataset(write_mimic(tmp_path, small(), prefix))
    assert dataset.layout == "mimic"
    assert [(split, len(mentions)) for split, mentions in dataset.splits.items()] == [("train", 2), ("dev", 1), ("test", 1)]
    assert [entity.id for entity in dataset.entities] == ["Q0", "Q1", "Q2"]
    assert dataset.splits["test"][0].entity_id == "Q1"


def test_splits_may_be_called_by_their_name_alone(tmp_path: Path) -> None:
    write_mimic(tmp_path, small())
    (tmp_path / "WIKIMEL_train.json").rename(tmp_path / "train.json")
    (tmp_path / "WIKIMEL_dev.json").rename(tmp_path / "valid.json")
    assert list(load_dataset(tmp_path).splits) == ["train", "dev", "test"]


def test_a_known_name_wins_over_other_files_of_a_split(tmp_path: Path) -> None:
    write(write_mimic(tmp_path, small()) / "mention_captions_train.json", [])
    assert len(load_dataset(tmp_path).splits["train"]) == 2


def test_two_files_that_could_be_one_split_are_an_error(tmp_path: Path) -> None:
    write(write_mimic(tmp_path, small()) / "WikiMEL_train.json", [])
    with pytest.raises(DataError, match=r"several files could be the train split: WIKIMEL_train\.json, WikiMEL_train\.json"):
        load_dataset(tmp_path)


def test_no_file_of_mentions_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "kb_entity.json", [])
    with pytest.raises(DataError, match=r"no file of mentions; looked for WIKIMEL_train\.json"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("folder", ["mention_image", "mention_images"])
def test_takes_pictures_from_either_folder(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    dataset = load_dataset(make(tmp_path, [ENTITY | {"image_list": ["Q5/0.jpg"]}], [MENTION | {"imgPath": "data/pics/123.png"}]))
    assert dataset.splits["train"][0].image == tmp_path / folder / "123.jpg"
    assert dataset.entities[0].images == (tmp_path / "kb_image" / "Q5/0.jpg",)


@pytest.mark.parametrize("path", ["", None])
def test_an_empty_picture_path_is_no_picture(tmp_path: Path, path: str | None) -> None:
    assert load_dataset(make(tmp_path, [ENTITY], [MENTION | {"imgPath": path}])).splits["train"][0].image is None


@pytest.mark.parametrize(
    ("img_path", "present", "name"),
    [
        ("KVQAimgs/1.png", (), "1.jpg"),
        ("a.b.png", (), "a.jpg"),
        ("a.b.png", ("a.b.jpg",), "a.b.jpg"),
        ("a.b.png", ("a.jpg", "a.b.jpg"), "a.jpg"),
        ("x/a.png", ("a.png",), "a.png"),
        ("name", (), "name.jpg"),
    ],
)
def test_names_a_picture_as_the_reference_does(img_path: str, present: tuple[str, ...], name: str) -> None:
    assert picture_name(img_path, frozenset(present)) == name


def test_names_are_unquoted(tmp_path: Path) -> None:
    mention = MENTION | {"mentions": "C%C3%B4te", "sentence": "La Côte"}
    dataset = load_dataset(make(tmp_path, [ENTITY | {"entity_name": "C%C3%B4te%20d%27Ivoire"}], [mention]))
    assert dataset.entities[0].name == "Côte d'Ivoire"
    assert (dataset.splits["train"][0].surface, dataset.splits["train"][0].start) == ("Côte", 3)


@pytest.mark.parametrize("answer", ["nil", "NIL", "Nil "])
def test_nil_is_nil(tmp_path: Path, answer: str) -> None:
    assert load_dataset(make(tmp_path, [ENTITY], [MENTION | {"answer": answer}])).splits["train"][0].entity_id is NIL


def test_reads_candidates(tmp_path: Path) -> None:
    dataset = load_dataset(
        make(tmp_path, [ENTITY, ENTITY | {"id": 1, "qid": "Q6"}], [MENTION | {"cands": ["Q6", "Q5"], "entities": "Congo"}])
    )
    assert dataset.splits["train"][0].candidates == ("Q6", "Q5")


@pytest.mark.parametrize(
    ("given", "text"), [({"desc": "d"}, "d"), ({"attr": "a", "desc": "d"}, "a"), ({"attr": "", "desc": "d"}, "d"), ({"attr": None}, "")]
)
def test_description_is_attr_or_else_desc(tmp_path: Path, given: dict, text: str) -> None:
    entity = {key: value for key, value in ENTITY.items() if key != "attr"} | given
    assert load_dataset(make(tmp_path, [entity], [MENTION])).entities[0].description == text


def test_entities_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    dataset = load_dataset(make(tmp_path, [ENTITY | {"id": 1}, ENTITY | {"id": 0, "qid": "Q6"}], [MENTION]))
    assert [entity.id for entity in dataset.entities] == ["Q6", "Q5"]


def test_mention_ids_are_positions_in_the_file_even_where_records_are_skipped(tmp_path: Path) -> None:
    make(tmp_path, [ENTITY], [MENTION, MENTION | {"mentions": ""}, MENTION])
    assert [mention.id for mention in load_dataset(tmp_path, on_error="skip").splits["train"]] == ["train-0", "train-2"]


def test_qid2id_may_name_nil(tmp_path: Path) -> None:
    assert load_dataset(make(tmp_path, [ENTITY], [MENTION], {"Q5": 0, "nil": -1})).faults == ()


FAULTS_IN_KB = {
    "missing key": ({key: value for key, value in ENTITY.items() if key != "qid"}, 'record 2, key "qid"', "a required key is missing"),
    "missing text": (
        {"id": 1, "qid": "Q6", "entity_name": "x", "image_list": []},
        'record 2, key "attr" (or "desc")',
        "a required key is missing",
    ),
    "wrong type": (
        ENTITY | {"id": 1, "qid": "Q6", "image_list": ["a", 2]},
        'record 2, key "image_list[1]": expected str, got int',
        "a value has the wrong type",
    ),
    "duplicate number": (ENTITY | {"qid": "Q6"}, "record 2, id 0, first at record 1", "an id occurs more than once"),
    "duplicate QID": (ENTITY | {"id": 1}, 'record 2, id "Q5", first at record 1', "an id occurs more than once"),
    "empty QID": (ENTITY | {"id": 1, "qid": ""}, "record 2", "an id is empty"),
}


@pytest.mark.parametrize("fault", FAULTS_IN_KB)
def test_a_fault_in_the_knowledge_base_says_where(tmp_path: Path, fault: str) -> None:
    row, place, rule = FAULTS_IN_KB[fault]
    make(tmp_path, [ENTITY, row, ENTITY | {"id": 9, "qid": "Q9"}], [MENTION])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("kb_entity.json", place, rule)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("kb_entity.json", place, rule)]
    assert [entity.id for entity in dataset.entities] == ["Q5", "Q9"]


FAULTS_IN_MENTIONS = {
    "missing key": ({"mentions": "x", "sentence": "", "imgPath": ""}, 'record 2, key "answer"', "a required key is missing"),
    "wrong type": (MENTION | {"sentence": None}, 'record 2, key "sentence": expected str, got null', "a value has the wrong type"),
    "empty surface": (MENTION | {"mentions": "%20"}, "record 2", "the mention has no text"),
    "unknown gold": (MENTION | {"answer": "Q404"}, 'record 2, id "Q404"', "the gold entity is not in the knowledge base"),
}


@pytest.mark.parametrize("fault", FAULTS_IN_MENTIONS)
def test_a_fault_in_a_split_says_where(tmp_path: Path, fault: str) -> None:
    row, place, rule = FAULTS_IN_MENTIONS[fault]
    make(tmp_path, [ENTITY], [MENTION, row, MENTION])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("WIKIMEL_train.json", place, rule)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("WIKIMEL_train.json", place, rule)]
    assert len(dataset.splits["train"]) == 2


@pytest.mark.parametrize(
    ("qid2id", "place", "rule"),
    [
        ({"Q5": 0, "Q7": 1}, 'key "Q7"', "an id has no entity in the knowledge base"),
        ({"Q5": 3}, 'key "Q5", 3 here, 0 in kb_entity.json', "two places give different ids to one record"),
        ({}, 'key "Q5"', "a required key is missing"),
    ],
)
def test_qid2id_must_agree_with_the_entities(tmp_path: Path, qid2id: dict, place: str, rule: str) -> None:
    make(tmp_path, [ENTITY], [MENTION], qid2id)
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("qid2id.json", place, rule)
    assert len(load_dataset(tmp_path, on_error="skip").splits["train"]) == 1


def test_a_file_that_is_no_json_stops_even_when_faults_are_skipped(tmp_path: Path) -> None:
    write(make(tmp_path, [ENTITY], []) / "WIKIMEL_train.json", '[\n{"mentions": "x"},\n{"mentions" "y"}]')
    with pytest.raises(DataError, match=r"WIKIMEL_train\.json, line 3: not valid JSON"):
        load_dataset(tmp_path, on_error="skip")


def test_a_file_that_is_no_list_stops(tmp_path: Path) -> None:
    write(make(tmp_path, [ENTITY], []) / "WIKIMEL_train.json", {"a": 1})
    with pytest.raises(DataError, match=r"WIKIMEL_train\.json: the file must hold a JSON list"):
        load_dataset(tmp_path)
