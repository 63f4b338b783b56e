"""Who the demo's mentions mean, and what their sentences tell."""

import numpy as np
import pytest

from pgmel.datasets.demo import SPLIT_SIZES
from pgmel.datasets.demo.flags import draw_flag
from pgmel.datasets.demo.gazetteer import find_ambiguous, load_places, read_data
from pgmel.datasets.demo.likeness import find_lookalikes
from pgmel.datasets.demo.mixture import MentionPlan, MentionPlanner, cast_places
from pgmel.datasets.demo.sentences import SentenceBook, add_article

SPLITS = tuple(SPLIT_SIZES)


def test_no_frame_is_shared_between_splits() -> None:
    data = read_data("sentences.toml")
    frames = [frame for split in SPLITS for kind in ("plain", "region", "capital", "clue") for frame in data[split][kind]]
    assert len(set(frames)) == len(frames)
    assert all(frame.count("{m}") == 1 for frame in frames)


def test_plain_frames_tell_no_facts() -> None:
    data = read_data("sentences.toml")
    plain = [frame for split in SPLITS for frame in data[split]["plain"]]
    assert not any(slot in frame for frame in plain for slot in ("{place}", "{a_kind}", "{capital}", "{clue}"))


def test_nil_comes_with_names_the_kb_has_and_names_it_lacks() -> None:
    shared = find_ambiguous(load_places())
    for casting in cast_places(load_places(), np.random.default_rng(5)).values():
        borrowed = [any(name in shared for name in place.names) for place in casting.nil]
        assert True in borrowed
        assert False in borrowed


def plan_many() -> tuple[list[MentionPlan], frozenset[frozenset[str]]]:
    places = load_places()
    lookalikes = find_lookalikes({place.id: draw_flag(place.flag, 24) for place in places if place.flag})
    rng = np.random.default_rng(1)
    return MentionPlanner(places, lookalikes).plan(cast_places(places, rng)["dev"], 4000, rng), lookalikes


def test_half_of_the_mentions_show_their_own_flag() -> None:
    plans, _ = plan_many()
    assert 0.45 <= np.mean([plan.picture == "flag" for plan in plans]) <= 0.65


def test_only_places_with_a_flag_are_photographed_by_it() -> None:
    plans, _ = plan_many()
    assert all(plan.place.flag for plan in plans if plan.picture == "flag")


def test_the_text_decides_where_the_picture_does_not() -> None:
    plans, lookalikes = plan_many()
    sharing = find_ambiguous(load_places())

    def is_alike(plan: MentionPlan) -> bool:
        return any(frozenset((plan.place.id, rival.id)) in lookalikes for rival in sharing.get(plan.surface, ()))

    told = {"capital", "clue"}
    shown = [plan.text in told for plan in plans if plan.picture == "flag" and plan.place.in_kb and not is_alike(plan)]
    alike = [plan.text in told for plan in plans if plan.picture == "flag" and plan.place.in_kb and is_alike(plan)]
    unshown = [plan.text in told for plan in plans if plan.picture != "flag"]
    assert np.mean(shown) < 0.15
    assert np.mean(alike) > 0.7
    assert np.mean(unshown) > 0.6


def test_lookalikes_are_pairs_that_a_photograph_cannot_tell_apart() -> None:
    chosen = {"germany", "west-germany", "chad", "romania", "japan", "palau", "france"}
    flags = {place.id: draw_flag(place.flag, 48) for place in load_places() if place.flag and place.id in chosen}
    assert find_lookalikes(flags) == {frozenset(("germany", "west-germany")), frozenset(("chad", "romania"))}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Congo", "Congo"),
        ("Netherlands", "the Netherlands"),
        ("Virgin Islands", "the Virgin Islands"),
        ("Kingdom of Italy", "the Kingdom of Italy"),
        ("Free State", "the Free State"),
        ("South Holland", "South Holland"),
        ("NE", "NE"),
    ],
)
def test_articles_stand_where_english_wants_them(name: str, expected: str) -> None:
    assert add_article(name) == expected


def test_a_sentence_book_writes_no_sentence_twice_and_finds_its_surface() -> None:
    taken: set[str] = set()
    book, rng = SentenceBook("dev", taken), np.random.default_rng(0)
    place = next(place for place in load_places() if place.id == "netherlands")
    for number in range(60):
        sentence, start = book.write(place, "Netherlands", "clue", rng)
        assert len(taken) == number + 1
        assert sentence[start:].startswith("Netherlands")
        assert sentence[start - 4 : start].lower() == "the "
        assert sentence[0].isupper()


def test_a_sentence_book_that_has_run_out_says_so() -> None:
    class Full(set[str]):
        def __contains__(self, item: object) -> bool:
            return True

    with pytest.raises(RuntimeError, match="no unused plain sentence is left for Chad"):
        SentenceBook("test", Full()).write(load_places()[0], "Chad", "plain", np.random.default_rng(0))
