"""Looking parts up by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.errors import SettingError
from pgmel.registry import look_up, nearest

TABLE = {"uniform": 1, "hardest": 2, "generator": 3}


@pytest.mark.parametrize("name", TABLE)
def test_a_known_name_gives_its_part(name: str) -> None:
    assert look_up(TABLE, name, "negatives.sampler") == TABLE[name]


def test_a_part_may_be_false() -> None:
    assert look_up({"none": None, "zero": 0}, "zero", "x") == 0


def test_a_mistyped_name_is_told_the_nearest_and_all() -> None:
    with pytest.raises(SettingError) as caught:
        look_up(TABLE, "hardset", "negatives.sampler")
    assert str(caught.value) == "negatives.sampler must be one of generator, hardest, uniform; got 'hardset' (did you mean 'hardest'?)"


def test_a_name_like_no_other_gets_no_guess() -> None:
    with pytest.raises(SettingError, match=r"got 'zzz'$"):
        look_up(TABLE, "zzz", "negatives.sampler")


def test_case_counts() -> None:
    with pytest.raises(SettingError, match="did you mean 'uniform'"):
        look_up(TABLE, "Uniform", "negatives.sampler")


def test_nothing_is_near_where_nothing_is_known() -> None:
    assert nearest("margin", []) is None


@given(st.text(min_size=1, max_size=20), st.lists(st.text(max_size=20), max_size=5))
def test_a_known_name_is_its_own_nearest(name: str, others: list[str]) -> None:
    assert nearest(name, [*others, name]) == name
