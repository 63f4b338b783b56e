"""What each rule draws, and how often."""

import pytest
import torch
from scipy import stats
from torch import Tensor

from pgmel.negatives import SAMPLERS, Batch, Negatives
from pgmel.objectives import draw_distinct

INF = float("inf")


def draw(name: str, batch: Batch, num: int, seed: int = 0, temperature: float = 0.5) -> Negatives:
    return SAMPLERS[name](batch, num, temperature, torch.Generator().manual_seed(seed))


def frequencies(rows: Tensor, size: int) -> list[int]:
    return torch.bincount(rows.flatten(), minlength=size).tolist()


def without_pool(gold: Tensor, entities: int) -> Batch:
    nothing = torch.zeros(len(gold), 0)
    return Batch(gold, nothing.long(), nothing.bool(), entities, torch.arange(entities), lambda: nothing, lambda: nothing)


def one_pool(scores: list[float], mask: list[bool], copies: int) -> Batch:
    """Many copies of one mention whose pool holds rows 0, 1, 2 ...; its gold entity is none of them."""
    places = len(scores)
    usable = torch.tensor([mask]).repeat(copies, 1)
    values = torch.tensor([scores]).repeat(copies, 1)
    rows = torch.arange(places).repeat(copies, 1)
    gold = torch.full((copies,), places)
    return Batch(gold, rows, usable, places + 1, torch.arange(places + 1), lambda: values, lambda: values.masked_fill(~usable, -INF))


def random_pools(size: int = 8, pool: int = 12) -> Batch:
    dice = torch.Generator().manual_seed(1)
    rows = torch.rand(size, 40, generator=dice).argsort(dim=1)[:, :pool]
    scores = torch.randn(size, pool, generator=dice)
    mask = torch.rand(size, pool, generator=dice) < 0.8
    return Batch(torch.full((size,), 40), rows, mask, 41, torch.arange(41), lambda: scores, lambda: scores.masked_fill(~mask, -INF))


def test_uniform_gives_all_entities_but_gold_the_same_chance() -> None:
    for gold in (0, 3, 7):
        counts = frequencies(draw("uniform", without_pool(torch.full((5000,), gold), 8), 4).rows, 8)
        assert counts.pop(gold) == 0
        assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("pool_uniform", torch.ones(5)),
        ("softmax", torch.exp(torch.tensor([0.1, 0.9, -0.5, 0.4, 0.0]) / 0.5)),
        ("generator", torch.exp(torch.tensor([0.1, 0.9, -0.5, 0.4, 0.0]))),
    ],
)
def test_single_draws_follow_the_rules_probabilities(name: str, weights: Tensor) -> None:
    usable = torch.tensor([True, True, True, False, True])
    batch = one_pool([0.1, 0.9, -0.5, 0.4, 0.0], usable.tolist(), 20_000)
    counts = torch.tensor(frequencies(draw(name, batch, 1, temperature=0.5).rows, 5))
    expected = weights[usable].double()
    assert counts[~usable].sum() == 0
    assert stats.chisquare(counts[usable], expected / expected.sum() * 20_000).pvalue > 1e-4


def test_in_batch_gives_all_other_mentions_the_same_chance() -> None:
    batch = without_pool(torch.tensor([4, 9, 4, 6, 6]), 10)
    first = torch.cat([draw("in_batch", batch, 1, seed).rows[:1] for seed in range(1500)])
    counts = frequencies(first, 10)
    # The first mention sees entity 9 once and entity 6 twice among the others.
    assert stats.chisquare([counts[9], counts[6]], [500, 1000]).pvalue > 1e-4


def test_hardest_takes_the_highest_scores_in_order() -> None:
    batch = random_pools()
    drawn = draw("hardest", batch, 5)
    for row in range(8):
        places = zip(batch.score_pool()[row].tolist(), batch.pool_rows[row].tolist(), batch.pool_mask[row].tolist(), strict=True)
        usable = [(score, place) for score, place, there in places if there]
        assert drawn.rows[row].tolist() == [place for _, place in sorted(usable, reverse=True)[:5]]


def test_a_low_temperature_makes_softmax_the_hardest_rule() -> None:
    batch = random_pools()
    assert torch.equal(draw("softmax", batch, 5, temperature=1e-4).rows, draw("hardest", batch, 5).rows)


def test_uniform_never_shows_a_duplicate_of_the_gold_entity() -> None:
    groups = torch.tensor([0, 1, 0, 3, 4])
    batch = without_pool(torch.tensor([0, 2, 3]), 5)._replace(groups=groups)
    drawn = SAMPLERS["uniform"](batch, 200, 1.0, torch.Generator().manual_seed(0))
    gold_groups = groups[batch.gold_rows].unsqueeze(1)
    assert not ((groups[drawn.rows] == gold_groups) & drawn.mask).any()
    assert not drawn.mask[0].all()  # the duplicate came up, and was masked
    assert drawn.mask[2].all()


def test_in_batch_never_shows_a_duplicate_of_the_gold_entity() -> None:
    batch = without_pool(torch.tensor([0, 2, 3]), 5)._replace(groups=torch.tensor([0, 1, 0, 3, 4]))
    drawn = SAMPLERS["in_batch"](batch, 2, 1.0, torch.Generator().manual_seed(0))
    assert [set(rows[mask].tolist()) for rows, mask in zip(drawn.rows, drawn.mask, strict=True)] == [{3}, {3}, {0, 2}]


