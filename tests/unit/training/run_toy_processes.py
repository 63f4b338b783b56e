"""What the test of several processes compares: losses, gradients and short trainings, by as many processes as ``torchrun`` started."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch
from toy_game import RULES, Toy, make_discriminator, make_generator, make_schedule, make_toy, make_trainer
from toy_processes import save_agreed

from pgmel.negatives import Negatives
from pgmel.training import Game, TrainingInterruptedError, World, world

BATCHES = {"even": 8, "odd": 7, "one": 1}
OBJECTIVES = {
    "triplet": {"infonce_weight": 0.0},
    "infonce": {"infonce_weight": 0.7},
    "joint": {"objective": "joint", "prior": "discriminator"},
}


def compare_losses(toy: Toy, here: World) -> dict[str, torch.Tensor]:
    """Return loss, log and gradients of both players for batches of several sizes."""
    found: dict[str, torch.Tensor] = {}
    for (size_name, size), (kind, rules) in ((one, other) for one in BATCHES.items() for other in OBJECTIVES.items()):
        game = Game(make_discriminator(hidden=4), make_generator(), toy.data, replace(RULES, **rules), here)
        game.refresh_table()
        rows = torch.arange(size) * 2
        negatives = game.draw(rows, "generator", torch.Generator().manual_seed(0))
        mask = negatives.mask.clone()
        mask[0] &= size == 1  # processes hold different numbers of usable negatives
        losses = {
            "discriminator": (game.discriminator, game.discriminator_loss(rows, Negatives(negatives.rows, mask))),
            "generator": (game.generator, game.generator_loss(rows, torch.Generator().manual_seed(1))),
        }
        for name, (player, (loss, log)) in losses.items():
            place = f"{size_name}.{kind}.{name}"
            loss.backward()
            here.sum_gradients(player.parameters())
            found[f"{place}.loss"] = here.sum(loss)
            found |= {f"{place}.log.{key}": here.sum(value) for key, value in log.items()}
            found |= {f"{place}.gradient.{key}": parameter.grad for key, parameter in player.named_parameters() if parameter.numel()}
        found[f"{size_name}.{kind}.running"] = torch.tensor(game.policy.running_reward)
    return found


def train(toy: Toy, here: World, folder: Path, stop_rank: int | None = None) -> dict[str, torch.Tensor]:
    """Train for seven steps through all phases; with a rank, that process alone gets a signal in its sixth step."""
    trainer = make_trainer(toy, folder, make_schedule(toy, max_steps=7), world=here, plan={"pretrain_sampler": "softmax"})
    if stop_rank is not None:
        learn = trainer._learn_generator

        def learn_and_signal(*given: object) -> None:
            if here.rank == stop_rank:
                os.kill(os.getpid(), signal.SIGTERM)
            learn(*given)

        trainer._learn_generator = learn_and_signal
        try:
            trainer.run()
        except TrainingInterruptedError:
            return {"stopped": torch.tensor(trainer.step)}
    result = trainer.run()
    tensors = {**trainer.game.discriminator.state_dict(), **trainer.game.generator.state_dict()}
    return tensors | {"best": torch.tensor([result.best.h_at_1, result.best.mrr, result.best_step])}


RULES_APART = {
    "kbgan": ({"plan": {"sampler": "kbgan"}}, 5),
    "irgan": ({"plan": {"sampler": "irgan", "pools": "refreshed"}}, 5),
    "lists": ({"plan": {"sampler": "ance", "pretrain_sampler": "tfidf"}}, 0),
    "clipped": (
        {
            "rules": {"estimator": "clipped", "baseline": "self_critical", "false_negative_penalty": 0.5},
            "plan": {"generator_steps": 2, "pools": "refreshed", "temperature_end": 0.5},
        },
        5,
    ),
    "likelihood": ({"rules": {"estimator": "max_likelihood", "reward": "confidence"}}, 5),
}
"""Case to what is changed, and steps of the generator's own phase."""


def train_by_other_rules(toy: Toy, here: World, folder: Path, case: str) -> dict[str, torch.Tensor]:
    """Train for a few steps over the ends of epochs, where pools and lists are rebuilt; return weights and the last metrics."""
    changes, steps = RULES_APART[case]
    schedule = make_schedule(toy, int(steps == 0), int(steps > 0), 2, max_steps=8)
    trainer = make_trainer(toy, folder, schedule, world=here, **changes)
    trainer.run()
    found = {**trainer.game.discriminator.state_dict(), **trainer.game.generator.state_dict()}
    return found | {"pool": trainer.game.data.pool_rows, "reward": torch.tensor(trainer.game.policy.running_reward)}


def main(out: Path) -> None:
    """Do everything; the leading process writes, the others check that their players equal its own."""
    torch.set_num_threads(1)
    toy = make_toy(entities=20, mentions=23, pool=6)
    with world(torch.device("cpu")) as here:
        found = compare_losses(toy, here)
        for case in RULES_APART:
            found |= {f"rule.{case}.{name}": tensor for name, tensor in train_by_other_rules(toy, here, out / case, case).items()}
        found |= {f"straight.{name}": tensor for name, tensor in train(toy, here, out / "straight").items()}
        found |= {f"signal.{name}": tensor for name, tensor in train(toy, here, out / "stopped", here.size - 1).items()}
        found |= {f"resumed.{name}": tensor for name, tensor in train(toy, here, out / "stopped").items()}
        save_agreed(found, here, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
