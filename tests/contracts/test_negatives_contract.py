"""What every negative sampler promises; a new one needs a row in ``TRAITS``."""

import importlib
import inspect
import pkgutil
from typing import NamedTuple, NoReturn, get_args

import pytest
import torch

import pgmel.negatives
from pgmel.datasets import LAYOUTS
from pgmel.errors import SettingError
from pgmel.negatives import LEARNED, NEEDS_NEAREST, NEEDS_NEIGHBOURS, NEEDS_SCORES, PUBLISHED_RULES, SAMPLERS, Batch, Negatives
from pgmel.settings import DataSettings, NegativeSettings, TrainingSettings

INF = float("inf")


class Traits(NamedTuple):
    """What tells samplers apart: where they take negatives from, and whether a mention may get the same one twice."""

    source: str
    repeats: bool


TRAITS = {
    "uniform": Traits("kb", repeats=True),
    "in_batch": Traits("batch", repeats=True),
    "lexical": Traits("neighbours", repeats=True),
    "tfidf": Traits("neighbours", repeats=True),
    "jaccard": Traits("neighbours", repeats=True),
    "pool_uniform": Traits("pool", repeats=False),
    "hardest": Traits("pool", repeats=False),
    "softmax": Traits("pool", repeats=False),
    "ance": Traits("nearest", repeats=False),
    "kbgan": Traits("kb", repeats=True),
    "irgan": Traits("pool", repeats=True),
    "generator": Traits("pool", repeats=False),
}

LISTED = 7
"""Length of the lists of neighbours and nearest entities."""

every_sampler = pytest.mark.parametrize("name", SAMPLERS)
pool_samplers = pytest.mark.parametrize("name", [name for name, traits in TRAITS.items() if traits.source == "pool"])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def forbidden(*_: object) -> NoReturn:
    raise AssertionError("this sampler must not ask for it")


def make_batch(size: int = 6, pool: int = 9, entities: int = 30, usable: int | None = None, seed: int = 0) -> Batch:
    """Pools without repeats; the gold entity sits in each one, masked, and so does everything after ``usable`` others."""
    dice = rng(seed)
    gold = torch.randint(entities, (size,), generator=dice)
    pool_rows = torch.rand(size, entities, generator=dice).argsort(dim=1)[:, :pool]
    if pool:
        missing = (pool_rows != gold.unsqueeze(1)).all(dim=1)
        pool_rows[missing, 0] = gold[missing]
    mask = pool_rows != gold.unsqueeze(1)
    if usable is not None:
        mask &= mask.cumsum(dim=1) <= usable
    scores, logits = torch.randn(2, size, pool, generator=dice)
    # The highest scores and logits stand where nothing may be drawn.
    scores = scores.masked_fill(~mask, 50.0)
    groups = torch.arange(entities)
    batch = Batch(gold, pool_rows, mask, entities, groups, lambda: scores, lambda: logits.masked_fill(~mask, -INF))
    return with_lists(batch, LISTED if usable is None else usable, dice)


def with_lists(batch: Batch, listed: int, dice: torch.Generator) -> Batch:
    """Give a batch lists of so many usable entities, none of them gold, and logits for any candidates."""
    gold = batch.gold_rows.unsqueeze(1)
    order = torch.rand(len(gold), batch.num_entities, generator=dice).scatter(1, gold, 2.0).argsort(dim=1)[:, : min(LISTED, 29)]
    usable = (order != gold) & (torch.arange(order.shape[1]) < listed)
    found = order * usable, usable
    values = torch.randn(len(gold), batch.num_entities, generator=dice)
    return batch._replace(
        residual_logits=lambda rows, mask: values.gather(1, rows).masked_fill(~mask, -INF),
        neighbours=lambda rule: found,
        nearest=lambda: found,
    )


def draw(name: str, batch: Batch, num: int = 4, seed: int = 0, temperature: float = 0.5) -> Negatives:
    return SAMPLERS[name](batch, num, temperature, rng(seed))


def enough(name: str, batch: Batch) -> int:
    """Return how many places a sampler can offer at most."""
    source, repeats = TRAITS[name]
    if source in {"kb", "neighbours"}:
        return 10**9
    places = {"batch": len(batch.gold_rows), "pool": batch.pool_rows.shape[1], "nearest": batch.nearest()[0].shape[1]}[source]
    return 10**9 if repeats and places and source == "pool" else places


