"""Holm's correction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgmel.errors import DataError
from pgmel.evaluation import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_a_hand_made_example() -> None:
    # sorted 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 gives 0.02, 0.03, 0.06, 0.04; the last may not fall below the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_values_stop_at_one() -> None:
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_a_single_comparison_stays_as_it_is() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@given(P_VALUES)
def test_it_keeps_the_order_and_never_lowers(values: list[float]) -> None:
    adjusted = holm(values)
    for value, corrected in zip(values, adjusted, strict=True):
        assert value <= corrected <= 1
    by_p = [corrected for _, corrected in sorted(zip(values, adjusted, strict=True))]
    assert by_p == sorted(by_p)


@given(P_VALUES, st.integers(0, 11), st.floats(0, 1))
def test_a_smaller_p_value_never_raises_any(values: list[float], place: int, factor: float) -> None:
    place %= len(values)
    lowered = [value * factor if number == place else value for number, value in enumerate(values)]
    assert all(after <= before + 1e-12 for before, after in zip(holm(values), holm(lowered), strict=True))


@given(P_VALUES)
def test_it_lies_between_the_plain_value_and_bonferroni(values: list[float]) -> None:
    assert all(corrected <= min(1.0, len(values) * value) + 1e-12 for value, corrected in zip(values, holm(values), strict=True))
    assert min(holm(values)) == pytest.approx(min(1.0, len(values) * min(values)))


@given(st.permutations([0.001, 0.02, 0.04, 0.3]))
def test_the_order_of_the_family_does_not_matter(values: list[float]) -> None:
    assert dict(zip(values, holm(values), strict=True)) == pytest.approx({0.001: 0.004, 0.02: 0.06, 0.04: 0.08, 0.3: 0.3})


@pytest.mark.parametrize("bad", [-0.1, 1.2, float("nan")])
def test_what_is_no_p_value_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        holm(np.array([0.2, bad]))
