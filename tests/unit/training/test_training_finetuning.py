"""The text encoder learns along: it starts where the frozen one stands, gradients reach it, and a run resumes to the bit."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from live_toy import RATE, LiveToy, load, make_discriminator, make_live_toy, make_live_trainer
from safetensors import safe_open
from tiny_models import save_bert
from torch import Tensor
from toy_game import RULES, make_generator, make_schedule

from pgmel.errors import CheckpointError
from pgmel.features.torch_models import quiet
from pgmel.models import Modalities
from pgmel.negatives import Negatives
from pgmel.training import EncoderTuner, Game, MetricsLog, Trainer, TrainingInterruptedError, World
from pgmel.training.checkpoint import find_checkpoint

MODES = ("last-1", "lora", "full")


@pytest.fixture(scope="module")
def toy(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> LiveToy:
    with quiet():
        return make_live_toy(save_bert(tmp_path_factory.mktemp("bert")))


def assert_close(found: Modalities, expected: Modalities, atol: float) -> None:
    for part, other in zip(found, expected, strict=True):
        torch.testing.assert_close(part.detach(), other, rtol=0, atol=atol)


def learning(tuner: EncoderTuner) -> dict[str, Tensor]:
    return tuner.parts()["encoder"]


def everything(tuner: EncoderTuner) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tuner.inputs.text.network.state_dict().items()}


# Inputs


@pytest.mark.parametrize("mode", MODES)
def test_at_the_start_inputs_are_those_of_the_frozen_encoder(toy: LiveToy, mode: str) -> None:
    inputs = toy.make_tuner(mode).inputs
    mentions, gold, wrong = torch.tensor([4, 0, 4]), toy.data.gold_rows[:3], torch.tensor([[1, 29], [2, 2], [29, 5]])
    found = inputs(mentions, gold, wrong)
    assert_close(found[0], toy.data.mentions.rows(mentions), atol=1e-3)  # the table is float16
    assert_close(found[1], toy.data.entities.rows(gold), atol=1e-3)
    assert_close(found[2], toy.data.entities.rows(wrong), atol=1e-3)


def test_a_row_without_text_keeps_its_fixed_part_only(toy: LiveToy) -> None:
    _, found = toy.make_tuner().inputs(torch.tensor([0]), torch.tensor([29]))
    torch.testing.assert_close(found.text, toy.entities.text[29:30])
    _, alone = toy.make_tuner().inputs(torch.zeros(0, dtype=torch.int64), torch.tensor([29]))
    torch.testing.assert_close(alone.text, toy.entities.text[29:30])


def test_no_rows_are_no_rows(toy: LiveToy) -> None:
    nobody = torch.zeros(0, dtype=torch.int64)
    mentions, wrong = toy.make_tuner().inputs(nobody, nobody.reshape(0, 3))
    assert (mentions.text.shape, wrong.text.shape) == ((0, 16), (0, 3, 16))


def test_each_distinct_text_of_a_batch_is_encoded_once(toy: LiveToy, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = toy.make_tuner().inputs
    seen: list[int] = []
    encode = inputs.text.encode
    monkeypatch.setattr(inputs.text, "encode", lambda numbers: (seen.extend(numbers.tolist()), encode(numbers))[1])
    mentions, gold = torch.arange(12), toy.data.gold_rows[:12]
    inputs(mentions, gold, gold.unsqueeze(1))
    texts = {toy.texts[name][0][row] for name in toy.texts for row in mentions.tolist()}
    texts |= {toy.texts[name][1][row] for name in toy.texts for row in gold.tolist()}
    assert len(seen) == len(set(seen)) == len(texts)


def test_fixed_inputs_without_columns_are_no_hindrance(toy: LiveToy) -> None:
    bare = toy.entities._replace(text=torch.zeros(30, 0))
    inputs = LiveToy(toy.folder, toy.data, toy.texts, toy.maps, toy.mentions, bare).make_tuner().inputs
    _, found = inputs(torch.tensor([0]), torch.tensor([3]))
    torch.testing.assert_close(found.text, toy.data.entities.text[3:4] - toy.entities.text[3:4], rtol=0, atol=1e-3)


# One step


def loss_of(toy: LiveToy, tuner: EncoderTuner | None) -> tuple[Game, Tensor]:
    discriminator = make_discriminator().eval()
    game = Game(discriminator, make_generator(), toy.data, RULES, World(), tuner.inputs if tuner else None)
    wrong = Negatives(torch.tensor([[1, 2, 3]] * 6), torch.ones(6, 3, dtype=torch.bool))
    return game, game.discriminator_loss(torch.arange(6), wrong)[0]


@pytest.mark.parametrize("mode", MODES)
def test_the_first_loss_is_that_of_the_frozen_encoder(toy: LiveToy, mode: str) -> None:
    _, frozen = loss_of(toy, None)
    _, live = loss_of(toy, toy.make_tuner(mode))
    assert float(live.detach()) == pytest.approx(float(frozen.detach()), abs=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_a_step_moves_what_learns_and_nothing_else(toy: LiveToy, mode: str) -> None:
    tuner = toy.make_tuner(mode)
    before, learn = everything(tuner), learning(tuner)
    _, loss = loss_of(toy, tuner)
    loss.backward()
    tuner.descend(1.0, World())
    after = everything(tuner)
    moved = {f"transformer.{name.removeprefix('transformer.')}" for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert moved <= set(learn)
    assert {name for name in set(learn) - moved if not name.endswith(("down", "key.bias", "position_embeddings.weight"))} == set()


def test_gradients_are_cleared_after_a_step(toy: LiveToy) -> None:
    tuner = toy.make_tuner()
    _, loss = loss_of(toy, tuner)
    loss.backward()
    tuner.descend(1.0, World())
    assert all(parameter.grad is None for parameter in tuner.inputs.text.network.parameters())


def test_a_step_is_no_longer_than_its_share_of_the_rate(toy: LiveToy) -> None:
    tuner = toy.make_tuner()
    before = learning(tuner)
    _, loss = loss_of(toy, tuner)
    loss.backward()
    tuner.descend(0.25, World())
    steps = [(after - before[name]).abs().max() for name, after in learning(tuner).items()]
    assert float(max(steps)) == pytest.approx(0.25 * RATE, rel=1e-2)  # the first step of Adam has that length


def test_weight_decay_pulls_towards_the_start(toy: LiveToy) -> None:
    tuner = toy.make_tuner(weight_decay=1e9)
    start = learning(tuner)
    _, loss = loss_of(toy, tuner)
    loss.backward()
    tuner.descend(1.0, World())
    assert all(torch.equal(after, start[name]) for name, after in learning(tuner).items())


# A run


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def stop_in(trainer: Trainer, number: int) -> None:
    """Let a signal come in the middle of a step of the discriminator, or of the generator where it learns alone."""
    learn_discriminator, learn_generator = trainer._learn_discriminator, trainer._learn_generator

    def first(*given: object, **named: object) -> None:
        if trainer.step == number - 1:
            terminate()
        learn_discriminator(*given, **named)

    def second(*given: object, **named: object) -> None:
        if trainer.step == number - 1 and trainer.schedule.at(trainer.step).phase == "pretrain_generator":
            terminate()
        learn_generator(*given, **named)

    trainer._learn_discriminator, trainer._learn_generator = first, second


def stored(folder: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    with safe_open(find_checkpoint(folder / "checkpoints"), framework="pt") as file:
        values = json.loads(file.metadata()["values"])
        values["pending"] = {name: part for name, part in values["pending"].items() if not name.endswith("seconds")}
        return {name: file.get_tensor(name) for name in file.keys()}, values  # noqa: SIM118 - no mapping


def metrics(folder: Path) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name not in ("steps_per_s", "processor_s")} for row in MetricsLog.read(folder)]


@pytest.fixture(scope="module")
def straight(toy: LiveToy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {mode: tmp_path_factory.mktemp("straight") for mode in MODES}
    for mode, folder in folders.items():
        assert make_live_trainer(toy, folder, toy.make_tuner(mode)).run().steps == 20
    return folders


@pytest.mark.parametrize(("mode", "stop"), [("last-1", stop) for stop in (2, 5, 8, 13, 20)] + [("lora", 12), ("full", 17)])
def test_a_stopped_run_goes_on_to_the_bit(toy: LiveToy, tmp_path: Path, straight: dict[str, Path], mode: str, stop: int) -> None:
    trainer = make_live_trainer(toy, tmp_path, toy.make_tuner(mode))
    stop_in(trainer, stop)
    with pytest.raises(TrainingInterruptedError):
        trainer.run()
    again = make_live_trainer(toy, tmp_path, toy.make_tuner(mode))
    again.run()
    tensors, values = stored(straight[mode])
    others, other_values = stored(tmp_path)
    assert set(tensors) == set(others)
    assert [name for name, tensor in tensors.items() if not torch.equal(tensor, others[name])] == []
    assert values == other_values
    assert metrics(tmp_path) == metrics(straight[mode])


def test_checkpoints_hold_what_learns_only(straight: dict[str, Path]) -> None:
    for mode, count in (("last-1", 16), ("lora", 24)):
        tensors, _ = stored(straight[mode])
        for part in ("encoder", "encoder_best", "encoder_stale"):
            assert sum(name.startswith(f"{part}.") for name in tensors) == count, (mode, part)


@pytest.mark.parametrize("changes", [{"mode": "last-2"}, {"learning_rate": 0.01}, None])
def test_a_checkpoint_of_another_tuning_is_refused(
    toy: LiveToy, tmp_path: Path, straight: dict[str, Path], changes: dict[str, object] | None
) -> None:
    (tmp_path / "checkpoints").symlink_to(straight["last-1"] / "checkpoints")
    tuner = None if changes is None else toy.make_tuner(**changes)
    with pytest.raises(CheckpointError, match="other settings"):
        make_live_trainer(toy, tmp_path, tuner).run()


def test_inputs_for_judging_are_renewed_at_the_end_of_epochs_and_not_between(toy: LiveToy, tmp_path: Path) -> None:
    tuner = toy.make_tuner()
    trainer = make_live_trainer(toy, tmp_path, tuner)
    renewed: list[int] = []
    renew = tuner.renew
    tuner.renew = lambda world: (renewed.append(trainer.step), renew(world))[1]
    trainer.run()
    assert renewed == [5, 15, 20]
    assert not torch.allclose(trainer.game.data.entities.text, toy.data.entities.text, atol=1e-2)


def test_the_table_of_entity_vectors_is_renewed_with_the_inputs(toy: LiveToy, tmp_path: Path) -> None:
    trainer = make_live_trainer(toy, tmp_path, toy.make_tuner(), refresh_every=1000, sampler="hardest", evaluate_every=1)
    tables: list[Tensor] = []
    evaluate = trainer.evaluate
    trainer.evaluate = lambda discriminator: (tables.append(trainer.game.table.clone()), evaluate(discriminator))[1]
    trainer.run()
    assert not torch.equal(tables[-1], tables[-2])


def test_the_best_weights_are_back_at_the_end(toy: LiveToy, tmp_path: Path) -> None:
    tuner = toy.make_tuner()
    trainer = make_live_trainer(toy, tmp_path, tuner)
    states: dict[int, dict[str, Tensor]] = {}
    scores = iter([0.1, 0.2, 0.9, 0.3, 0.3])
    evaluate = trainer.evaluate

    def pretend(discriminator: object) -> object:
        states[trainer.step] = learning(tuner)
        return evaluate(discriminator)._replace(mrr=next(scores))

    trainer.evaluate = pretend
    assert trainer.run().best_step == 15
    assert all(torch.equal(value, states[15][name]) for name, value in learning(tuner).items())
    assert not all(torch.equal(value, states[20][name]) for name, value in learning(tuner).items())


def test_dev_is_evaluated_every_so_many_epochs_and_at_the_end(toy: LiveToy, tmp_path: Path) -> None:
    trainer = make_live_trainer(toy, tmp_path, None, make_schedule(toy, pretrain=2, generator=0, adversarial=3), evaluate_every=2)
    steps: list[int] = []
    evaluate = trainer.evaluate
    trainer.evaluate = lambda discriminator: (steps.append(trainer.step), evaluate(discriminator))[1]
    trainer.run()
    assert steps == [0, 10, 20, 25]


@pytest.mark.parametrize("mode", ["last-1", "lora"])
def test_learning_along_separates_what_the_frozen_encoder_mixes_up(toy: LiveToy, tmp_path: Path, mode: str) -> None:
    schedule = make_schedule(toy, pretrain=7, generator=0, adversarial=0)
    frozen = make_live_trainer(toy, tmp_path / "frozen", None, schedule, evaluate_every=10).run()
    tuned = make_live_trainer(toy, tmp_path / "tuned", toy.make_tuner(mode), schedule, evaluate_every=10).run()
    assert tuned.best.mrr > frozen.best.mrr + 0.1


def test_the_folder_of_the_encoder_is_left_alone(toy: LiveToy, tmp_path: Path) -> None:
    before = load(toy.folder).encode(["the red river"])
    make_live_trainer(toy, tmp_path, toy.make_tuner("full")).run()
    assert (load(toy.folder).encode(["the red river"]) == before).all()


def test_bfloat16_changes_the_loss_only_a_little(toy: LiveToy) -> None:
    tuner = toy.make_tuner("lora")
    game, exact = loss_of(toy, tuner)
    rough_game = Game(game.discriminator, game.generator, toy.data, replace(RULES, bfloat16=True), World(), tuner.inputs)
    wrong = Negatives(torch.tensor([[1, 2, 3]] * 6), torch.ones(6, 3, dtype=torch.bool))
    rough = rough_game.discriminator_loss(torch.arange(6), wrong)[0]
    assert rough.dtype == torch.float32
    assert 0 < abs(float(rough.detach()) - float(exact.detach())) < 0.05
    rough.backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in tuner.inputs.text.network.parameters())
