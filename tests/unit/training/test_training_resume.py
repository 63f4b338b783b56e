"""Twenty steps straight equal ten, a stop, and ten more, to the bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from toy_game import Toy, make_discriminator, make_schedule, make_toy, make_trainer

from pgmel.errors import CheckpointError
from pgmel.training import MetricsLog, Trainer, TrainingInterruptedError
from pgmel.training.checkpoint import find_checkpoint

SCRIPT = Path(__file__).parent / "run_toy_training.py"


@pytest.fixture(scope="module")
def toy(one_thread: None) -> Toy:
    return make_toy(entities=20, mentions=23, pool=6)


def stored(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    """Tensors and values of the newest checkpoint, without what measures time."""
    with safe_open(find_checkpoint(folder / "checkpoints"), framework="pt") as file:
        values = json.loads(file.metadata()["values"])
        values["pending"].pop("seconds", None)
        values["pending"].pop("processor_seconds", None)
        return {name: file.get_tensor(name) for name in file.keys()}, values  # noqa: SIM118 - no mapping


def metrics(folder: Path) -> list[dict[str, str]]:
    return [{name: value for name, value in row.items() if name not in ("steps_per_s", "processor_s")} for row in MetricsLog.read(folder)]


def assert_same(one: Path, other: Path) -> None:
    tensors, values = stored(one)
    others, other_values = stored(other)
    assert set(tensors) == set(others)
    assert [name for name, tensor in tensors.items() if not torch.equal(tensor, others[name])] == []
    assert values == other_values
    assert metrics(one) == metrics(other)
    assert metrics(one)


class CrashError(Exception):
    """Stands for a power cut: nothing is written after it."""


def at_step(trainer: Trainer, number: int, act: object) -> None:
    """Let something happen in the middle of a step (from 1)."""
    learn_discriminator, learn_generator = trainer._learn_discriminator, trainer._learn_generator

    def first(*given: object) -> None:
        if trainer.step == number - 1:
            act()
        learn_discriminator(*given)

    def second(*given: object) -> None:
        if trainer.step == number - 1 and trainer.schedule.at(trainer.step).phase == "pretrain_generator":
            act()
        learn_generator(*given)

    trainer._learn_discriminator, trainer._learn_generator = first, second


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def crash() -> None:
    raise CrashError


CASES = {
    "generator": {},
    "dropout": {
        "plan": {"sampler": "uniform", "pretrain_sampler": "in_batch"},
        "discriminator": {"dropout": 0.4, "hidden": 6},
        "epochs": (2, 0, 2),
    },
    "softmax from a stale table": {"plan": {"sampler": "softmax", "pretrain_sampler": "hardest", "refresh_every": 6}},
    "moving average and decay": {
        "plan": {"weight_decay": 0.5, "generator_steps": 2, "discriminator_steps": 3},
        "rules": {"baseline": "moving_average", "infonce_weight": 0.0, "reward": "sigmoid"},
    },
    "bfloat16": {"rules": {"bfloat16": True}, "plan": {"sampler": "hardest"}},
    "lists rebuilt": {"plan": {"sampler": "ance", "pretrain_sampler": "jaccard"}, "epochs": (2, 0, 2)},
    "pools rebuilt, several steps on the same draws": {
        "rules": {"estimator": "clipped", "baseline": "self_critical", "false_negative_penalty": 0.5, "reward": "confidence"},
        "plan": {"pools": "refreshed", "generator_steps": 2, "temperature_end": 0.3},
    },
    "max likelihood, everything rebuilt now and then": {
        "rules": {"estimator": "max_likelihood"},
        "plan": {"pools": "refreshed", "rebuild_every": 2, "pretrain_sampler": "ance"},
    },
    "prior that reads a stale table": {"rules": {"prior": "discriminator", "objective": "joint"}, "plan": {"refresh_every": 6}},
    "kbgan": {"plan": {"sampler": "kbgan"}},
    "irgan": {"plan": {"sampler": "irgan", "pools": "refreshed"}},
}


def make(toy: Toy, folder: Path, case: str = "generator", **more: object) -> Trainer:
    """Make a trainer of twenty steps; the discriminator comes in evaluation mode, as the zero-shot measurement leaves it."""
    values = CASES[case]
    discriminator = make_discriminator(**values.get("discriminator", {})).eval()
    plan = values.get("plan", {}) | more.pop("plan", {})
    schedule = make_schedule(toy, *values.get("epochs", (1, 1, 2)))
    return make_trainer(toy, folder, schedule, rules=values.get("rules", {}), plan=plan, discriminator=discriminator, **more)


@pytest.fixture(scope="module")
def straight(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {case: tmp_path_factory.mktemp("straight") for case in CASES}
    for case, folder in folders.items():
        assert make(toy, folder, case).run().steps == 20
    return folders


@pytest.mark.parametrize(
    ("case", "stop"), [("generator", stop) for stop in (1, 4, 10, 20)] + [(case, stop) for case in CASES for stop in (7, 13)]
)
def test_a_run_stopped_by_a_signal_goes_on_as_if_nothing_had_happened(
    toy: Toy, tmp_path: Path, straight: dict[str, Path], case: str, stop: int
) -> None:
    trainer = make(toy, tmp_path, case)
    at_step(trainer, stop, terminate)
    with pytest.raises(TrainingInterruptedError, match=f"step {stop} of 20"):
        trainer.run()
    torch.manual_seed(stop)  # what else the process does with the global stream must not matter
    resumed = make(toy, tmp_path, case)
    assert resumed.run().steps == 20
    assert_same(tmp_path, straight[case])


@pytest.mark.parametrize("case", ["generator", "dropout"])
def test_a_run_that_crashed_goes_on_from_its_last_checkpoint_and_writes_the_lost_rows_again(
    toy: Toy, tmp_path: Path, straight: dict[str, Path], case: str
) -> None:
    trainer = make(toy, tmp_path, case)
    at_step(trainer, 17, crash)
    with pytest.raises(CrashError):
        trainer.run()
    assert find_checkpoint(tmp_path / "checkpoints").name == "step-00000010.safetensors"
    assert metrics(tmp_path)[-1]["step"] == "15"
    make(toy, tmp_path, case).run()
    assert_same(tmp_path, straight[case])


def test_a_crash_while_a_checkpoint_is_written_leaves_the_one_before(
    toy: Toy, tmp_path: Path, straight: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(toy, tmp_path)
    at_step(trainer, 18, lambda: monkeypatch.setattr(Path, "replace", lambda *_: crash()))
    with monkeypatch.context(), pytest.raises(CrashError):
        trainer.run()
    monkeypatch.undo()
    assert [file.name for file in (tmp_path / "checkpoints").iterdir()] == ["step-00000010.safetensors"]
    make(toy, tmp_path).run()
    assert_same(tmp_path, straight["generator"])


def test_a_real_signal_to_another_process_leaves_a_checkpoint_to_go_on_from(toy: Toy, tmp_path: Path, straight: dict[str, Path]) -> None:
    """The child stands still within step 10 until the signal has been sent."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (tmp_path / "stderr").open("wb") as stderr:
        child = subprocess.Popen([sys.executable, str(SCRIPT), str(tmp_path)], stderr=stderr, env=environment)
    deadline = time.monotonic() + 120
    while not (tmp_path / "ready").exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    child.terminate()
    (tmp_path / "go").touch()
    assert child.wait(60) == 130, (tmp_path / "stderr").read_text()
    assert find_checkpoint(tmp_path / "checkpoints").name == "step-00000010.safetensors"
    make(toy, tmp_path).run()
    assert_same(tmp_path, straight["generator"])


