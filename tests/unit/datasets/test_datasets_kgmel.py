"""The KGMEL layout, in folders and flat."""

from pathlib import Path

import pytest
from dataset_writers import at, small, write, write_kgmel

from pgmel.datasets import load_dataset
from pgmel.errors import DataError
from pgmel.records import NIL

RECORD = {
    "id": 5,
    "sentence": "The UK parliament",
    "imgPath": "mention_5.jpg",
    "mention": ["UK", "parliament"],
    "entity": ["United Kingdom", "P"],
}
RECORD |= {"answer": ["Q145", "nil"], "img-url": "https://example.org/p.jpg"}
LABELS = "Q145\tUnited Kingdom\tcountry in Europe\nQ6\tLondon\t\nQ7\tpound\tcurrency\n"


def make_folders(root: Path, records: list | None = None, splits: dict | None = None) -> Path:
    write(root / "data/dataset/WikiMEL.json", [RECORD] if records is None else records)
    write(
        root / "data/dataset/mapping/ids_split_mappings.json",
        {"WikiMEL": splits or {"train": [5], "val": [], "test": []}, "WikiDiverse": {}},
    )
    write(root / "data/KB/QID2Label.tsv", LABELS)
    return root


def add_triples(root: Path) -> Path:
    write(root / "data/KB/PID2Label.tsv", "P36\tcapital\tseat of government\nP38\tcurrency\tmoney\n")
    triples = ["Q145\tP36\tQ6", "Q145\tP38\tQ7", "Q145\tP38\tQ6", "Q6\tP38\tQ7", "Q6\tP36\tQ404", "Q6\tP404\tQ7", "Q145\tP38\tQ7"]
    write(root / "data/KB/Triples-WikiMEL.tsv", "\n".join(triples) + "\n")
    return root


@pytest.mark.parametrize("start", ["", "data", "data/dataset", "data/dataset/WikiMEL.json"])
def test_reads_the_repository_from_any_of_its_folders(tmp_path: Path, start: str) -> None:
    dataset = load_dataset(make_folders(tmp_path) / start)
    assert (dataset.layout, dataset.name, list(dataset.splits)) == ("kgmel", "WikiMEL", ["train", "dev", "test"])
    first, second = dataset.splits["train"]
    assert (first.id, first.surface, first.start, first.end, first.entity_id) == ("train-5-0", "UK", 4, 6, "Q145")
    assert (second.id, second.entity_id) == ("train-5-1", NIL)
    assert [(entity.id, entity.name, entity.description) for entity in dataset.entities][:2] == [
        ("Q145", "United Kingdom", "country in Europe"),
        ("Q6", "London", ""),
    ]


def test_reads_the_flat_form(tmp_path: Path) -> None:
    dataset = load_dataset(write_kgmel(tmp_path, small()))
    assert (dataset.layout, dataset.name) == ("kgmel", "WikiDiverse")
    assert [(split, len(mentions)) for split, mentions in dataset.splits.items()] == [("train", 2), ("dev", 1), ("test", 1)]
    assert dataset.splits["train"][0].image == tmp_path / "images" / "a.jpg"
    assert [entity.name for entity in dataset.entities] == ["Congo", "Congo", "Georgia"]


def test_pictures_lie_in_the_data_sets_own_folder(tmp_path: Path) -> None:
    record = RECORD | {"imgPath": "a.b.png"}
    make_folders(tmp_path, [record])
    (tmp_path / "data/dataset/image/WikiMEL").mkdir(parents=True)
    write(tmp_path / "data/KB/image/Q6_0.jpg", "x")
    dataset = load_dataset(tmp_path)
    assert dataset.splits["train"][0].image == tmp_path / "data/dataset/image/WikiMEL/a.jpg"
    assert [entity.images for entity in dataset.entities] == [(), (tmp_path / "data/KB/image/Q6_0.jpg",), ()]


def test_blank_pictures_are_no_pictures(tmp_path: Path) -> None:
    make_folders(tmp_path, [RECORD, RECORD | {"id": 6}], {"train": [5, 6]})
    write(tmp_path / "data/dataset/mapping/ids_blank_image.json", {"WikiMEL": [6]})
    mentions = load_dataset(tmp_path).splits["train"]
    assert [mention.image is None for mention in mentions] == [False, False, True, True]


def test_only_candidate_entities_are_in_the_knowledge_base(tmp_path: Path) -> None:
    write(make_folders(tmp_path) / "data/dataset/mapping/qids_candidate.json", {"WikiMEL": ["Q145", "Q7"]})
    assert [entity.id for entity in load_dataset(tmp_path).entities] == ["Q145", "Q7"]


def test_triples_become_attributes_and_stand_in_for_a_missing_description(tmp_path: Path) -> None:
    dataset = load_dataset(add_triples(make_folders(tmp_path)))
    assert [entity.attributes for entity in dataset.entities] == [
        {"capital": "London", "currency": "pound, London"},
        {"currency": "pound"},
        {},
    ]
    assert [entity.description for entity in dataset.entities] == ["country in Europe", "currency: pound.", "currency"]


def test_a_record_in_two_splits_is_in_both(tmp_path: Path) -> None:
    dataset = load_dataset(make_folders(tmp_path, splits={"train": [5], "test": ["5"]}))
    assert [mention.id for mention in dataset.splits["train"]] == ["train-5-0", "train-5-1"]
    assert [mention.id for mention in dataset.splits["test"]] == ["test-5-0", "test-5-1"]


