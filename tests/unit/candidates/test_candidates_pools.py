"""Candidate pools against a slow loop, duplicates, and small knowledge bases."""

import numpy as np
import pytest

from pgmel.candidates import Pools, build_pools, duplicate_groups
from pgmel.candidates import pools as pools_module


def unit(rows: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class World:
    """Random mentions and entities; entities in groups of duplicates of about two."""

    def __init__(self, mentions: int = 12, entities: int = 30, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.mentions, self.entities = unit(mentions, 6, seed), unit(entities, 6, seed + 1)
        self.gold = rng.integers(entities, size=mentions)
        self.groups = rng.integers(entities // 2 + 1, size=entities)

    def build(self, size: int, gold_part: float = 0.25, **more: object) -> Pools:
        vectors = self.entities[self.gold]
        return build_pools(self.mentions, vectors, self.entities, self.gold, size, self.groups, gold_part, show_progress=False, **more)


def slow_pool(world: World, mention: int, size: int, gold_part: float) -> list[int]:
    """One mention's pool, by sorting everything."""
    gold = world.gold[mention]
    usable = [row for row in range(len(world.entities)) if world.groups[row] != world.groups[gold]]
    own = world.entities @ world.mentions[mention]
    around = world.entities @ world.entities[gold]
    wanted = min(size, len(world.entities))
    chosen = sorted(usable, key=lambda row: -around[row])[: round(wanted * gold_part)]
    rest = sorted((row for row in usable if row not in chosen), key=lambda row: -own[row])
    chosen += rest[: wanted - len(chosen)]
    return sorted(chosen, key=lambda row: -own[row])


@pytest.mark.parametrize("gold_part", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("size", [2, 8, 29, 40])
def test_pools_equal_those_of_a_slow_loop(size: int, gold_part: float) -> None:
    world = World()
    pools = world.build(size, gold_part)
    for mention in range(12):
        expected = slow_pool(world, mention, size, gold_part)
        mask = pools.mask[mention]
        assert pools.rows[mention][mask].tolist() == expected
        assert mask[: len(expected)].all()
        scores = world.entities[expected] @ world.mentions[mention]
        np.testing.assert_allclose(pools.scores[mention][mask], scores, atol=1e-6)


def test_types_shapes_and_empty_places() -> None:
    pools = World().build(40)
    assert pools.rows.shape == pools.mask.shape == pools.scores.shape == (12, 40)
    assert (pools.rows.dtype, pools.mask.dtype, pools.scores.dtype) == (np.int64, np.bool_, np.float32)
    assert not pools.rows[~pools.mask].any()
    assert not pools.scores[~pools.mask].any()


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    whole = world.build(8)
    monkeypatch.setattr(pools_module, "CHUNK", 5)
    parts = world.build(8)
    assert np.array_equal(whole.rows, parts.rows)
    np.testing.assert_allclose(whole.scores, parts.scores, atol=1e-6)


def test_neither_the_gold_entity_nor_a_duplicate_of_it_is_in_a_pool() -> None:
    world = World()
    pools = world.build(30)
    for mention, gold in enumerate(world.gold):
        rows = pools.rows[mention][pools.mask[mention]]
        assert not (world.groups[rows] == world.groups[gold]).any()
        assert len(rows) == (world.groups != world.groups[gold]).sum()


def test_nobody_is_twice_in_a_pool() -> None:
    pools = World().build(16, 0.5)
    assert all(len(set(rows[mask])) == mask.sum() for rows, mask in zip(pools.rows, pools.mask, strict=True))


def test_a_kb_of_two_offers_the_other_entity() -> None:
    entities = unit(2, 4, 0)
    pools = build_pools(entities, entities, entities, np.array([0, 1]), 5, np.array([0, 1]), show_progress=False)
    assert pools.rows[:, 0].tolist() == [1, 0]
    assert pools.mask.tolist() == [[True] + [False] * 4] * 2


@pytest.mark.parametrize("gold_part", [0.0, 0.5, 1.0])
def test_a_kb_of_duplicates_of_the_gold_entity_offers_nobody(gold_part: float) -> None:
    entities = unit(3, 4, 0)
    pools = build_pools(entities[:1], entities[:1], entities, np.array([1]), 2, np.zeros(3, np.int64), gold_part, show_progress=False)
    assert not pools.mask.any()
    assert not pools.rows.any()


def test_no_mentions_give_empty_pools() -> None:
    none = np.zeros((0, 4), np.float32)
    pools = build_pools(none, none, unit(3, 4, 0), np.zeros(0, np.int64), 2, np.arange(3), show_progress=False)
    assert pools.rows.shape == (0, 2)


def test_equal_texts_share_a_group_and_others_do_not() -> None:
    assert duplicate_groups(["a", "b", "a", "c", "b"]).tolist() == [0, 1, 0, 2, 1]
    assert duplicate_groups([]).shape == (0,)
    assert duplicate_groups(["a"]).dtype == np.int64
