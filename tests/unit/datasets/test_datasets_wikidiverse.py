"""The two official layouts of WikiDiverse."""

import hashlib
from pathlib import Path

import pytest
from dataset_writers import at, small, write, write_wikidiverse_caption, write_wikidiverse_mention

from pgmel.datasets import load_dataset
from pgmel.datasets.wikidiverse import parse_link, picture_name, title_of
from pgmel.errors import DataError
from pgmel.records import NIL

WIKI = "https://en.wikipedia.org/wiki/"
LIONS = ["Lions", "Organization", 4, 9, f"{WIKI}Detroit_Lions"]
PACKERS = ["Packers", "Organization", 21, 28, f"{WIKI}Green_Bay_Packers"]
CAPTION = ["The Lions versus the Packers (2007).", "https://upload.wikimedia.org/a/06/Play-2007.jpg", "sports", [LIONS, PACKERS]]
ROW = ["The Lions (2007).", "https://upload.wikimedia.org/a/06/Play-2007.jpg", "Lions", "Organization", ["the"], ["(", "2007"]]
ROW += [f"{WIKI}Detroit_Lions", [f"{WIKI}Lion", f"{WIKI}Detroit_Lions"], "sports", 4, 9]


@pytest.mark.parametrize(
    ("address", "title"),
    [
        (f"{WIKI}Detroit_Lions", "Detroit_Lions"),
        (f"n{WIKI}Detroit_Lions", "Detroit_Lions"),
        (f"]{WIKI}Detroit_Lions", "Detroit_Lions"),
        (f"h{WIKI}Detroit_Lions", "Detroit_Lions"),
        (f"{WIKI[1:]}Detroit_Lions", "Detroit_Lions"),
        (f"  {WIKI}Detroit_Lions\n", "Detroit_Lions"),
        ("https://en.wikipedia.org//wiki/Detroit_Lions", "Detroit_Lions"),
        ("https://en.m.wikipedia.org/wiki/Detroit_Lions", "Detroit_Lions"),
        ("Detroit Lions", "Detroit_Lions"),
        (f"{WIKI}Beyonc%C3%A9", "Beyoncé"),
        (f"{WIKI}planet", "Planet"),
        (f"{WIKI}AC/DC", "AC/DC"),
        (f"{WIKI}Iran#History", "Iran"),
        (f"{WIKI}%C3%9F", "ß"),
        ("https://de.wikipedia.org/wiki/Berlin", "de:Berlin"),
        ("https://www.wikidata.org/wiki/Q5", "https://www.wikidata.org/wiki/Q5"),
        ("", ""),
    ],
)
def test_finds_the_title_in_an_address(address: str, title: str) -> None:
    assert title_of(address) == title


@pytest.mark.parametrize("address", ["nil", "NIL", " nil ", None])
def test_nil_in_any_case_is_nil(address: str | None) -> None:
    assert parse_link(address) is NIL


def test_a_page_called_nil_is_an_entity() -> None:
    assert parse_link(f"{WIKI}Nil") == "Nil"


@pytest.mark.parametrize(
    ("base", "suffix"),
    [
        ("Play-2007.jpg", ".jpg"),
        ("a.b.JPEG", ".JPEG"),
        ("Map.svg", ".png"),
        ("Map.SVG", ".png"),
        ("x.svg.png", ".png"),
        ("anim.gif", "anim.gif"),
    ],
)
def test_names_a_picture_as_the_publisher_does(base: str, suffix: str) -> None:
    expected = hashlib.md5(base.encode(), usedforsecurity=False).hexdigest() + suffix
    assert picture_name(f"https://upload.wikimedia.org/wikipedia/commons/0/06/{base}") == expected