def test_a_split_without_any_record_was_withheld(tmp_path: Path) -> None:
    dataset = load_dataset(make_folders(tmp_path, splits={"train": [5], "test": [8, 9]}))
    assert list(dataset.splits) == ["train"]
    assert dataset.notes == ("test was withheld: ids_split_mappings.json names 2 records for it, and none of them is there",)


def test_doubled_quotes_of_a_csv_writer_are_undone(tmp_path: Path) -> None:
    write(make_folders(tmp_path) / "data/KB/QID2Label.tsv", 'Q145\t"Toys ""R"" Us"\t\nQ6\tJeff "Swampy" Marsh\t\nQ7\t"Heroes"\t\n')
    assert [entity.name for entity in load_dataset(tmp_path).entities] == ['Toys "R" Us', 'Jeff "Swampy" Marsh', '"Heroes"']


FAULTS = {
    "missing key": ({"id": 6, "sentence": ""}, "record 2", 'key "imgPath"', "a required key is missing"),
    "wrong type": (RECORD | {"id": 6, "mention": "UK"}, "record 2", 'key "mention": expected array, got str', "a value has the wrong type"),
    "duplicate id": (RECORD, "id 5", "", "an id occurs more than once"),
    "uneven lists": (RECORD | {"id": 6, "answer": ["Q145"]}, "id 6", "", "mentions, entities and answers differ in number"),
    "empty surface": (RECORD | {"id": 6, "mention": [""], "entity": [""], "answer": ["nil"]}, "id 6", "", "the mention has no text"),
    "unknown gold": (
        RECORD | {"id": 6, "mention": ["UK"], "entity": [""], "answer": ["Q404"]},
        "id 6",
        'id "Q404"',
        "the gold entity is not in the knowledge base",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_record_says_where(tmp_path: Path, fault: str) -> None:
    record, where, detail, rule = FAULTS[fault]
    place = f"{where}, {detail}" if detail else where
    ids = [5, 7] + ([6] if "id 6" in where else [])
    make_folders(tmp_path, [RECORD, record, RECORD | {"id": 7}], {"train": ids})
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("WikiMEL.json", place, rule)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("WikiMEL.json", place, rule)]
    assert len(dataset.splits["train"]) == 4


@pytest.mark.parametrize(
    ("ids", "place", "rule"),
    [
        ([5, 404], 'WikiMEL, split "train", id "404"', "a split names an id that no record has"),
        ([5, 5], 'WikiMEL, split "train", id "5"', "an id occurs more than once"),
    ],
)
def test_a_fault_in_the_splits_says_where(tmp_path: Path, ids: list[int], place: str, rule: str) -> None:
    make_folders(tmp_path, splits={"train": ids})
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("ids_split_mappings.json", place, rule)


@pytest.mark.parametrize(("table", "line"), [("QID2Label.tsv", "Q1"), ("PID2Label.tsv", "P1"), ("Triples-WikiMEL.tsv", "Q1\tP1")])
def test_a_table_line_with_too_few_fields_says_where(tmp_path: Path, table: str, line: str) -> None:
    file = add_triples(make_folders(tmp_path)) / "data/KB" / table
    write(file, line + "\n" + file.read_text(encoding="utf-8"))
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    name, place, rule = at(caught.value)
    assert (name, rule) == (table, "the line has the wrong number of fields")
    assert str(place).startswith("line 1, ")
    assert len(load_dataset(tmp_path, on_error="skip").faults) == 1


def test_an_entity_that_occurs_twice_says_where(tmp_path: Path) -> None:
    write(make_folders(tmp_path) / "data/KB/QID2Label.tsv", LABELS + "Q6\tagain\t\n")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("QID2Label.tsv", 'line 4, id "Q6", first at line 2', "an id occurs more than once")


def test_several_data_sets_in_one_folder_must_be_told_apart(tmp_path: Path) -> None:
    write(make_folders(tmp_path) / "data/dataset/WikiDiverse.json", [])
    with pytest.raises(DataError, match=r"several data sets: WikiMEL\.json, WikiDiverse\.json\. Give the path of one of these files"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path / "data/dataset/WikiMEL.json").name == "WikiMEL"


def test_a_file_without_splits_is_an_error(tmp_path: Path) -> None:
    write(make_folders(tmp_path) / "data/dataset/Mine.json", [])
    with pytest.raises(DataError, match=r"ids_split_mappings\.json has no splits for Mine; it has WikiMEL, WikiDiverse"):
        load_dataset(tmp_path / "data/dataset/Mine.json")


def test_an_unknown_split_name_is_an_error(tmp_path: Path) -> None:
    make_folders(tmp_path, splits={"night": [5]})
    with pytest.raises(DataError, match=r"ids_split_mappings\.json, WikiMEL: the split 'night' is none of train"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("data/dataset/WikiMEL.json", r"there is no file of mentions; looked for WikiMEL\.json, WikiDiverse\.json"),
        ("data/KB/QID2Label.tsv", r"there is no QID2Label\.tsv; looked beside the mentions, in KB/ and in \.\./KB/"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, missing: str, message: str) -> None:
    (make_folders(tmp_path) / missing).unlink()
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)


def test_triples_without_names_of_relations_are_an_error(tmp_path: Path) -> None:
    (add_triples(make_folders(tmp_path)) / "data/KB/PID2Label.tsv").unlink()
    with pytest.raises(DataError, match=r"PID2Label\.tsv: the file does not exist"):
        load_dataset(tmp_path)
