"""One step of the game: losses against loops, the policy's gradient against enumeration, gradients everywhere finite."""

from dataclasses import replace

import pytest
import torch
from toy_game import RULES, Toy, make_discriminator, make_generator, make_toy

from pgmel.errors import SettingError
from pgmel.negatives import SAMPLERS, Negatives
from pgmel.objectives import BASELINES, REWARDS
from pgmel.training import Game, World


@pytest.fixture(scope="module")
def toy(one_thread: None) -> Toy:
    return make_toy(entities=20, mentions=30, pool=5)


def make_game(toy: Toy, policy: str = "generator", **rules: object) -> Game:
    game = Game(make_discriminator(), make_generator(), toy.data, replace(RULES, **rules), World(), policy=policy)
    game.refresh_table()
    game.rebuild_nearest(5)
    return game


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


ROWS = torch.tensor([3, 0, 17, 29, 4, 11])


def fixed_negatives(toy: Toy) -> Negatives:
    rows = torch.randint(20, (6, 3), generator=rng(5))
    mask = rows != toy.data.gold_rows[ROWS].unsqueeze(1)
    mask[2] = False
    mask[4, 0] = False
    return Negatives(rows * mask, mask)


@pytest.mark.parametrize("infonce_weight", [0.0, 0.7])
def test_the_discriminators_loss_equals_a_slow_loop(toy: Toy, infonce_weight: float) -> None:
    game = make_game(toy, infonce_weight=infonce_weight)
    negatives, gold = fixed_negatives(toy), toy.data.gold_rows[ROWS]
    loss, log = game.discriminator_loss(ROWS, negatives)
    with torch.no_grad():
        mentions = game.discriminator.embed_mentions(toy.data.mentions.rows(ROWS))
        entities = game.discriminator.embed_entities(toy.data.entities)
    hinges, contrasts, positive, negative = [], [], [], []
    for b in range(6):
        right = float(mentions[b] @ entities[gold[b]])
        positive.append(right)
        for j in range(3):
            if negatives.mask[b, j]:
                wrong = float(mentions[b] @ entities[negatives.rows[b, j]])
                negative.append(wrong)
                hinges.append(max(0.0, 0.2 - right + wrong))
        logits = torch.tensor([float(mentions[b] @ entities[gold[c]]) / 0.1 for c in range(6) if c == b or gold[c] != gold[b]])
        contrasts.append(float(torch.logsumexp(logits, 0)) - right / 0.1)
    triplet, contrast = sum(hinges) / len(hinges), sum(contrasts) / 6
    expected = {
        "triplet_loss": triplet,
        "active_share": sum(value > 0 for value in hinges) / len(hinges),
        "positive_score": sum(positive) / 6,
        "negative_score": sum(negative) / len(negative),
        "discriminator_loss": triplet + infonce_weight * contrast,
    } | ({"infonce_loss": contrast} if infonce_weight else {})
    assert {name: float(value) for name, value in log.items()} == pytest.approx(expected, abs=1e-5)
    assert float(loss.detach()) == pytest.approx(expected["discriminator_loss"], abs=1e-5)


def test_the_joint_loss_equals_a_slow_loop_over_gold_entities_and_everybodys_negatives(toy: Toy) -> None:
    game = make_game(toy, objective="joint", infonce_weight=0.0)
    negatives, gold = fixed_negatives(toy), toy.data.gold_rows[ROWS]
    loss, log = game.discriminator_loss(ROWS, negatives)
    with torch.no_grad():
        mentions = game.discriminator.embed_mentions(toy.data.mentions.rows(ROWS))
        entities = game.discriminator.embed_entities(toy.data.entities)
    shown = [*gold.tolist(), *negatives.rows[negatives.mask].tolist()]
    group = toy.data.groups
    losses = []
    for b in range(6):
        right = float(mentions[b] @ entities[gold[b]]) / 0.1
        others = [float(mentions[b] @ entities[row]) / 0.1 for row in shown if group[row] != group[gold[b]]]
        losses.append(float(torch.logsumexp(torch.tensor([right, *others]), 0)) - right)
    assert len(set(shown)) < len(shown)
    assert float(loss.detach()) == pytest.approx(sum(losses) / 6, abs=1e-5)
    assert float(log["infonce_loss"]) == float(log["discriminator_loss"]) == float(loss.detach())
    assert float(log["triplet_loss"]) > 0