def test_reads_captions(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        write(tmp_path / f"{name}.json", [CAPTION])
    dataset = load_dataset(tmp_path)
    assert (dataset.layout, list(dataset.splits)) == ("wikidiverse-caption", ["train", "dev", "test"])
    first, second = dataset.splits["dev"]
    assert (first.id, first.surface, first.context, first.start, first.end) == ("dev-0-0", "Lions", CAPTION[0], 4, 9)
    assert (second.id, second.entity_id) == ("dev-0-1", "Green_Bay_Packers")
    assert first.image == tmp_path / "wikinewsImgs" / picture_name("Play-2007.jpg")
    assert [(entity.id, entity.name) for entity in dataset.entities] == [
        ("Detroit_Lions", "Detroit Lions"),
        ("Green_Bay_Packers", "Green Bay Packers"),
    ]


def test_reads_mentions_with_candidates(tmp_path: Path) -> None:
    write(tmp_path / "train_w_10cands.json", [ROW])
    dataset = load_dataset(tmp_path)
    (mention,) = dataset.splits["train"]
    assert dataset.layout == "wikidiverse-mention"
    assert (mention.id, mention.surface, mention.start, mention.end, mention.entity_id) == ("train-0", "Lions", 4, 9, "Detroit_Lions")
    assert mention.candidates == ("Lion", "Detroit_Lions")
    assert {entity.id for entity in dataset.entities} == {"Lion", "Detroit_Lions"}


def test_a_candidate_that_comes_twice_or_is_nil_counts_once_or_not(tmp_path: Path) -> None:
    row = [*ROW[:7], ["nil", f"{WIKI}Lion", "Lion"], *ROW[8:]]
    write(tmp_path / "train_w_10cands.json", [row])
    assert load_dataset(tmp_path).splits["train"][0].candidates == ("Lion",)


@pytest.mark.parametrize(("folder", "write_layout"), [("mentions", write_wikidiverse_caption), ("candidates", write_wikidiverse_mention)])
def test_files_may_lie_in_folders(tmp_path: Path, folder: str, write_layout: object) -> None:
    write_layout(tmp_path / folder, small())  # type: ignore[operator]
    (tmp_path / "entities").mkdir()
    (tmp_path / folder / "entity2desc.tsv").rename(tmp_path / "entities" / "entity2desc.tsv")
    (tmp_path / "images").mkdir()
    dataset = load_dataset(tmp_path)
    assert dataset.entities[0].description == "Country in the west"
    image = dataset.splits["train"][0].image
    assert image is not None
    assert image.parent == tmp_path / "images"


def test_wrong_offsets_give_way_to_the_first_occurrence(tmp_path: Path) -> None:
    spans = [["Lions", "x", 0, 5, "nil"], ["Bears", "x", 4, 9, "nil"], ["Lions", "x", None, "9", "nil"]]
    spans += [["Lions", "x", 4 - len(CAPTION[0]), 9, "nil"]]
    write(tmp_path / "train.json", [[CAPTION[0], None, "sports", spans]])
    assert [(mention.start, mention.end) for mention in load_dataset(tmp_path).splits["train"]] == [(4, 9), (None, None), (4, 9), (4, 9)]


def test_no_address_is_no_picture(tmp_path: Path) -> None:
    write(tmp_path / "train.json", [[CAPTION[0], address, "sports", [LIONS]] for address in (None, "", " ")])
    assert [mention.image for mention in load_dataset(tmp_path).splits["train"]] == [None, None, None]


def test_text_tables_describe_entities_and_add_others(tmp_path: Path) -> None:
    write(tmp_path / "train.json", [CAPTION])
    write(tmp_path / "entity2desc.tsv", "Detroit_Lions@@@@A football team\nLion@@@@ A large cat \n")
    write(
        tmp_path / "wikipedia_entity2imgs.tsv",
        "Detroit_Lions@@@@https://upload.wikimedia.org/a.jpg[AND]https://upload.wikimedia.org/b.jpg\n",
    )
    dataset = load_dataset(tmp_path)
    assert [(entity.id, entity.description) for entity in dataset.entities] == [
        ("Detroit_Lions", "A football team"),
        ("Lion", "A large cat"),
        ("Green_Bay_Packers", ""),
    ]


def test_the_full_extract_has_names_and_addresses(tmp_path: Path) -> None:
    write(tmp_path / "train.json", [CAPTION])
    line = f'A cat{{"title": "Cat"}}@@@@A cat@@@@[["https://x/a.jpg", ""]]@@@@The Lions@@@@{WIKI}Detroit_Lions@@@@[]\n'
    write(tmp_path / "wikipedia.tsv", line)
    entity = load_dataset(tmp_path).entities[0]
    assert (entity.id, entity.name, entity.description) == ("Detroit_Lions", "The Lions", "A cat")


TABLE_FAULTS = {
    "fields": ("Lion\n", "line 2, 1 instead of 2", "the line has the wrong number of fields"),
    "duplicate": ("Cat@@@@again\n", 'line 2, title "Cat"', "an id occurs more than once"),
    "empty": ("@@@@text\n", "line 2", "an id is empty"),
}


@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_a_fault_in_a_text_table_says_where(tmp_path: Path, fault: str) -> None:
    line, place, rule = TABLE_FAULTS[fault]
    write(tmp_path / "train.json", [CAPTION])
    write(tmp_path / "entity2desc.tsv", "Cat@@@@A cat\n" + line + "Dog@@@@A dog\n")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("entity2desc.tsv", place, rule)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("entity2desc.tsv", place, rule)]
    assert [entity.id for entity in dataset.entities][:2] == ["Cat", "Dog"]


