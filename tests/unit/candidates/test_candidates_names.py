"""Search by name survives slips, word order, accents, initials and aliases; what was changed answers as what was built anew."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from pgmel.candidates import NamedRow, NameIndex, name_words
from pgmel.candidates.name_grams import name_grams
from pgmel.errors import IndexFileError
from pgmel.files import hash_file

NAMES = [
    "John Fitzgerald Kennedy",
    "Robert Francis Kennedy",
    "Kennedy Space Center",
    "Johan Fitz",
    "São Tomé",
    "Saint Thomas",
    "Zaire",
    "Michael Jordan",
    "Michael Gordon",
    "Jordan River",
]
ALIASES = {6: ("DR Congo", "Congo-Kinshasa"), 7: ("Air Jordan", "MJ")}
KB: list[NamedRow] = [(row, name, ALIASES.get(row, ())) for row, name in enumerate(NAMES)]

entities = st.lists(st.tuples(st.text("abc .é", max_size=6), st.lists(st.text("abc ", max_size=5), max_size=3)), max_size=10)


@pytest.fixture(scope="module")
def names() -> NameIndex:
    return NameIndex.build(iter(KB), "f1")


def best(names: NameIndex, text: str, k: int = 1) -> list[str]:
    return [NAMES[row] for row in names.search([text], k)[1][0] if row >= 0]


@pytest.mark.parametrize("text", ["Micheal Jordan", "Michael Jodran", "Michal Jordann", "Mchael Jordan", "MichaelJordan"])
def test_slips_are_forgiven(names: NameIndex, text: str) -> None:
    assert best(names, text) == ["Michael Jordan"]


@pytest.mark.parametrize("text", ["Kennedy, John Fitzgerald", "JOHN fitzgerald kennedy", "Jöhn  Fitzgerald-Kennedy!"])
def test_word_order_case_accents_and_punctuation_do_not_count(names: NameIndex, text: str) -> None:
    scores, rows = names.search([text], 2)
    assert (rows[0, 0], scores[0, 0]) == (0, 1.0)
    assert scores[0, 1] < 0.7


@pytest.mark.parametrize("text", ["J. F. Kennedy", "JF Kennedy", "Kennedy, J.", "John F. Kennedy", "J.F.K.", "JFK"])
def test_initials_are_understood(names: NameIndex, text: str) -> None:
    assert best(names, text) == ["John Fitzgerald Kennedy"]


def test_initials_in_the_knowledge_base_are_understood() -> None:
    made = NameIndex.build([(0, "R. F. Kennedy", ()), (1, "J. F. Kennedy", ()), (2, "J. F. Keller", ())])
    assert made.search(["John Fitzgerald Kennedy"], 1)[1].tolist() == [[1]]


def test_an_entity_is_found_by_any_of_its_names_and_counts_once(names: NameIndex) -> None:
    for text in ("Zaire", "DR Congo", "congo kinshasa"):
        scores, rows = names.search([text], 10)
        assert (rows[0, 0], scores[0, 0]) == (6, 1.0)
        assert np.count_nonzero(rows == 6) == 1
    assert len(names) == len(NAMES) + 4


def test_many_names_of_one_entity_leave_room_for_others() -> None:
    made = NameIndex.build([(3, "Congo", [f"Congo {letter}" for letter in "abcdefghijklmnop"]), (5, "Congo Basin River", ())])
    assert made.search(["Congo"], 2)[1].tolist() == [[3, 5]]


def test_equal_names_of_an_entity_are_one() -> None:
    assert len(NameIndex.build([(0, "São Tomé", ("sao tome", "SAO  TOMÉ", "", " "))])) == 1


def test_equal_scores_come_in_the_order_of_rows() -> None:
    made = NameIndex.build([(9, "Congo", ()), (2, "Congo", ("Zaire",)), (4, "congo", ()), (7, "Congo", ())])
    scores, rows = made.search(["Congo", "Kongo"], 3)
    assert rows.tolist() == [[2, 4, 7]] * 2
    assert scores[0].tolist() == [1.0] * 3
    assert len(set(scores[1].tolist())) == 1


def test_what_the_name_has_beyond_the_text_costs_less_than_the_other_way_round() -> None:
    made = NameIndex.build([(0, "Kennedy", ()), (1, "Kennedy Space Center", ()), (2, "Zaire", ())])
    longer = made.search(["Kennedy"], 2)[0][0, 1]
    shorter = made.search(["Kennedy Space Center"], 2)[0][0, 1]
    assert 0 < shorter < longer < 1


def test_where_fewer_are_found_the_rest_is_empty(names: NameIndex) -> None:
    scores, rows = names.search(["Zaire", "", "%", "xqxqx"], 4)
    assert (scores.dtype, rows.dtype, rows.shape) == (np.float32, np.int64, (4, 4))
    assert rows[1:].tolist() == [[-1] * 4] * 3
    assert scores[1:].tolist() == [[0.0] * 4] * 3
    assert names.search([], 3)[1].shape == (0, 3)
    assert NameIndex.build([]).search(["a"], 2)[1].tolist() == [[-1, -1]]


def test_an_entity_alone_is_found() -> None:
    assert NameIndex.build([(4, "Congo", ())]).search(["Congo"], 1)[0].tolist() == [[1.0]]


def test_a_name_without_letters_is_found() -> None:
    assert NameIndex.build([(0, "???", ()), (1, "★ ★", ())]).search(["★ ★"], 1)[1].tolist() == [[1]]


def test_an_unfinished_word_is_as_good_as_a_whole_one(names: NameIndex) -> None:
    assert names.search(["jordan ri"], 1, unfinished=True)[1].tolist() == [[9]]
    whole, unfinished = (names.search(["Kenn"], 1, unfinished=end)[0][0, 0] for end in (False, True))
    assert unfinished > whole


def test_an_unfinished_word_has_no_end_and_unfinished_names_have_no_initials() -> None:
    assert name_grams(("an", "isl")) == [" a", " an", "an ", " i", " is", "isl", "sl ", "=ai"]
    assert name_grams(("an", "isl"), unfinished=True) == [" a", " an", "an ", " i", " is", "isl"]
    assert name_grams(()) == name_grams((), unfinished=True) == []


def test_less_than_one_is_refused(names: NameIndex) -> None:
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        names.search(["a"], 0)


def test_answers_do_not_depend_on_the_batch(names: NameIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Micheal Jordan", "J. F. Kennedy", "Congo", "tome"]
    together = names.search(texts, 3)
    monkeypatch.setattr("pgmel.candidates.names._MOST_CELLS", 1)
    for parts in (names.search(texts, 3), [np.concatenate(found) for found in zip(*(names.search([t], 3) for t in texts), strict=True)]):
        for one, other in zip(together, parts, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_in_very_many_names_is_left_out_and_the_rest_decides(names: NameIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    many = NameIndex.build([(row, f"island number {row}", ()) for row in range(50)] + [(50, "isle of Wight", ())])
    whole = many.search(["island Wight"], 60)[1]
    monkeypatch.setattr("pgmel.candidates.names._MOST_POSTINGS", 20)
    scores, rows = many.search(["island Wight"], 60)
    assert rows[0, 0] == 50
    assert np.count_nonzero(whole >= 0) == 51
    assert np.count_nonzero(rows >= 0) == 1
    assert scores[0, 0] <= 1
    monkeypatch.setattr("pgmel.candidates.names._MOST_POSTINGS", 0)
    assert names.search(["Zaire"], 1)[1].tolist() == [[6]]


@given(entities, st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=4), st.integers(1, 4))
@settings(max_examples=25)
def test_scores_are_those_of_a_plain_loop(kb: list[tuple[str, list[str]]], texts: list[str], k: int) -> None:
    listed = [
        (row, set(name_grams(words)))
        for row, (name, aliases) in enumerate(kb)
        for words in dict.fromkeys(name_words(text) for text in (name, *aliases))
        if words
    ]
    weight = {
        gram: np.log(1 + len(listed) / max(1, sum(gram in grams for _, grams in listed)))
        for grams in [*(grams for _, grams in listed), *(set(name_grams(name_words(text))) for text in texts)]
        for gram in grams
    }
    scores, rows = NameIndex.build((row, *names) for row, names in enumerate(kb)).search(texts, k)
    for number, text in enumerate(texts):
        asked = set(name_grams(name_words(text)))
        found: dict[int, float] = {}
        for row, grams in listed:
            shared, size, whole = (sum(weight[gram] for gram in some) for some in (asked & grams, asked, grams))
            if shared:
                found[row] = max(found.get(row, 0.0), shared / (0.7 * size + 0.3 * whole))
        expected = sorted(found.values(), reverse=True)[:k]
        np.testing.assert_allclose(scores[number, : len(expected)], expected, rtol=1e-5)
        assert [row in found for row in rows[number] if row >= 0] == [True] * len(expected)
        np.testing.assert_allclose([found[row] for row in rows[number] if row >= 0], expected, rtol=1e-5)


@given(entities, entities, st.data())
@settings(max_examples=25)
def test_a_changed_index_answers_as_one_built_anew(
    old: list[tuple[str, list[str]]], new: list[tuple[str, list[str]]], data: st.DataObject
) -> None:
    before = dict(enumerate(old))
    gone = data.draw(st.sets(st.sampled_from(range(12)), max_size=6))
    rows = data.draw(st.permutations([*gone, *range(len(old), len(old) + len(new))]))[: len(new)]
    added = dict(zip(rows, new, strict=True))
    gone |= added.keys() & before.keys()
    changed = NameIndex.build((row, *names) for row, names in before.items()).change(
        np.array(sorted(gone), dtype=np.int64), ((row, *names) for row, names in added.items())
    )
    after = {row: names for row, names in before.items() if row not in gone} | added
    anew = NameIndex.build((row, *after[row]) for row in sorted(after))
    texts = [name for names in (*before.values(), *after.values()) for name in (names[0], *names[1])] + ["a", "bc ab"]
    assert len(changed) == len(anew)
    np.testing.assert_array_equal(changed.rows, anew.rows)
    for one, other in zip(changed.search(texts, 3), anew.search(texts, 3), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_change_leaves_the_old_index_as_it_was(names: NameIndex) -> None:
    changed = names.change(np.array([6, 99]), [(6, "Democratic Republic", ()), (10, "Zaire", ())], "f2")
    assert changed.search(["Zaire"], 1)[1].tolist() == [[10]]
    assert names.search(["Zaire"], 1)[1].tolist() == [[6]]
    with pytest.raises(IndexFileError, match="another knowledge base"):
        changed.check_fits("f1")


def test_a_saved_index_answers_as_before(names: NameIndex, tmp_path: Path) -> None:
    names.save(tmp_path / "names")
    loaded = NameIndex.load(tmp_path / "names")
    texts = [*NAMES, "JFK", "congo"]
    for one, other in zip(names.search(texts, 5), loaded.search(texts, 5), strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.describe() == {"names": 14}
    loaded.check_fits("f1")
    loaded.check_fits("")
    with pytest.raises(IndexFileError, match="name index was built over another knowledge base"):
        loaded.check_fits("f2")


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    NameIndex.build([]).save(tmp_path / "names", "f")
    assert len(NameIndex.load(tmp_path / "names")) == 0


def test_a_folder_that_cannot_be_written(names: NameIndex, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexFileError, match=r"name index .* cannot be written"):
        names.save(tmp_path / "file" / "names")


def rewrite(folder: Path, **values: np.ndarray) -> None:
    """Replace arrays of an index, with the right digest."""
    file = folder / "names.safetensors"
    save_file({**load_file(file), **values}, file)
    card = json.loads((folder / "names.json").read_text())
    (folder / "names.json").write_text(json.dumps({**card, "digest": hash_file(file)}))


def change_card(folder: Path, **values: object) -> None:
    card = json.loads((folder / "names.json").read_text())
    (folder / "names.json").write_text(json.dumps({**card, **values}))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "names.json").unlink(), r"is damaged: .*names\.json"),
        (lambda folder: (folder / "names.json").write_text("{"), "is damaged: .*not valid JSON"),
        (lambda folder: change_card(folder, format_version=9), "format version 9, this pgmel reads version 1"),
        (lambda folder: change_card(folder, names="many"), r"is damaged: names\.json: Expected `int`"),
        (lambda folder: (folder / "names.safetensors").unlink(), r"names\.safetensors is missing"),
        (lambda folder: os.truncate(folder / "names.safetensors", 200), "not the file that was written"),
        (lambda folder: rewrite(folder, owners=np.zeros(14)), "does not hold owners, buckets, counts, names as 32-bit integers"),
        (lambda folder: rewrite(folder, owners=np.zeros(3, np.int32)), "do not go together"),
        (lambda folder: rewrite(folder, owners=np.full(14, -5, np.int32)), "numbers out of range"),
        (lambda folder: rewrite(folder, names=load_file(folder / "names.safetensors")["names"] + 10), "numbers out of range"),
        (lambda folder: rewrite(folder, counts=-load_file(folder / "names.safetensors")["counts"]), "do not go together"),
        (lambda folder: rewrite(folder, buckets=load_file(folder / "names.safetensors")["buckets"][::-1].copy()), "numbers out of range"),
    ],
)
def test_damage_is_noticed_and_named(names: NameIndex, tmp_path: Path, break_it: Callable[[Path], object], message: str) -> None:
    names.save(tmp_path / "names")
    break_it(tmp_path / "names")
    with pytest.raises(IndexFileError, match=message):
        NameIndex.load(tmp_path / "names")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match=r"name index .*none does not exist"):
        NameIndex.load(tmp_path / "none")
