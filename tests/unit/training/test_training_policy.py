"""The generator's side: which policy plays, what it is paid, and what it learns from its draws."""

from dataclasses import replace

import pytest
import torch
from toy_game import RULES, Toy, make_discriminator, make_generator, make_toy

from pgmel.errors import SettingError
from pgmel.negatives import IRGAN_TEMPERATURE, PUBLISHED_RULES, Negatives
from pgmel.objectives import ESTIMATORS, PUBLISHED_REWARDS, REWARDS
from pgmel.training import Game, World

ROWS = torch.tensor([3, 0, 17, 29, 4, 11])


@pytest.fixture(scope="module")
def toy(one_thread: None) -> Toy:
    return make_toy(entities=20, mentions=30, pool=5)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_game(toy: Toy, policy: str = "generator", **rules: object) -> Game:
    game = Game(make_discriminator(), make_generator(), toy.data, replace(RULES, **rules), World(), policy=policy)
    game.refresh_table()
    with torch.no_grad():  # the untrained residual is zero, and so would all policies be alike
        game.generator.mention.weight.normal_(std=0.3, generator=rng(9))
    return game


def rewards_of(game: Game, name: str, entities: torch.Tensor) -> torch.Tensor:
    """Reward of some entities for each mention, judged one pair at a time."""
    with torch.no_grad():
        mentions = game.discriminator.embed_mentions(game.data.mentions.rows(ROWS))
    paid = torch.zeros(entities.shape)
    for b, row in enumerate(ROWS):
        right = (mentions[b] @ game.table[game.data.gold_rows[row]]).view(1, 1)
        for c, entity in enumerate(entities[b]):
            wrong = (mentions[b] @ game.table[entity]).view(1, 1)
            paid[b, c] = (REWARDS | PUBLISHED_REWARDS)[name](right, wrong, game.rules.margin, game.rules.reward_temperature)
    return paid