def check(name: str, batch: Batch, num: int, drawn: Negatives) -> None:
    """Check all that holds whatever the batch."""
    rows, mask = drawn
    assert rows.shape == mask.shape == (len(batch.gold_rows), min(num, enough(name, batch)))
    assert rows.dtype == torch.long
    assert mask.dtype == torch.bool
    assert ((rows >= 0) & (rows < batch.num_entities)).all()
    assert not (rows == batch.gold_rows.unsqueeze(1))[mask].any()
    assert not rows[~mask].any()
    if not TRAITS[name].repeats:
        assert all(len(set(chosen := row[ok].tolist())) == len(chosen) for row, ok in zip(rows, mask, strict=True))
    if TRAITS[name].source == "pool":
        for row in range(len(rows)):
            allowed = set(batch.pool_rows[row][batch.pool_mask[row]].tolist())
            assert set(rows[row][mask[row]].tolist()) <= allowed
            assert int(mask[row].sum()) == (min(num, len(allowed)) if not TRAITS[name].repeats else num if allowed else 0)
    if TRAITS[name].source in {"neighbours", "nearest"}:
        listed, there = batch.neighbours(name)
        for row in range(len(rows)):
            allowed = set(listed[row][there[row]].tolist())
            drawn_ones = rows[row][mask[row]].tolist()
            assert len(allowed & set(drawn_ones)) >= min(num, len(allowed))
            assert set(drawn_ones) <= allowed or TRAITS[name].source == "neighbours"


def test_traits_are_stated_for_every_sampler_and_no_other() -> None:
    assert set(TRAITS) == set(SAMPLERS)


def test_every_public_draw_function_of_the_package_is_registered() -> None:
    found = {}
    for module in pkgutil.iter_modules(pgmel.negatives.__path__, "pgmel.negatives."):
        loaded = importlib.import_module(module.name)
        functions = inspect.getmembers(loaded, inspect.isfunction)
        found |= {name: function for name, function in functions if name.startswith("draw_") and function.__module__ == module.name}
    assert found
    assert {f"draw_{name}": function for name, function in SAMPLERS.items()} == found


def test_the_settings_name_exactly_what_the_registries_hold() -> None:
    assert {name for name, traits in TRAITS.items() if traits.source == "neighbours"} == NEEDS_NEIGHBOURS
    assert {name for name, traits in TRAITS.items() if traits.source == "nearest"} == NEEDS_NEAREST
    assert set(PUBLISHED_RULES) == LEARNED - {"generator"}
    assert LEARNED < NEEDS_SCORES < set(SAMPLERS)
    assert set(SAMPLERS) == set(get_args(NegativeSettings.model_fields["sampler"].annotation))
    fixed, _none = get_args(TrainingSettings.model_fields["pretrain_sampler"].annotation)
    assert set(SAMPLERS) - LEARNED == set(get_args(fixed))
    assert {"auto", *LAYOUTS} == set(get_args(DataSettings.model_fields["layout"].annotation))


@every_sampler
@pytest.mark.parametrize("num", [1, 4, 50])
@pytest.mark.parametrize("size", [1, 2, 6])
def test_shape_type_bounds_and_mask(name: str, size: int, num: int) -> None:
    for seed in range(5):
        batch = make_batch(size, seed=seed)
        check(name, batch, num, draw(name, batch, num, seed))


@every_sampler
@pytest.mark.parametrize("usable", [0, 1, 3])
def test_pools_with_few_usable_candidates(name: str, usable: int) -> None:
    for seed in range(5):
        batch = make_batch(usable=usable, seed=seed)
        check(name, batch, 4, draw(name, batch, 4, seed))


@pool_samplers
def test_a_pool_without_a_usable_candidate_gives_none(name: str) -> None:
    assert not draw(name, make_batch(usable=0)).mask.any()


@every_sampler
def test_a_pool_without_places(name: str) -> None:
    batch = make_batch(pool=0)
    check(name, batch, 4, draw(name, batch))


@every_sampler
def test_an_empty_batch(name: str) -> None:
    batch = make_batch(size=0)
    check(name, batch, 4, draw(name, batch))


