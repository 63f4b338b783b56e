"""What every negative sampler promises; a new one needs a row in ``TRAITS``."""

import importlib
import inspect
import pkgutil
from typing import NamedTuple, NoReturn, get_args

import pytest
import torch

import pgmel.negatives
from pgmel.datasets import LAYOUTS
from pgmel.negatives import NEEDS_SCORES, SAMPLERS, Batch, Negatives
from pgmel.settings import DataSettings, NegativeSettings, TrainingSettings

INF = float("inf")


class Traits(NamedTuple):
    """What tells samplers apart: where they take negatives from, and whether a mention may get the same one twice."""

    source: str
    repeats: bool


TRAITS = {
    "uniform": Traits("kb", repeats=True),
    "in_batch": Traits("batch", repeats=True),
    "pool_uniform": Traits("pool", repeats=False),
    "hardest": Traits("pool", repeats=False),
    "softmax": Traits("pool", repeats=False),
    "generator": Traits("pool", repeats=False),
}

every_sampler = pytest.mark.parametrize("name", SAMPLERS)
pool_samplers = pytest.mark.parametrize("name", [name for name, traits in TRAITS.items() if traits.source == "pool"])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def forbidden() -> NoReturn:
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
    return Batch(gold, pool_rows, mask, entities, torch.arange(entities), lambda: scores, lambda: logits.masked_fill(~mask, -INF))


def draw(name: str, batch: Batch, num: int = 4, seed: int = 0, temperature: float = 0.5) -> Negatives:
    return SAMPLERS[name](batch, num, temperature, rng(seed))


def enough(name: str, batch: Batch) -> int:
    """Return how many places a sampler can offer at most."""
    return {"kb": 10**9, "batch": len(batch.gold_rows), "pool": batch.pool_rows.shape[1]}[TRAITS[name].source]


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
            assert int(mask[row].sum()) == min(num, len(allowed))


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
    assert {name for name, traits in TRAITS.items() if traits.source == "pool"} > NEEDS_SCORES
    assert set(SAMPLERS) == set(get_args(NegativeSettings.model_fields["sampler"].annotation))
    assert set(SAMPLERS) - {"generator"} == set(get_args(TrainingSettings.model_fields["pretrain_sampler"].annotation))
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
    drawn = draw(name, batch, 3)
    check(name, batch, 3, drawn)
    assert drawn.mask.any(dim=1).all()


def test_a_kb_of_one_has_no_negatives() -> None:
    batch = Batch(
        torch.zeros(2, dtype=torch.long),
        torch.zeros(2, 0, dtype=torch.long),
        torch.zeros(2, 0, dtype=torch.bool),
        1,
        torch.zeros(1, dtype=torch.long),
        forbidden,
        forbidden,
    )
    drawn = draw("uniform", batch, 3)
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
    batch = make_batch()
    if name not in NEEDS_SCORES:
        batch = batch._replace(score_pool=forbidden, policy_logits=forbidden)
    if name != "generator":
        batch = batch._replace(policy_logits=forbidden)
    if TRAITS[name].source != "pool":
        batch = batch._replace(pool_rows=torch.zeros(6, 0, dtype=torch.long), pool_mask=torch.zeros(6, 0, dtype=torch.bool))
    check(name, batch, 4, draw(name, batch))


@every_sampler
def test_nothing_given_is_changed(name: str) -> None:
    batch = make_batch()
    before = [part.clone() for part in (*batch[:3], batch.score_pool(), batch.policy_logits())]
    draw(name, batch)
    after = [*batch[:3], batch.score_pool(), batch.policy_logits()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_the_generators_draws_carry_no_gradient() -> None:
    logits = torch.zeros(6, 9, requires_grad=True)
    batch = make_batch()
    drawn = draw("generator", batch._replace(policy_logits=lambda: logits.masked_fill(~batch.pool_mask, -INF)))
    assert not drawn.rows.requires_grad
