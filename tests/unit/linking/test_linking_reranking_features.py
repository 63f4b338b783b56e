"""What the features of the second stage see in mentions and entities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.linking.reranking import FEATURES, GROUPS, EntityFacts, MentionFacts, pair_features
from pgmel.linking.reranking.slips import is_one_slip_away
from pgmel.records import Entity, Mention


def features(mention: Mention, entity: Entity) -> dict[str, float]:
    """Return the features of a pair by name."""
    row = pair_features(MentionFacts.of(mention), [EntityFacts.of(entity)])[0]
    return dict(zip(FEATURES, row.tolist(), strict=True))


def said(surface: str, context: str) -> Mention:
    """Return a mention that stands in its sentence where its surface first occurs."""
    start = context.index(surface)
    return Mention("m", surface, context, start, start + len(surface))


def test_every_feature_belongs_to_one_group() -> None:
    assert len(FEATURES) == len(set(FEATURES)) == sum(map(len, GROUPS.values()))


@pytest.mark.parametrize(
    ("surface", "name", "expected"),
    [
        ("Élan Smith", "elan SMITH", {"name_equal": 1, "name_part": 0, "words_missing": 0, "words_besides": 0}),
        ("Mercury", "Mercury (planet)", {"name_equal": 1, "name_equal_qualified": 1}),
        ("Smith", "Stan Smith", {"name_equal": 0, "name_part": 1, "name_end": 1, "name_start": 0, "words_besides": 1}),
        ("Stan", "Stan Smith", {"name_part": 1, "name_end": 0, "name_start": 1}),
        ("S. Smith", "Stan Smith", {"initials": 1, "words_missing": 0.5, "no_word": 0}),
        ("Jones", "Stan Smith", {"no_word": 1, "words_missing": 1, "name_part": 0}),
        ("", "Stan Smith", {"name_equal": 0, "name_part": 0, "no_word": 0, "words_missing": 0}),
    ],
)
def test_kinds_of_name_match(surface: str, name: str, expected: dict[str, float]) -> None:
    found = features(Mention("m", surface), Entity("e", name))
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("surface", "words", "some"),
    [
        ("Bret Lee", 0.5, 1),  # exchanged
        ("Bet Lee", 0.5, 1),  # missing
        ("Beert Lee", 0.5, 1),  # too many
        ("Bart Lee", 0.5, 1),  # another
        ("Bert Lee", 0, 0),
        ("Berts Lee", 0, 0),  # a letter more at the end: another word
        ("Ber Lee", 0, 0),
        ("Breet Lee", 0, 0),  # two slips
        ("Le Bert", 0, 0),  # too short for a slip
    ],
)
def test_a_word_one_slip_away_is_read_as_the_name_has_it(surface: str, words: float, some: int) -> None:
    found = features(Mention("m", surface), Entity("e", "Bert Lee"))
    assert (found["words_slipped"], found["any_slipped"]) == (words, some)
    assert found["name_equal"] == (surface == "Bert Lee" or some)


def test_slips_are_forgiven_in_aliases_too() -> None:
    found = features(Mention("m", "The Knig"), Entity("e", "Elvis Presley", ("The King",)))
    assert (found["alias_equal"], found["words_slipped"]) == (1, 0.5)


def test_a_word_that_the_name_has_is_no_slip_of_another() -> None:
    found = features(Mention("m", "Stone"), Entity("e", "Stone Stine"))
    assert (found["words_slipped"], found["name_part"], found["name_start"]) == (0, 1, 1)


def test_a_word_of_the_surface_is_not_read_twice() -> None:
    found = features(Mention("m", "Stine Stone"), Entity("e", "Stone"))
    assert (found["words_slipped"], found["words_missing"]) == (0, 0.5)


def test_years_are_no_slips() -> None:
    assert features(Mention("m", "Expo 1985"), Entity("e", "Expo 1986"))["words_slipped"] == 0


def test_nothing_is_forgiven_where_that_is_not_wanted() -> None:
    mention, entity = MentionFacts.of(Mention("m", "Bret Lee")), EntityFacts.of(Entity("e", "Bert Lee"))
    found = dict(zip(FEATURES, pair_features(mention, [entity], forgiving=False)[0].tolist(), strict=True))
    assert (found["words_slipped"], found["any_slipped"], found["words_missing"]) == (0, 0, 0.5)


words = st.text("abc", min_size=0, max_size=6)


@given(word=words, other=words)
def test_one_slip_is_what_a_slow_loop_finds(word: str, other: str) -> None:
    made = {word[:place] + sign + word[place + keep :] for place in range(len(word) + 1) for sign in ("", "a", "b", "c") for keep in (0, 1)}
    made |= {word[:place] + word[place + 1] + word[place] + word[place + 2 :] for place in range(len(word) - 1)}
    is_ending = word.startswith(other) or other.startswith(word)
    assert is_one_slip_away(word, other) == (other in made and not is_ending)


def test_an_alias_that_fits_better_than_the_name_is_compared() -> None:
    found = features(Mention("m", "The King"), Entity("e", "Elvis Presley", ("Elvis", "The King")))
    assert (found["alias_equal"], found["name_equal"], found["no_word"], found["words_besides"]) == (1, 0, 0, 0)


def test_other_words_of_the_name_in_the_sentence() -> None:
    entity = Entity("e", "Wilhelm Karl Zimmermann")
    found = features(said("Zimmermann", "Wilhelm Zimmermann was a historian."), entity)
    assert (found["besides_found"], found["besides_any"], found["besides_count"]) == (0.5, 1, 1)
    assert (found["before_fits"], found["before_strange"]) == (1, 0)
    other = features(said("Zimmermann", "Friedrich Zimmermann was a minister."), entity)
    assert (other["besides_any"], other["before_fits"], other["before_strange"]) == (0, 0, 1)


def test_a_repeated_surface_is_no_other_word() -> None:
    found = features(said("Smith", "Smith met Smith"), Entity("e", "Smith Smith"))
    assert found["besides_count"] == 0


def test_the_word_after_the_mention() -> None:
    entity = Entity("e", "Otto of Brunswick")
    assert features(said("Otto", "Otto of Bavaria"), entity)["after_fits"] == 1
    assert features(said("Otto", "Otto Bismarck spoke"), entity)["after_strange"] == 1
    assert features(said("Otto", "Otto, Bismarck"), entity)["after_strange"] == 0


def test_the_place_of_the_mention_decides_not_its_first_occurrence() -> None:
    sentence = "Anna Smith and Bert Smith"
    entity = Entity("e", "Bert Smith")
    first, second = Mention("m", "Smith", sentence, 5, 10), Mention("m", "Smith", sentence, 20, 25)
    assert [features(one, entity)["before_fits"] for one in (first, second)] == [0, 1]


def test_words_of_the_description_count_outside_the_name_only() -> None:
    entity = Entity("e", "Henry Miller", description="writer and miller", attributes={"work": "Tropics of Cancer"})
    found = features(said("Miller", "Miller, the writer of Tropics, in 1934"), entity)
    assert (found["described_count"], found["described_any"], found["described_long"]) == (2, 1, 1)


@pytest.mark.parametrize(("sentence", "value"), [("He saw her Kim", 0), ("With her Kim won", 1), ("With his Kim won", -1), ("Kim won", 0)])
def test_pronouns_fit_the_description(sentence: str, value: int) -> None:
    assert features(said("Kim", sentence), Entity("e", "Kim", description="Sex: female."))["pronoun"] == value
    assert features(said("Kim", sentence), Entity("e", "Kim", description="Sex: male."))["pronoun"] == -value
    assert features(said("Kim", sentence), Entity("e", "Kim"))["pronoun"] == 0


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (1820, {"years_too_early"}),
        (1826, {"years_early", "years_equal"}),
        (1830, {"years_early"}),
        (1850, {"years_within"}),
        (1883, {"years_after"}),
    ],
)
def test_years_of_a_life(year: int, expected: set[str]) -> None:
    found = features(said("Lee", f"Lee in {year}"), Entity("e", "Lee", description="born 1826, died 1882"))
    assert {name for name in GROUPS["years"] if found[name]} == expected


def test_a_lone_year_stands_for_a_lifetime() -> None:
    entity = Entity("e", "Lee", description="born 1826")
    assert features(said("Lee", "Lee in 1900"), entity)["years_within"] == 1
    late = features(said("Lee", "Lee in 1950"), entity)
    assert (late["years_far_after"], late["years_after"], late["years_within"]) == (1, 0, 0)


def test_scripts_without_spaces_are_cut_into_signs() -> None:
    assert features(Mention("m", "東京"), Entity("e", "東京都"))["name_part"] == 1


texts = st.text(st.characters(codec="utf-8"), max_size=30)


@given(surface=texts, context=texts, name=texts, alias=texts, description=texts)
def test_any_texts_give_finite_features(surface: str, context: str, name: str, alias: str, description: str) -> None:
    mention = MentionFacts.of(Mention("m", surface, context))
    found = pair_features(mention, [EntityFacts.of(Entity("e", name, (alias,), description))])
    assert found.shape == (1, len(FEATURES))
    assert np.isfinite(found).all()


@given(names=st.lists(texts, min_size=1, max_size=4))
def test_features_of_a_pair_do_not_depend_on_the_other_candidates(names: list[str]) -> None:
    mention = MentionFacts.of(Mention("m", "ab", "x ab y 1900"))
    facts = [EntityFacts.of(Entity(str(row), name)) for row, name in enumerate(names)]
    np.testing.assert_array_equal(pair_features(mention, facts), np.concatenate([pair_features(mention, [one]) for one in facts]))
