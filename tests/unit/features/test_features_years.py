"""Years of a sentence against the life span of an entity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.features.years import NUM_PERIODS, find_years, mark_spans, mark_years


def score(sentence: str, description: str) -> float:
    return float(mark_years([sentence])[0].astype(np.float64) @ mark_spans([description])[0].astype(np.float64))


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("An 1873 portrait (c. 1870-1875)", [1873, 1870, 1875]),
        ("in 999, in 2100 and in 20015", []),
        ("1,850 metres, 1850.5 miles, 3.1415", []),
        ("in 1850. And in 1860, too", [1850, 1860]),
        ("the 1980s", [1980]),
        ("", []),
    ],
)
def test_years_are_numbers_from_1000_to_2099_that_stand_alone(text: str, years: list[int]) -> None:
    assert find_years(text) == years


def test_a_year_within_a_life_scores_above_one_outside() -> None:
    lived = "Birth: 1826, Paris. Death: 1882, Rome."
    assert score("in 1870", lived) > 0.2
    assert score("in 1970", lived) == 0
    assert score("in 1770", lived) == 0


def test_a_lone_year_stands_for_the_80_years_after_it() -> None:
    born = "Birth: 1946."
    assert score("in 2012", born) > 0
    assert score("in 1946", born) > 0
    assert score("in 1900", born) == 0


def test_of_two_lives_around_a_year_the_shorter_one_scores_higher() -> None:
    assert score("in 1900", "1880, 1920") > score("in 1900", "1700, 2000")


def test_a_year_at_the_edge_of_a_period_still_meets_its_neighbour() -> None:
    assert score("in 1839", "1840, 1900") > 0


def test_texts_without_a_year_are_zero() -> None:
    assert not mark_years(["", "no year"]).any()
    assert not mark_spans(["", "no year"]).any()


@given(st.lists(st.integers(1000, 2099), min_size=1, max_size=6))
def test_rows_are_of_unit_length_and_never_negative(years: list[int]) -> None:
    text = " ".join(map(str, years))
    for row in (mark_years([text])[0], mark_spans([text])[0]):
        assert row.shape == (NUM_PERIODS,)
        assert np.linalg.norm(row.astype(np.float64)) == pytest.approx(1, abs=2e-3)
        assert (row >= 0).all()


@given(st.integers(1000, 2099), st.integers(1000, 2099), st.integers(1000, 2099))
def test_every_year_between_the_first_and_the_last_scores(one: int, two: int, three: int) -> None:
    first, middle, last = sorted((one, two, three))
    if first < last:
        assert score(str(middle), f"{first} {last}") > 0
