"""Training helps: every sampler beats zero-shot on a problem with a hidden linear relation, and the policy learns what pays."""

from pathlib import Path

import pytest
import torch
from toy_game import Toy, make_discriminator, make_schedule, make_toy, make_trainer

from pgmel.negatives import LEARNED, SAMPLERS
from pgmel.objectives import BASELINES, REWARDS
from pgmel.training import Trainer


@pytest.fixture(scope="module")
def toy(one_thread: None) -> Toy:
    return make_toy()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_beats_zero_shot_on_mentions_never_shown(toy: Toy, tmp_path: Path, sampler: str) -> None:
    schedule = make_schedule(toy, 1, int(sampler in LEARNED), 8)
    trainer = make_trainer(toy, tmp_path, schedule, rules={"infonce_weight": 0.0}, plan={"sampler": sampler})
    zero_shot = toy.score(make_discriminator()).h_at_1
    trainer.run()
    assert 0.5 < zero_shot < 0.75
    assert toy.score(trainer.game.discriminator).h_at_1 > zero_shot + 0.15


def test_infonce_alone_beats_zero_shot(toy: Toy, tmp_path: Path) -> None:
    rules = {"infonce_weight": 1.0, "margin": 1e-6}
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 0, 0, 8), rules=rules, plan={"sampler": "uniform"})
    trainer.run()
    assert toy.score(trainer.game.discriminator).h_at_1 > toy.score(make_discriminator()).h_at_1 + 0.15


@pytest.mark.parametrize("fusion", ["gmu", "concat", "sum"])
def test_every_fusion_learns_with_a_hidden_layer(toy: Toy, tmp_path: Path, fusion: str) -> None:
    discriminator = make_discriminator(fusion=fusion, hidden=16)
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 0, 0, 6), plan={"sampler": "pool_uniform"}, discriminator=discriminator)
    trainer.run()
    assert toy.score(discriminator).h_at_1 > toy.score(make_discriminator()).h_at_1 + 0.15


def expected_reward(trainer: Trainer, rows: torch.Tensor) -> float:
    """Exact expected reward of the policy on some mentions."""
    game = trainer.game
    with torch.no_grad():
        policy = torch.softmax(game._logits(rows), dim=1)
        scores = game._judge(rows, torch.cat([game.data.gold_rows[rows].unsqueeze(1), game.data.pool_rows[rows]], dim=1))
        rewards = game.policy.reward(scores[:, :1], scores[:, 1:], game.rules.margin, game.rules.reward_temperature)
        return float((policy * rewards).sum(1).mean())


@pytest.mark.parametrize(
    ("reward", "baseline"),
    [(reward, "leave_one_out") for reward in REWARDS] + [("similarity", baseline) for baseline in BASELINES if baseline != "leave_one_out"],
)
def test_the_generators_expected_reward_rises_when_it_alone_learns(toy: Toy, tmp_path: Path, reward: str, baseline: str) -> None:
    rules = {"reward": reward, "baseline": baseline, "entropy_weight": 0.0, "margin": 1.0, "reward_temperature": 0.5}
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 0, 12, 0), rules=rules, plan={"generator_learning_rate": 0.02})
    trainer.game.refresh_table()
    # Judge by the trained table of another start, or the prior would be the best policy already.
    dice = torch.Generator().manual_seed(0)
    trainer.game.table = torch.nn.functional.normalize(
        trainer.game.table + 0.3 * torch.randn(trainer.game.table.shape, generator=dice), dim=1
    )
    trainer.game.refresh_table = lambda: None
    rows = torch.arange(len(toy.data.gold_rows))
    before = expected_reward(trainer, rows)
    discriminator = {name: tensor.clone() for name, tensor in trainer.game.discriminator.state_dict().items()}
    trainer.run()
    assert expected_reward(trainer, rows) > before + 0.02
    assert all(torch.equal(tensor, discriminator[name]) for name, tensor in trainer.game.discriminator.state_dict().items())


def test_the_entropy_bonus_flattens_the_policy_and_without_it_the_policy_sharpens(toy: Toy, tmp_path: Path) -> None:
    rows = torch.arange(len(toy.data.gold_rows))
    entropies = {}
    for weight in (0.0, 3.0):
        trainer = make_trainer(toy, tmp_path / str(weight), make_schedule(toy, 0, 10, 0), rules={"entropy_weight": weight})
        untrained = trainer.game.entropy(rows)
        trainer.run()
        entropies[weight] = trainer.game.entropy(rows)
    assert entropies[0.0] < untrained - 0.02
    assert entropies[3.0] > untrained + 0.1