def twice() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_later_second_signal_does_not_wait_for_the_step(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgmel.training.interrupts.SAME_SIGNAL_S", -1.0)
    trainer = make(toy, tmp_path)
    at_step(trainer, 3, twice)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()


def test_signals_that_come_together_are_one_request(toy: Toy, tmp_path: Path) -> None:
    trainer = make(toy, tmp_path)
    at_step(trainer, 3, twice)
    with pytest.raises(TrainingInterruptedError):
        trainer.run()
    assert find_checkpoint(tmp_path / "checkpoints").name == "step-00000003.safetensors"


def test_the_keyboards_interrupt_stops_like_any_signal(toy: Toy, tmp_path: Path) -> None:
    trainer = make(toy, tmp_path)
    at_step(trainer, 3, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(TrainingInterruptedError, match="step 3 of 20"):
        trainer.run()


def test_signal_handlers_are_put_back(toy: Toy, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    make(toy, tmp_path).run()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_finished_run_does_nothing_more_and_gives_the_same_result(toy: Toy, tmp_path: Path) -> None:
    first = make(toy, tmp_path)
    result = first.run()
    rows = MetricsLog.read(tmp_path)
    again = make(toy, tmp_path)
    repeated = again.run()
    assert (repeated.best, repeated.best_step, repeated.steps) == (result.best, result.best_step, 20)
    assert MetricsLog.read(tmp_path) == rows
    for one, other in zip(first.game.discriminator.parameters(), again.game.discriminator.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_global_stream_is_left_alone(toy: Toy, tmp_path: Path) -> None:
    trainer = make(toy, tmp_path, "dropout")
    state = torch.get_rng_state()
    trainer.run()
    assert torch.equal(torch.get_rng_state(), state)


def interrupted(toy: Toy, folder: Path, stop: int = 7, **more: object) -> None:
    trainer = make(toy, folder, **more)
    at_step(trainer, stop, terminate)
    with pytest.raises(TrainingInterruptedError):
        trainer.run()


@pytest.mark.parametrize(
    "changes",
    [{"plan": {change: value}} for change, value in (("learning_rate", 0.02), ("seed", 1), ("sampler", "softmax"), ("pools", "refreshed"))],
    ids=["step length", "seed", "sampler", "pools"],
)
def test_a_checkpoint_of_other_settings_is_refused(toy: Toy, tmp_path: Path, changes: dict[str, object]) -> None:
    interrupted(toy, tmp_path)
    with pytest.raises(CheckpointError, match="other settings or other data"):
        make(toy, tmp_path, **changes).run()


def test_a_checkpoint_of_another_schedule_model_or_rule_is_refused(toy: Toy, tmp_path: Path) -> None:
    interrupted(toy, tmp_path)
    others = [
        make_trainer(toy, tmp_path, make_schedule(toy, adversarial=3)),
        make_trainer(toy, tmp_path, rules={"margin": 0.3}),
        make_trainer(toy, tmp_path, discriminator=make_discriminator(fusion="sum")),
        make_trainer(toy, tmp_path, discriminator=make_discriminator(text_share=0.5)),
    ]
    for trainer in others:
        with pytest.raises(CheckpointError, match="other settings or other data"):
            trainer.run()


def test_a_checkpoint_of_another_start_is_refused(toy: Toy, tmp_path: Path) -> None:
    interrupted(toy, tmp_path)
    discriminator = make_discriminator()
    discriminator.reset()
    with pytest.raises(CheckpointError, match="other settings or other data"):
        make_trainer(toy, tmp_path, discriminator=discriminator).run()


@pytest.mark.parametrize("part", ["pool_rows", "pool_scores", "gold_rows", "likely_false", "neighbours", "order of mentions"])
def test_a_checkpoint_of_other_data_is_refused(toy: Toy, tmp_path: Path, part: str) -> None:
    interrupted(toy, tmp_path)
    if part == "order of mentions":
        data = toy.data._replace(mentions=toy.data.mentions.rows(torch.arange(22, -1, -1)))
    elif part == "neighbours":
        data = toy.data._replace(neighbours={rule: lists._replace(rows=lists.rows.flip(0)) for rule, lists in toy.data.neighbours.items()})
    else:
        data = toy.data._replace(**{part: getattr(toy.data, part).flip(0)})
    with pytest.raises(CheckpointError, match="other settings or other data"):
        make_trainer(Toy(data, toy.dev, toy.dev_gold), tmp_path).run()


def test_a_damaged_checkpoint_is_an_error_that_says_what_to_do_and_doing_it_helps(
    toy: Toy, tmp_path: Path, straight: dict[str, Path]
) -> None:
    interrupted(toy, tmp_path, stop=13)
    newest = find_checkpoint(tmp_path / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"damaged.*delete it"):
        make(toy, tmp_path).run()
    newest.unlink()
    make(toy, tmp_path).run()
    assert_same(tmp_path, straight["generator"])


def test_starting_anew_forgets_the_old_run_even_if_it_had_come_further(toy: Toy, tmp_path: Path, straight: dict[str, Path]) -> None:
    make(toy, tmp_path).run()
    trainer = make(toy, tmp_path)
    at_step(trainer, 4, terminate)
    with pytest.raises(TrainingInterruptedError):
        trainer.run(resume=False)
    assert [file.name for file in (tmp_path / "checkpoints").iterdir()] == ["step-00000004.safetensors"]
    assert [row["step"] for row in metrics(tmp_path)] == ["3"]
    make(toy, tmp_path).run()
    assert_same(tmp_path, straight["generator"])


@pytest.mark.parametrize("keep", [1, 3])
def test_as_many_checkpoints_are_kept_as_asked_for(toy: Toy, tmp_path: Path, keep: int) -> None:
    make(toy, tmp_path, plan={"checkpoint_every": 4, "keep_checkpoints": keep}).run()
    kept = [f"step-{step:08d}.safetensors" for step in (12, 16, 20)[-keep:]]
    assert sorted(file.name for file in (tmp_path / "checkpoints").iterdir()) == kept
