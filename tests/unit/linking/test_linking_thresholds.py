"""Thresholds for a stated precision."""

import itertools

import numpy as np
import pytest
from decision_draws import draw_clear, draw_dev
from hypothesis import assume, given
from hypothesis import strategies as st

from pgmel.errors import SettingError
from pgmel.linking.calibration import DecisionGoals, DevScores, fit_decision
from pgmel.linking.decision import Decision
from pgmel.linking.thresholds import choose_threshold, state_precision
from pgmel.linking.wording import describe_decision


def slow_threshold(answers: list[tuple[float, bool, bool, float]], precision: float, counts_loss: bool) -> float | None:
    """Try every cut between answers: of those above which the lower bound of the share of right ones reaches the precision, the best."""
    ranked = sorted({answer[0] for answer in answers}, reverse=True)
    best, most = None, -np.inf
    for value, following in itertools.zip_longest(ranked, ranked[1:], fillvalue=0.0):
        given = [answer for answer in answers if answer[0] >= value]
        total = sum(weight for *_, weight in given)
        share = sum(weight for _, right, _, weight in given if right) / total
        gain = sum(weight * (right - otherwise if counts_loss else 1) for _, right, otherwise, weight in given)
        number = total / max(weight for *_, weight in answers)
        lowest = (share + 1 / (2 * number) - (share * (1 - share) / number + 1 / (4 * number**2)) ** 0.5) / (1 + 1 / number)
        assume(abs(lowest - precision) > 1e-9)  # which of the two is larger is then a matter of rounding
        if value > following and lowest >= precision and gain > most + 1e-7:
            best, most = (value + following) / 2, gain
    return best


one_answer = st.tuples(st.integers(1, 12).map(lambda level: level / 12), st.booleans(), st.booleans(), st.sampled_from([0.2, 0.8]))


@given(st.lists(one_answer, min_size=1, max_size=30), st.floats(0.1, 0.9), st.booleans())
def test_threshold_is_the_best_of_all_cuts_that_reach_the_precision(
    answers: list[tuple[float, bool, bool, float]], precision: float, counts_loss: bool
) -> None:
    confidence, right, otherwise, weights = (np.array(column) for column in zip(*answers, strict=True))
    found = choose_threshold(confidence, right, weights, precision, otherwise if counts_loss else None)
    expected = slow_threshold(answers, precision, counts_loss)
    assert found.threshold == (None if expected is None else pytest.approx(expected))
    assert (found.attainable >= precision) == (found.threshold is not None)


def test_no_right_link_is_given_up_where_precision_is_to_be_had_for_nothing() -> None:
    confidence = np.linspace(0.99, 0.01, 100)
    is_nil = np.arange(100) < 50
    assert choose_threshold(confidence, is_nil, np.ones(100), 0.6, ~is_nil).threshold == pytest.approx(0.5, abs=0.01)
    assert (choose_threshold(confidence, is_nil, np.ones(100), 0.6).threshold or 1) < 0.3


def test_a_handful_of_lucky_answers_sets_no_threshold() -> None:
    confidence = np.linspace(0.99, 0.01, 100)
    right = np.arange(100) < 3
    assert choose_threshold(confidence, right, np.ones(100), 0.8).threshold is None
    assert choose_threshold(confidence, np.arange(100) < 30, np.ones(100), 0.8).threshold is not None


def test_equal_answers_are_given_together_or_not_at_all() -> None:
    confidence, right = np.array([0.9] * 40 + [0.5] * 40), np.array([True] * 40 + [True] * 20 + [False] * 20)
    assert choose_threshold(confidence, right, np.ones(80), 0.9).threshold == pytest.approx(0.7)
    assert choose_threshold(confidence, right, np.ones(80), 0.65).threshold == pytest.approx(0.25)
    assert choose_threshold(np.full(80, 0.9), right, np.ones(80), 0.9).threshold is None


def test_stated_precision_is_the_weighted_share_with_its_interval() -> None:
    found = state_precision(0.8, np.array([True] * 8 + [False] * 2), np.full(10, 1.0))
    assert (found.target, found.num_answers) == (0.8, 10)
    assert (found.reached, round(found.low or 0, 4), round(found.high or 0, 4)) == (0.8, 0.4902, 0.9433)  # Wilson's, as published
    weighted = state_precision(0.8, np.array([True] * 16 + [False]), np.array([0.2] * 16 + [0.8]), unit=0.8)
    assert weighted.reached == pytest.approx(3.2 / 4)
    assert weighted.num_answers == 4
    assert (weighted.high or 0) - (weighted.low or 0) > 0.5  # as wide as of five answers, not of seventeen
    assert state_precision(0.8, np.zeros(0, bool), np.zeros(0)).reached is None


