"""What the test of fine-tuning in several processes compares: a batch's gradients, and a short training."""

import sys
from pathlib import Path

import torch
from live_toy import LiveToy, make_discriminator, make_live_toy, make_live_trainer
from toy_game import RULES, make_generator, make_schedule
from toy_processes import save_agreed

from pgmel.negatives import Negatives
from pgmel.training import Game, World, world

BATCHES = {"even": 8, "odd": 7, "one": 1}


def compare_gradients(toy: LiveToy, here: World) -> dict[str, torch.Tensor]:
    """Return the summed gradients of what learns of the encoder, for batches of several sizes."""
    found: dict[str, torch.Tensor] = {}
    for name, size in BATCHES.items():
        tuner = toy.make_tuner("lora")
        parameters = [parameter for parameter in tuner.inputs.text.network.parameters() if parameter.requires_grad]
        with torch.no_grad():
            for number, parameter in enumerate(parameters):
                parameter.add_(0.1 * torch.cos(torch.arange(parameter.numel()) + number).reshape(parameter.shape))
        game = Game(make_discriminator().eval(), make_generator(), toy.data, RULES, here, tuner.inputs)
        rows = torch.arange(size) * 2
        wrong = (rows[:, None] * 3 + torch.arange(3)) % 29
        game.discriminator_loss(rows, Negatives(wrong, torch.ones_like(wrong, dtype=torch.bool)))[0].backward()
        here.sum_gradients(parameters)
        found |= {f"{name}.{number}": parameter.grad for number, parameter in enumerate(parameters)}
    return found


def train(toy: LiveToy, here: World, folder: Path) -> dict[str, torch.Tensor]:
    """Train for twelve steps through all phases; return what learned, before and after, and the table of the last renewal."""
    tuner = toy.make_tuner("last-1", learning_rate=0.002)
    trainer = make_live_trainer(toy, folder, tuner, make_schedule(toy, max_steps=12), here)
    trainer.game.discriminator.mention.dropout.p = trainer.game.discriminator.entity.dropout.p = 0.0
    start = {f"start.{name}": tensor.clone() for name, tensor in tuner.parts()["encoder"].items()}
    result = trainer.run()
    best = torch.tensor([result.best.h_at_1, result.best.mrr, result.best_step])
    assert tuner.table is not None
    end = {f"end.{name}": tensor for name, tensor in tuner.parts()["encoder"].items()}
    return {"best": best, "table": tuner.table.float()} | start | end


def main(out: Path, encoder: Path) -> None:
    """Do everything; the leading process writes, the others check that theirs equals its own."""
    torch.set_num_threads(1)
    toy = make_live_toy(encoder)
    with world(torch.device("cpu")) as here:
        found = {f"gradient.{name}": tensor for name, tensor in compare_gradients(toy, here).items()}
        found |= {f"train.{name}": tensor for name, tensor in train(toy, here, out / "run").items()}
        save_agreed(found, here, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