def test_irgans_draws_follow_the_softmax_of_the_residual_at_its_own_temperature() -> None:
    usable, values = [True, True, True, False, True], torch.tensor([0.1, 0.3, -0.2, 0.4, 0.0])
    batch = one_pool([9.0] * 5, usable, 10_000)
    batch = batch._replace(residual_logits=lambda rows, mask: values[rows].masked_fill(~mask, -INF))
    drawn = draw("irgan", batch, 2).rows
    expected = torch.softmax(values[torch.tensor(usable)].double() / 0.2, 0)
    for column in range(2):
        counts = torch.tensor(frequencies(drawn[:, column], 5))
        assert counts[3] == 0
        assert stats.chisquare(counts[torch.tensor(usable)], expected * 10_000).pvalue > 1e-4


def test_kbgan_takes_what_the_generator_prefers_among_twenty_candidates_of_each_negative() -> None:
    batch = without_pool(torch.full((3000,), 4), 200)
    seen = []

    def prefer_high_rows(rows: Tensor, mask: Tensor) -> Tensor:
        seen.append(rows)
        return (rows * 10.0).masked_fill(~mask, -INF)

    drawn = draw("kbgan", batch._replace(residual_logits=prefer_high_rows), 2)
    [offered] = seen
    assert offered.shape == (3000, 40)
    assert torch.equal(drawn.rows, offered.view(3000, 2, 20).amax(dim=2))
    flat = draw("kbgan", batch._replace(residual_logits=lambda rows, mask: torch.zeros(rows.shape).masked_fill(~mask, -INF)), 2)
    counts = frequencies(flat.rows, 200)
    assert counts.pop(4) == 0
    assert stats.chisquare(counts).pvalue > 1e-4


def with_list(rows: list[int], usable: list[bool], copies: int) -> Batch:
    """Many copies of a mention of entity 9 whose lists hold the same entities."""
    found = torch.tensor(rows).repeat(copies, 1), torch.tensor(usable).repeat(copies, 1)
    return without_pool(torch.full((copies,), 9), 10)._replace(neighbours=lambda _: found, nearest=lambda: found)


@pytest.mark.parametrize("name", ["lexical", "tfidf", "jaccard", "ance"])
def test_listed_entities_are_all_equally_likely_and_come_before_any_other(name: str) -> None:
    drawn = draw(name, with_list([3, 5, 0, 7], [True, True, False, True], 5000), 2)
    counts = frequencies(drawn.rows, 10)
    assert drawn.mask.all()
    assert (drawn.rows[:, 0] != drawn.rows[:, 1]).all()
    assert sum(counts) == counts[3] + counts[5] + counts[7] == 10_000
    assert stats.chisquare([counts[3], counts[5], counts[7]]).pvalue > 1e-4


@pytest.mark.parametrize("name", ["lexical", "tfidf", "jaccard"])
def test_a_list_that_is_too_short_is_filled_up_with_uniform_draws(name: str) -> None:
    drawn = draw(name, with_list([3, 0, 0], [True, False, False], 5000), 4)
    assert drawn.mask.all()
    assert (drawn.rows[:, 0] == 3).all()
    counts = frequencies(drawn.rows[:, 1:], 10)
    assert counts.pop(9) == 0
    assert stats.chisquare(counts).pvalue > 1e-4


def test_listed_entities_count_even_where_every_filling_is_a_duplicate_of_the_gold_entity() -> None:
    groups = torch.full((10,), 9)
    groups[3] = 3
    drawn = draw("lexical", with_list([3], [True], 50)._replace(groups=groups), 3)
    assert (drawn.rows[:, 0] == 3).all()
    assert drawn.mask[:, 0].all()
    assert not (drawn.rows[:, 1:] != 3)[drawn.mask[:, 1:]].any()


def test_rules_with_lists_ask_for_their_own() -> None:
    asked = []
    batch = with_list([3], [True], 1)
    lists = batch.neighbours("any")
    for name in ("lexical", "tfidf", "jaccard"):
        draw(name, batch._replace(neighbours=lambda rule: (asked.append(rule), lists)[1]), 1)
    assert asked == ["lexical", "tfidf", "jaccard"]


@pytest.mark.parametrize("name", ["in_batch", "pool_uniform"])
def test_even_rules_take_the_columns_of_one_draw_and_zero_where_masked(name: str) -> None:
    pools = random_pools()
    batch = pools._replace(gold_rows=torch.tensor([3, 9, 3, 7, 40, 9, 1, 3]))
    gold = batch.gold_rows.tolist()
    rows = [gold] * len(gold) if name == "in_batch" else batch.pool_rows.tolist()
    mask = [[a != b for b in gold] for a in gold] if name == "in_batch" else batch.pool_mask.tolist()
    logits = torch.zeros(len(mask), len(mask[0])).masked_fill(~torch.tensor(mask), -INF)
    drawn = draw(name, batch, 12, seed=3)
    columns = draw_distinct(logits, 12, torch.Generator().manual_seed(3)).tolist()
    for row, places in enumerate(columns):
        assert drawn.mask[row].tolist() == [mask[row][place] for place in places]
        assert drawn.rows[row].tolist() == [rows[row][place] if mask[row][place] else 0 for place in places]
    assert not drawn.mask.all()