def test_the_policy_starts_from_what_its_prior_names(toy: Toy) -> None:
    retrieval, discriminator = (make_game(toy, prior=prior) for prior in ("retrieval", "discriminator"))
    mask = toy.data.pool_mask[ROWS]
    with torch.no_grad():
        mentions = discriminator.discriminator.embed_mentions(toy.data.mentions.rows(ROWS))
        scores = torch.einsum("bd,bcd->bc", mentions, discriminator.table[toy.data.pool_rows[ROWS]])
    generator = discriminator.generator
    for game, prior in ((retrieval, toy.data.pool_scores[ROWS]), (discriminator, scores)):
        expected = generator.prior_weight * prior / generator.prior_temperature
        logits = game.policy.pool_logits(ROWS).detach()
        torch.testing.assert_close(torch.log_softmax(logits, 1)[mask], torch.log_softmax(expected.masked_fill(~mask, -torch.inf), 1)[mask])


def test_a_batch_without_any_negative_gives_a_zero_loss_and_finite_gradients(toy: Toy) -> None:
    game = make_game(toy, infonce_weight=0.0)
    none = torch.zeros(6, 3, dtype=torch.long)
    loss, log = game.discriminator_loss(ROWS, Negatives(none, none.bool()))
    loss.backward()
    assert loss == 0
    assert all(value.isfinite() for value in log.values())
    assert not any(parameter.grad.any() for parameter in game.discriminator.parameters() if parameter.numel())


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_losses_and_gradients_are_finite_for_every_sampler(toy: Toy, sampler: str, rows: torch.Tensor, bfloat16: bool) -> None:
    game = make_game(toy, bfloat16=bfloat16)
    negatives = game.draw(rows, sampler, rng())
    loss, log = game.discriminator_loss(rows, negatives)
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(value.isfinite() for value in log.values())
    for name, parameter in game.discriminator.named_parameters():
        assert parameter.grad.isfinite().all(), name


def test_bfloat16_changes_the_loss_only_a_little(toy: Toy) -> None:
    exact, rough = (make_game(toy, bfloat16=flag).discriminator_loss(ROWS, fixed_negatives(toy))[0] for flag in (False, True))
    assert float(rough.detach()) == pytest.approx(float(exact.detach()), rel=0.05)
    assert rough != exact


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("rows", [ROWS, ROWS[:1]])
def test_the_generators_loss_and_gradients_are_finite(toy: Toy, reward: str, baseline: str, rows: torch.Tensor) -> None:
    game = make_game(toy, reward=reward, baseline=baseline)
    loss, log = game.generator_loss(rows, rng())
    loss.backward()
    assert all(value.isfinite() for value in log.values())
    assert game.generator.mention.weight.grad.any()
    assert all(parameter.grad.isfinite().all() for parameter in game.generator.parameters())
    assert all(parameter.grad is None for parameter in game.discriminator.parameters())


def expected_rewards(game: Game, toy: Toy, rows: torch.Tensor) -> torch.Tensor:
    """Reward of every candidate of every pool, judged one pair at a time."""
    with torch.no_grad():
        mentions = game.discriminator.embed_mentions(toy.data.mentions.rows(rows))
    table = torch.zeros(len(rows), toy.data.pool_rows.shape[1])
    for b, row in enumerate(rows):
        right = mentions[b] @ game.table[toy.data.gold_rows[row]]
        for c, candidate in enumerate(toy.data.pool_rows[row]):
            wrong = mentions[b] @ game.table[candidate]
            table[b, c] = REWARDS[game.rules.reward](right.view(1, 1), wrong.view(1, 1), game.rules.margin, game.rules.reward_temperature)
    return table


