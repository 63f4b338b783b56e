"""Slices: who is seen, titled, ambiguous, pictured."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pgmel import NIL, Entity, Mention
from pgmel.errors import DataError
from pgmel.evaluation import SLICES, normalise_surface, slice_masks

KB = (
    Entity("Q1", "Guinea", ("Guinée",)),
    Entity("Q2", "Guinea-Bissau", ("guinea",)),
    Entity("Q3", "Republic of the Congo", ("Congo",)),
    Entity("Q4", "Luxembourg"),
)


def mention(surface: str, gold: str, image: Path | None = None) -> Mention:
    return Mention(f"{surface}-{gold}", surface, entity_id=gold, image=image)


def test_pairs_of_slices_divide_the_mentions() -> None:
    mentions = [mention("Guinea", "Q1"), mention("Congo", "Q3"), mention("the grand duchy", "Q4", Path("x.png"))]
    masks = slice_masks(mentions, KB, {"Q1"})
    assert list(masks) == list(SLICES)
    for one, other in zip(list(masks.values())[::2], list(masks.values())[1::2], strict=True):
        np.testing.assert_array_equal(one, ~other)


def test_seen_is_being_gold_in_training() -> None:
    masks = slice_masks([mention("Guinea", "Q1"), mention("Congo", "Q3")], KB, ["Q3", "Q9"])
    np.testing.assert_array_equal(masks["seen"], [False, True])


def test_without_training_gold_there_is_no_such_slice() -> None:
    assert not {"seen", "unseen"} & set(slice_masks([mention("Congo", "Q3")], KB))


def test_exact_title_is_the_gold_name_not_its_alias_nor_another_entity() -> None:
    mentions = [mention("GUINEA", "Q1"), mention("Guinée", "Q1"), mention("Guinea", "Q2"), mention("republic_of the  Congo", "Q3")]
    np.testing.assert_array_equal(slice_masks(mentions, KB)["exact_title"], [True, False, False, True])


def test_a_surface_that_two_entities_bear_is_ambiguous() -> None:
    mentions = [mention("Guinea", "Q1"), mention("Guinea-Bissau", "Q2"), mention("Luxembourg", "Q4")]
    np.testing.assert_array_equal(slice_masks(mentions, KB)["ambiguous"], [True, False, False])


def test_a_surface_used_for_another_entity_than_the_one_that_bears_it_is_ambiguous() -> None:
    np.testing.assert_array_equal(slice_masks([mention("Luxembourg", "Q1")], KB)["ambiguous"], [True])


def test_a_surface_used_for_two_entities_is_ambiguous_although_none_bears_it() -> None:
    mentions = [mention("the team", "Q1"), mention("the team", "Q2"), mention("the capital", "Q4")]
    np.testing.assert_array_equal(slice_masks(mentions, KB)["ambiguous"], [True, True, False])


def test_further_mentions_show_ambiguity_but_nil_ones_do_not() -> None:
    known = [
        mention("the capital", "Q2"),
        Mention("n", "Luxembourg", entity_id=NIL),
        Mention("u", "Luxembourg"),
        mention("unheard of", "Q1"),
    ]
    masks = slice_masks([mention("the capital", "Q4"), mention("Luxembourg", "Q4")], KB, known=known)
    np.testing.assert_array_equal(masks["ambiguous"], [True, False])


def test_a_usable_picture_counts_not_a_named_one() -> None:
    mentions = [mention("Congo", "Q3", Path("broken.png")), mention("Guinea", "Q1")]
    np.testing.assert_array_equal(slice_masks(mentions, KB)["with_picture"], [True, False])
    np.testing.assert_array_equal(slice_masks(mentions, KB, picture_present=np.array([False, False]))["with_picture"], [False, False])


def test_the_kb_may_stream_past() -> None:
    def stream() -> Iterator[Entity]:
        yield from KB

    np.testing.assert_array_equal(slice_masks([mention("Guinea", "Q1")], stream())["ambiguous"], [True])


@pytest.mark.parametrize("gold", [NIL, None])
def test_mentions_without_gold_entity_are_refused(gold: object) -> None:
    with pytest.raises(DataError, match=rf"mention m7: .*\({gold!r}\)"):
        slice_masks([Mention("m7", "Congo", entity_id=gold)], KB)


def test_a_presence_mask_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match=r"\(2,\) for 1 mentions"):
        slice_masks([mention("Congo", "Q3")], KB, picture_present=np.ones(2, bool))


def test_surfaces_are_compared_without_case_width_and_spacing() -> None:
    assert normalise_surface("  Saint_\tMartin ") == normalise_surface("\uff33\uff21\uff29\uff2e\uff34 Martin") == "saint martin"
    assert normalise_surface("Straße") == "strasse"