def gradient_of(game: Game, repeats: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean gradient of the generator's loss over so many draws, and its standard error."""
    found = []
    for seed in range(repeats):
        game.generator.zero_grad()
        game.generator_loss(ROWS, rng(seed))[0].backward()
        found.append(game.generator.mention.weight.grad.clone())
    stacked = torch.stack(found)
    return stacked.mean(dim=0), stacked.std(dim=0) / repeats**0.5


def check_gradient(game: Game, objective: torch.Tensor, repeats: int) -> None:
    game.generator.zero_grad()
    (-objective).backward()
    exact = game.generator.mention.weight.grad.clone()
    mean, error = gradient_of(game, repeats)
    assert ((mean - exact).abs() / error).max() < 4.5
    assert ((mean + exact).abs() / error).max() > 8


def test_irgan_learns_by_its_own_reward_from_a_policy_without_prior(toy: Toy) -> None:
    game = make_game(toy, "irgan", draws=50, entropy_weight=5.0)
    rows, mask = toy.data.pool_rows[ROWS], toy.data.pool_mask[ROWS]
    policy = torch.softmax(game.policy.residual_logits(ROWS, rows, mask) / IRGAN_TEMPERATURE, dim=1)
    check_gradient(game, (policy * rewards_of(game, "irgan", rows)).sum(1).mean(), repeats=200)


def test_kbgan_learns_from_blocks_of_uniform_candidates(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = torch.randint(20, (6, 2 * 20), generator=rng(3))
    mask = blocks != toy.data.gold_rows[ROWS].unsqueeze(1)
    monkeypatch.setattr("pgmel.training.policy.offer_kbgan", lambda batch, num, dice: Negatives(blocks, mask))
    game = make_game(toy, "kbgan", num_negatives=2, entropy_weight=5.0, draws=9, reward="hinge")
    logits = game.policy.residual_logits(ROWS, blocks, mask)
    policy = torch.softmax(logits.view(6, 2, 20), dim=2)
    check_gradient(game, (policy * rewards_of(game, "similarity", blocks).view(6, 2, 20)).sum(2).mean(), repeats=500)


@pytest.mark.parametrize("policy", PUBLISHED_RULES)
def test_what_a_publication_fixes_replaces_the_settings_and_the_rest_stays(toy: Toy, policy: str) -> None:
    game = make_game(toy, policy, reward="hinge", entropy_weight=3.0, false_negative_penalty=2.0, margin=0.7)
    fixed = PUBLISHED_RULES[policy]
    assert {name: getattr(game.policy.rules, name) for name in fixed} == fixed
    assert (game.policy.rules.margin, game.rules.entropy_weight) == (0.7, 3.0)


def test_a_published_reward_is_not_offered_to_our_generator(toy: Toy) -> None:
    with pytest.raises(SettingError, match=r"generator\.reward must be one of .*got 'irgan'"):
        make_game(toy, reward="irgan")


def test_the_greedy_baseline_is_the_reward_of_the_most_probable_candidate(toy: Toy) -> None:
    seen = []
    game = make_game(toy, baseline="self_critical", reward="sigmoid")
    subtract = game.policy.baseline
    game.policy.baseline = lambda rewards, mean, greedy: (seen.append(greedy), subtract(rewards, mean, greedy))[1]
    game.generator_loss(ROWS, rng())
    pool = toy.data.pool_rows[ROWS]
    best = game._logits(ROWS).argmax(dim=1, keepdim=True)
    torch.testing.assert_close(seen[0], rewards_of(game, "sigmoid", pool).gather(1, best))


def test_likely_false_negatives_cost_the_penalty(toy: Toy) -> None:
    free, fined = (make_game(toy, false_negative_penalty=penalty, draws=40) for penalty in (0.0, 0.75))
    pool = toy.data.pool_rows[ROWS]
    likely = (pool == toy.data.likely_false[ROWS]) & (toy.data.likely_false[ROWS] >= 0)
    assert likely.any()
    draws = [game.policy._draw(game._batch(ROWS), ROWS, rng()).draws for game in (free, fined)]
    assert torch.equal(draws[0].actions, draws[1].actions)
    torch.testing.assert_close(draws[0].rewards - draws[1].rewards, 0.75 * likely.gather(1, draws[0].actions).float())
    assert (draws[0].rewards != draws[1].rewards).any()


def step(game: Game, again: bool, seed: int) -> torch.Tensor:
    loss, _ = game.generator_loss(ROWS, rng(seed), again)
    game.generator.zero_grad()
    loss.backward()
    with torch.no_grad():
        game.generator.mention.weight -= 0.5 * game.generator.mention.weight.grad
    return loss.detach()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_only_the_clipped_estimator_takes_further_steps_on_the_same_draws(toy: Toy, estimator: str) -> None:
    losses = []
    for seed in (1, 2):
        game = make_game(toy, estimator=estimator)
        step(game, again=False, seed=0)
        losses.append(step(game, again=True, seed=seed))
    assert (losses[0] == losses[1]) == (estimator == "clipped")


def test_a_further_step_of_the_clipped_estimator_weighs_draws_by_how_much_likelier_they_became(toy: Toy) -> None:
    game = make_game(toy, estimator="clipped", entropy_weight=0.0, clip_range=0.1)
    step(game, again=False, seed=0)
    draws = game.policy._turn.draws
    ratio = (torch.log_softmax(game._logits(ROWS), 1).gather(1, draws.actions) - draws.log_probs).exp()
    gain = draws.advantages
    expected = -torch.minimum(ratio * gain, ratio.clamp(0.9, 1.1) * gain).mean()
    assert ((ratio - 1).abs() > 0.1).any()
    torch.testing.assert_close(step(game, again=True, seed=5), expected.detach())


def test_rewards_are_counted_once_a_turn(toy: Toy) -> None:
    game = make_game(toy, estimator="clipped")
    step(game, again=False, seed=0)
    once = game.policy.running_reward
    step(game, again=True, seed=0)
    assert game.policy.running_reward == once


def test_temperature_divides_the_logits(toy: Toy) -> None:
    game = make_game(toy)
    plain = game._logits(ROWS)
    game.policy.temperature = 4.0
    torch.testing.assert_close(game._logits(ROWS), plain / 4)


def test_new_pools_and_new_inputs_are_seen_at_once(toy: Toy) -> None:
    game = make_game(toy)
    before = game._logits(ROWS)
    flipped = toy.data.pool_rows.flip(0)
    game._take_pools(flipped, toy.data.pool_mask, toy.data.pool_scores)
    moved = game._logits(ROWS)
    assert not torch.equal(moved, before)
    fresh = Game(game.discriminator, game.generator, game.data, RULES, World())
    assert torch.equal(moved, fresh._logits(ROWS))
    game.renew_inputs(toy.data.mentions, toy.data.entities._replace(text=-toy.data.entities.text))
    assert not torch.equal(game._logits(ROWS), moved)


def test_rebuilt_pools_are_the_nearest_under_the_discriminator_as_it_is(toy: Toy) -> None:
    game = make_game(toy)
    with torch.no_grad():
        game.discriminator.mention.fusion.text.weight.neg_()
    game.rebuild_pools(gold_part=0.0)
    game.rebuild_nearest(4)
    with torch.no_grad():
        vectors = game.discriminator.embed_mentions(toy.data.mentions) @ game.discriminator.embed_entities(toy.data.entities).T
    for row in range(30):
        gold = int(toy.data.gold_rows[row])
        order = [entity for entity in vectors[row].argsort(descending=True).tolist() if entity != gold]
        assert game.data.pool_rows[row].tolist() == order[:5]
        assert game.nearest[0][row].tolist() == order[:4]
        torch.testing.assert_close(game.data.pool_scores[row], vectors[row][order[:5]], rtol=0, atol=1e-6)
    assert game.discriminator.training
    assert not torch.equal(game.data.pool_rows, toy.data.pool_rows)


def test_a_part_of_rebuilt_pools_goes_to_neighbours_of_the_gold_entity(toy: Toy) -> None:
    game = make_game(toy)
    game.rebuild_pools(gold_part=1.0)
    with torch.no_grad():
        # Seen as a mention, so that rows with and without a picture compare as they would for a mention.
        similar = game.discriminator.embed_mentions(toy.data.entities) @ game.discriminator.embed_entities(toy.data.entities).T
    for row in range(30):
        gold = int(toy.data.gold_rows[row])
        order = [entity for entity in similar[gold].argsort(descending=True).tolist() if entity != gold]
        assert set(game.data.pool_rows[row].tolist()) == set(order[:5])


def test_negatives_are_described_by_their_place_in_the_pool_and_their_likeness_to_the_gold_entity(toy: Toy) -> None:
    game = make_game(toy)
    rows = torch.randint(20, (6, 3), generator=rng(5))
    rows[0, 0] = toy.data.pool_rows[ROWS[0], 2]
    rows[1] = toy.data.likely_false[ROWS[1]].clamp_min(0)
    mask = rows != toy.data.gold_rows[ROWS].unsqueeze(1)
    mask[3, 1] = False
    places, likely = [], []
    for b, row in enumerate(ROWS.tolist()):
        pool = toy.data.pool_rows[row].tolist()
        for entity, usable in zip(rows[b].tolist(), mask[b].tolist(), strict=True):
            if usable:
                places.append(pool.index(entity) + 1 if entity in pool else 6)
                likely.append(entity in toy.data.likely_false[row].tolist())
    figures = game.describe_negatives(ROWS, Negatives(rows, mask))
    assert {1, 2, 3, 4, 5} & set(places)
    assert 0 < sum(likely) < len(likely)
    assert float(figures["negative_rank"]) == pytest.approx(sum(places) / len(places))
    assert float(figures["likely_false_share"]) == pytest.approx(sum(likely) / len(likely))
    unknown = Game(make_discriminator(), make_generator(), toy.data._replace(likely_false=None), RULES, World())
    assert unknown.describe_negatives(ROWS, Negatives(rows, mask))["likely_false_share"] == 0


def test_lists_that_were_not_prepared_are_named(toy: Toy) -> None:
    game = Game(make_discriminator(), make_generator(), toy.data._replace(neighbours={}), RULES, World())
    with pytest.raises(SettingError, match=r"negatives\.sampler = tfidf"):
        game.draw(ROWS, "tfidf", rng())
    with pytest.raises(SettingError, match=r"negatives\.sampler = ance"):
        game.draw(ROWS, "ance", rng())