@pytest.mark.parametrize("baseline", ["leave_one_out", "batch_mean"])
def test_the_generators_gradient_averages_to_that_of_the_enumerated_expected_reward_plus_entropy(baseline: str) -> None:
    toy = make_toy(20, 30, 5)
    toy.data.pool_mask[ROWS[0], 1:3] = False
    game = make_game(toy, reward="sigmoid", baseline=baseline, draws=50, entropy_weight=0.05)
    policy = torch.softmax(game._logits(ROWS), dim=1)
    logs = torch.where(policy > 0, policy.clamp_min(1e-30).log(), 0.0)
    objective = (policy * expected_rewards(game, toy, ROWS)).sum(1).mean() - 0.05 * (policy * logs).sum(1).mean()
    (-objective).backward()
    exact = game.generator.mention.weight.grad.clone()
    estimates = []
    for seed in range(200):
        game.generator.zero_grad()
        game.generator_loss(ROWS, rng(seed))[0].backward()
        estimates.append(game.generator.mention.weight.grad.clone())
    stacked = torch.stack(estimates)
    error = stacked.std(dim=0) / len(estimates) ** 0.5
    assert ((stacked.mean(dim=0) - exact).abs() / error).max() < 4.5
    assert ((stacked.mean(dim=0) + exact).abs() / error).max() > 20


def test_pools_without_candidates_take_no_part_in_the_generators_loss(toy: Toy) -> None:
    rows = ROWS[:4]
    whole, part = make_toy(20, 30, 5), make_toy(20, 30, 5)
    for each in (whole, part):
        each.data.pool_mask[rows[1]] = False
        each.data.pool_rows[rows[1]] = 0
    part.data.pool_rows[rows[1]] = 13  # another filler must change nothing
    for baseline in BASELINES:
        losses = [make_game(each, baseline=baseline).generator_loss(rows, rng()) for each in (whole, part)]
        assert losses[0][0] == losses[1][0]
        assert {name: float(value) for name, value in losses[0][1].items()} == {name: float(value) for name, value in losses[1][1].items()}


def test_a_batch_whose_pools_are_all_empty_teaches_the_generator_nothing() -> None:
    empty = make_toy(20, 30, 5)
    empty.data.pool_mask[:] = False
    for baseline in BASELINES:
        game = make_game(empty, baseline=baseline)
        loss, log = game.generator_loss(ROWS, rng())
        loss.backward()
        assert loss == 0
        assert all(value == 0 for value in log.values())
        assert not game.generator.mention.weight.grad.any()
        assert game.entropy(ROWS) == 0


def test_the_running_reward_follows_the_mean_reward(toy: Toy) -> None:
    game = make_game(toy)
    reward = float(game.generator_loss(ROWS, rng())[1]["reward"])
    assert game.policy.running_reward == pytest.approx(0.1 * reward)
    second = float(game.generator_loss(ROWS, rng(1))[1]["reward"])
    assert game.policy.running_reward == pytest.approx(0.09 * reward + 0.1 * second)


def test_judging_reads_the_table_and_not_todays_entities(toy: Toy) -> None:
    game = make_game(toy)
    before = game._judge(ROWS, toy.data.pool_rows[ROWS])
    with torch.no_grad():
        game.discriminator.entity.fusion.text.weight.neg_()
    assert torch.equal(game._judge(ROWS, toy.data.pool_rows[ROWS]), before)
    game.refresh_table()
    assert not torch.equal(game._judge(ROWS, toy.data.pool_rows[ROWS]), before)


def test_judging_drops_no_inputs_and_leaves_the_discriminator_in_training(toy: Toy) -> None:
    game = Game(make_discriminator(dropout=0.5), make_generator(), toy.data, RULES, World())
    game.refresh_table()
    candidates = toy.data.pool_rows[ROWS]
    assert torch.equal(game._judge(ROWS, candidates), game._judge(ROWS, candidates))
    assert game.discriminator.training


def test_unknown_names_are_refused_with_the_setting_they_came_from(toy: Toy) -> None:
    with pytest.raises(SettingError, match=r"generator\.reward .*'hinge'"):
        make_game(toy, reward="hing")
    with pytest.raises(SettingError, match=r"generator\.baseline"):
        make_game(toy, baseline="mean")
    with pytest.raises(SettingError, match=r"negatives\.sampler .*'hardest'"):
        make_game(toy).draw(ROWS, "hardes", rng())