@every_sampler
def test_a_kb_of_two_leaves_the_other_entity_as_the_only_negative(name: str) -> None:
    gold = torch.tensor([0, 1, 0])
    pool = torch.tensor([[0, 1]]).repeat(3, 1)
    mask = pool != gold.unsqueeze(1)
    scores = torch.zeros(3, 2)
    batch = Batch(gold, pool, mask, 2, torch.arange(2), lambda: scores, lambda: scores.masked_fill(~mask, -INF))
    batch = with_lists(batch, 1, rng())
    drawn = draw(name, batch, 3)
    check(name, batch, 3, drawn)
    assert drawn.mask.any(dim=1).all()


@pytest.mark.parametrize("name", ["uniform", "kbgan"])
def test_a_kb_of_one_has_no_negatives(name: str) -> None:
    batch = Batch(
        torch.zeros(2, dtype=torch.long),
        torch.zeros(2, 0, dtype=torch.long),
        torch.zeros(2, 0, dtype=torch.bool),
        1,
        torch.zeros(1, dtype=torch.long),
        forbidden,
        forbidden,
        residual_logits=lambda rows, mask: torch.zeros(rows.shape).masked_fill(~mask, -INF),
    )
    drawn = draw(name, batch, 3)
    assert drawn.rows.shape == (2, 3)
    assert not drawn.mask.any()


def test_a_batch_of_one_and_a_batch_of_one_gold_have_no_negatives_in_batch() -> None:
    assert not draw("in_batch", make_batch(size=1)).mask.any()
    same = make_batch(size=3)._replace(gold_rows=torch.full((3,), 7))
    assert not draw("in_batch", same).mask.any()


@every_sampler
def test_equal_rng_gives_equal_negatives_and_the_global_stream_is_left_alone(name: str) -> None:
    batch = make_batch(size=12, pool=20)
    state = torch.get_rng_state()
    first, again = draw(name, batch, seed=3), draw(name, batch, seed=3)
    assert torch.equal(first.rows, again.rows)
    assert torch.equal(first.mask, again.mask)
    assert torch.equal(torch.get_rng_state(), state)


@every_sampler
def test_another_rng_gives_other_negatives_unless_the_rule_is_fixed(name: str) -> None:
    batch = make_batch(size=12, pool=20)
    same = torch.equal(draw(name, batch, seed=3).rows, draw(name, batch, seed=4).rows)
    assert same == (name == "hardest")


@every_sampler
def test_only_those_who_need_scores_or_pools_ask_for_them(name: str) -> None:
    batch = whole = make_batch()
    asked = {
        "score_pool": {"hardest", "softmax"},
        "policy_logits": {"generator"},
        "residual_logits": LEARNED - {"generator"},
        "neighbours": NEEDS_NEIGHBOURS,
        "nearest": NEEDS_NEAREST,
    }
    batch = batch._replace(**{part: forbidden for part, rules in asked.items() if name not in rules})
    if TRAITS[name].source != "pool":
        batch = batch._replace(pool_rows=torch.zeros(6, 0, dtype=torch.long), pool_mask=torch.zeros(6, 0, dtype=torch.bool))
    check(name, whole, 4, draw(name, batch))


def test_a_rule_whose_lists_are_missing_says_so() -> None:
    for name in NEEDS_NEIGHBOURS | NEEDS_NEAREST:
        batch = make_batch()
        with pytest.raises(SettingError, match="lists of neighbours"):
            draw(name, Batch(*batch[:7]))


@every_sampler
def test_nothing_given_is_changed(name: str) -> None:
    batch = make_batch()
    before = [part.clone() for part in (*batch[:3], batch.score_pool(), batch.policy_logits(), *batch.neighbours(name))]
    draw(name, batch)
    after = [*batch[:3], batch.score_pool(), batch.policy_logits(), *batch.neighbours(name)]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_generators_draws_carry_no_gradient() -> None:
    logits = torch.zeros(6, 9, requires_grad=True)
    batch = make_batch()
    drawn = draw("generator", batch._replace(policy_logits=lambda: logits.masked_fill(~batch.pool_mask, -INF)))
    assert not drawn.rows.requires_grad