@pytest.mark.parametrize("target", [0.85, 0.95])
def test_nil_answers_reach_the_stated_precision_on_unseen_mentions(target: float) -> None:
    precisions, recalls = [], []
    for seed in range(4):
        decision = fit_decision(draw_clear(1000, seed), np.random.default_rng(0), goals=DecisionGoals(target))
        scores, _, is_nil, _ = draw_clear(20_000, seed + 10)
        likely, nil = decision.probabilities(scores)
        answered = ~decision.links(likely[:, 0], nil)
        precisions.append(is_nil[answered].mean())
        recalls.append(answered[is_nil].mean())
        assert decision.nil_precision is not None
        assert decision.nil_precision.reached == pytest.approx(precisions[-1], abs=0.06)
    assert target - 0.01 < np.mean(precisions) < target + 0.04
    assert np.mean(recalls) > 0.4


def test_links_reach_the_stated_precision_on_unseen_mentions() -> None:
    goals = DecisionGoals(link_precision=0.9)
    decision = fit_decision(draw_dev(0.05, 0.6, count=800), np.random.default_rng(0), goals=goals)
    scores, position, *_ = draw_dev(0.05, 0.6, count=20_000, seed=1)
    likely, nil = decision.probabilities(scores)
    linked = decision.links(likely[:, 0], nil)
    assert (position == 0).mean() < 0.8
    assert (position[linked] == 0).mean() == pytest.approx(0.9, abs=0.04)
    assert linked.mean() > 0.2
    assert decision.link_precision is not None
    assert decision.link_precision.reached == pytest.approx(0.9, abs=0.05)
    unsure = 800 - decision.link_precision.num_answers - (decision.nil_precision.num_answers if decision.nil_precision else 0)
    assert unsure > 100
    assert f"{unsure} mentions without a candidate that is sure enough" in describe_decision(decision)


def test_a_nil_precision_out_of_reach_means_no_nil_and_says_what_is_in_reach() -> None:
    rng = np.random.default_rng(0)
    scores = -np.sort(-rng.normal(0.5, 0.1, (400, 6)), axis=1)
    dev = DevScores(scores, rng.integers(0, 6, 400), rng.random(400) < 0.2)  # scores say nothing
    decision = fit_decision(dev, rng)
    assert decision.nil_threshold is None
    likely, nil = decision.probabilities(scores)
    assert decision.links(likely[:, 0], nil).all()
    assert decision.nil_precision is not None
    assert decision.nil_precision.num_answers == 0
    attainable = decision.nil_precision.attainable
    assert attainable is not None
    assert 0.1 < attainable < 0.6
    again = fit_decision(dev, np.random.default_rng(0), goals=DecisionGoals(attainable - 0.01))
    assert again.nil_threshold is not None
    assert "no threshold reaches the NIL precision 0.8 on dev" in describe_decision(decision)


def test_a_link_precision_out_of_reach_means_no_link() -> None:
    decision = fit_decision(draw_dev(0.3, 0.6, count=200), np.random.default_rng(0), goals=DecisionGoals(link_precision=0.99))
    scores = draw_dev(0.3, 0.6, count=50).scores
    likely, nil = decision.probabilities(scores)
    assert decision.threshold is None
    assert not decision.links(likely[:, 0], nil).any()
    assert not decision.links(np.ones(1), np.zeros(1)).any()  # not even what is certain
    assert describe_decision(decision).startswith("nothing is linked: ")
    assert "no threshold reaches the link precision 0.99" in describe_decision(decision)
    assert Decision.from_dict(decision.to_dict()) == decision


def test_precision_is_measured_out_of_fold() -> None:
    # Scores that say nothing of right or wrong: fitted and measured on the same mentions, thresholds would seem to reach something.
    rng = np.random.default_rng(5)
    scores = -np.sort(-rng.normal(0.5, 0.1, (300, 5)), axis=1)
    dev = DevScores(scores, np.zeros(300, np.int64), rng.random(300) < 0.5)
    decision = fit_decision(dev, np.random.default_rng(0), goals=DecisionGoals(0.53))
    assert decision.num_folds == 5
    few = fit_decision(dev.take(np.arange(9)), np.random.default_rng(0), goals=DecisionGoals(0.53))
    assert few.num_folds == 1
    assert "measured on the mentions that it was fitted on" in describe_decision(few)


def test_decision_in_words() -> None:
    decision = fit_decision(draw_clear(600), np.random.default_rng(0))
    said = describe_decision(decision, "validation")
    reached = decision.nil_precision
    assert reached is not None
    assert f"NIL is answered where its probability is at least {decision.nil_threshold:.2f}: {reached.reached:.3f} [" in said
    assert f"{reached.num_answers} NIL answers right on validation; asked for 0.8" in said
    assert f"NIL is the gold of {decision.nil_share:.0%} of 600 mentions" in said
    assert (
        describe_decision(Decision(0.1, 0.5, 0.25, 4))
        == "NIL is answered where the best candidate's probability is below 0.25, chosen on dev"
    )


@pytest.mark.parametrize("values", [{"nil_precision": 0.0}, {"link_precision": 1.0}, {"nil_share": 1.5}])
def test_goals_out_of_range(values: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=f"linking.{next(iter(values))} must be between 0 and 1"):
        DecisionGoals(**values)