def test_a_table_line_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    write(tmp_path / "train.json", [CAPTION])
    (tmp_path / "entity2desc.tsv").write_bytes(b"Cat@@@@A cat\nD\xffg@@@@A dog\n")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("entity2desc.tsv", "line 2, invalid start byte", "the line is not UTF-8 text")


CAPTION_FAULTS = {
    "too short": (CAPTION[:3], "record 2, expected array of at least length 4, got 3", "a value has the wrong type"),
    "caption no text": ([7, *CAPTION[1:]], 'record 2, key "[0]": expected str, got int', "a value has the wrong type"),
    "empty surface": ([*CAPTION[:3], [["", "x", 0, 0, "nil"]]], "record 2, mention 1", "the mention has no text"),
    "empty address": ([*CAPTION[:3], [["Lions", "x", 4, 9, ""]]], "record 2, mention 1, the entity's address is empty", "an id is empty"),
}


@pytest.mark.parametrize("fault", CAPTION_FAULTS)
def test_a_faulty_caption_says_where(tmp_path: Path, fault: str) -> None:
    record, place, rule = CAPTION_FAULTS[fault]
    write(tmp_path / "valid.json", [CAPTION, record, CAPTION])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("valid.json", place, rule)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("valid.json", place, rule)]
    assert [mention.id for mention in dataset.splits["dev"]] == ["dev-0-0", "dev-0-1", "dev-2-0", "dev-2-1"]


MENTION_FAULTS = {
    "too short": (ROW[:9], "record 2, expected array of at least length 11, got 9", "a value has the wrong type"),
    "candidates no list": ([*ROW[:7], None, *ROW[8:]], 'record 2, key "[7]": expected array, got null', "a value has the wrong type"),
    "empty surface": ([*ROW[:2], " ", *ROW[3:]], "record 2", "the mention has no text"),
    "empty address": ([*ROW[:6], "", *ROW[7:]], "record 2, the entity's address is empty", "an id is empty"),
}


@pytest.mark.parametrize("fault", MENTION_FAULTS)
def test_a_faulty_mention_says_where(tmp_path: Path, fault: str) -> None:
    record, place, rule = MENTION_FAULTS[fault]
    write(tmp_path / "test_w_10cands.json", [ROW, record, ROW])
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    assert at(caught.value) == ("test_w_10cands.json", place, rule)
    dataset = load_dataset(tmp_path, on_error="skip")
    assert [at(error) for error in dataset.faults] == [("test_w_10cands.json", place, rule)]
    assert [mention.id for mention in dataset.splits["test"]] == ["test-0", "test-2"]


def test_two_files_for_one_split_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "train_w_10cands.json", [ROW])
    write(tmp_path / "train_w_20cands.json", [ROW])
    with pytest.raises(DataError, match=r"train_w_10cands\.json and train_w_20cands\.json are both the train split"):
        load_dataset(tmp_path)
