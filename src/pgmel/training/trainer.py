"""The training loop: pretraining of both players, then the adversarial game; interrupted at will, resumed to the bit on a CPU."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from pgmel.files import hash_json
from pgmel.models import Discriminator, Generator
from pgmel.negatives import LEARNED, NEEDS_NEAREST, NEEDS_SCORES
from pgmel.progress import Bar, progress_bar
from pgmel.training.checkpoint import (
    clear_checkpoints,
    find_checkpoint,
    load_checkpoint,
    optimiser_tensors,
    probe_tensor,
    restore_optimiser,
    save_checkpoint,
)
from pgmel.training.data import GameRules, TrainingData
from pgmel.training.distributed import World
from pgmel.training.game import Game
from pgmel.training.interrupts import TrainingInterruptedError, collect_signals
from pgmel.training.log import MetricsLog
from pgmel.training.plan import DevScores, TrainingPlan, TrainingResult
from pgmel.training.schedule import Schedule, batch_rows, learning_rate_factor, rng_for
from pgmel.training.tuner import EncoderTuner

__all__ = ["Trainer"]

HARMLESS = frozenset({"log_every", "checkpoint_every", "keep_checkpoints", "tensorboard"})
"""Parts of the plan that may change between a checkpoint and going on."""


@final
class Trainer:
    """Run a schedule.

    Args:
        discriminator: Learns; holds the best weights at the end.
        generator: Learns.
        data: Inputs, on the device of the players.
        rules: Of the game.
        schedule: Phases.
        plan: Of the loop.
        evaluate: Scores the discriminator on dev; called at the end of epochs by the leading process.
        folder: Where checkpoints and metrics go.
        world: This process among others.
        show_progress: Whether to show a bar.
        tuner: Lets the text encoder learn too; None leaves it frozen.
        dev: What the bar calls the mentions that ``evaluate`` scores on.
    """

    def __init__(
        self,
        discriminator: Discriminator,
        generator: Generator,
        data: TrainingData,
        *,
        rules: GameRules,
        schedule: Schedule,
        plan: TrainingPlan,
        evaluate: Callable[[Discriminator], DevScores],
        folder: Path,
        world: World | None = None,
        show_progress: bool = True,
        tuner: EncoderTuner | None = None,
        dev: str = "dev",
    ) -> None:
        self.world = world or World()
        self.tuner = tuner
        policy = plan.sampler if plan.sampler in LEARNED else "generator"
        self.game = Game(discriminator, generator, data, rules, self.world, tuner.inputs if tuner else None, policy)
        self.schedule = schedule
        self.plan = plan
        self.evaluate = evaluate
        self.dev = dev
        self.folder = folder
        self.show_progress = show_progress and self.world.leads
        self.start = {name: parameter.detach().clone() for name, parameter in discriminator.named_parameters()}
        self.optimiser = torch.optim.AdamW(discriminator.parameters(), lr=plan.learning_rate, weight_decay=0.0)
        self.generator_optimiser = torch.optim.Adam(generator.parameters(), lr=plan.generator_learning_rate)
        self.step = 0
        self.best = DevScores(-1.0, -1.0)
        self.best_step = 0
        self.best_state = _copy(discriminator)
        self.stale_epochs = 0
        self.table_state = _copy(discriminator)
        self.pending: dict[str, list[float]] = {}
        self.stopped_early = False
        self.first_step_at: float | None = None
        self.log: MetricsLog | None = None
        self.fingerprint = self._fingerprint()

    def _fingerprint(self) -> str:
        """Digest of what must be the same for a checkpoint to go on: settings, data, and the players at the start."""
        data, generator = self.game.data, self.game.generator
        tensors = [*data.tensors(), *self.start.values(), *generator.state_dict().values()]
        plan = {name: value for name, value in asdict(self.plan).items() if name not in HARMLESS}
        plain = [asdict(self.schedule), plan, asdict(self.game.rules), dict(self.game.discriminator.shape)]
        prior = [generator.prior_weight, generator.prior_temperature]
        tuned = [self.tuner.identity] if self.tuner else []
        return hash_json([plain, prior, [probe_tensor(part) for part in tensors], *tuned])

    def run(self, resume: bool = True, known: DevScores | None = None) -> TrainingResult:
        """Train to the end of the schedule, or until patience runs out.

        Args:
            resume: Go on from the newest checkpoint of the folder, if there is one; otherwise begin anew.
            known: The untrained discriminator's dev scores, where the leading process has them; None measures them.

        Raises:
            TrainingInterruptedError: On SIGINT or SIGTERM, after a checkpoint.
            CheckpointError: If the checkpoint to go on from is damaged or belongs to another run.
        """
        checkpoints = self.folder / "checkpoints"
        found = find_checkpoint(checkpoints) if resume else None
        if found is not None:
            self._restore(found)
        else:
            if self.world.leads:
                clear_checkpoints(checkpoints)
            self._evaluate_epoch({}, known)
        began = time.monotonic()
        if self.world.leads:
            self.log = MetricsLog(self.folder, self.step, self.plan.tensorboard)
        self.game.discriminator.train()
        if self.tuner and self.step < self.schedule.total and (renewed := self.tuner.renew_as_before(self.world)):
            self.game.renew_inputs(*renewed)
        if self.step % self.plan.refresh_every:  # otherwise the first step renews it
            self._load_table()
        try:
            self._loop(checkpoints)
        finally:
            if self.log is not None:
                self.log.close()
        self._save(checkpoints)
        self.game.discriminator.load_state_dict(self.best_state)
        if self.tuner:
            self.tuner.load_best()
        return TrainingResult(self.best, self.best_step, self.step, time.monotonic() - began, self.stopped_early, self.first_step_at)

    def _loop(self, checkpoints: Path) -> None:
        """Do the steps that are left."""
        total = self.schedule.total
        with collect_signals() as asked, progress_bar("training", total, unit="steps", done=self.step, show=self.show_progress) as bar:
            while self.step < total and not self.stopped_early:
                self.stopped_early = self._one_step(bar)
                if self.world.agree(bool(asked), self._device):
                    self._save(checkpoints)
                    raise TrainingInterruptedError(f"stopped at step {self.step} of {total}; run the same command again to go on")
                if self.step % self.plan.checkpoint_every == 0:
                    self._save(checkpoints)

    @property
    def _device(self) -> torch.device:
        return self.game.data.gold_rows.device

    def _one_step(self, bar: Bar) -> bool:
        """Do one step and what falls due after it; return whether patience ran out."""
        began, used = time.monotonic(), time.process_time()
        stand = self.schedule.at(self.step)
        rows = batch_rows(self.schedule, self.step, self.plan.seed).to(self._device)
        rng = rng_for(self.plan.seed, 1, self.step)
        self._rebuild()
        self._refresh_table()
        span = self.plan.temperature_end - self.plan.temperature_start
        self.game.policy.temperature = self.plan.temperature_start + span * self.schedule.adversarial_share(self.step)
        if stand.phase == "pretrain_generator":
            self._teach_generator(rows, rng)
        else:
            sampler = self.plan.sampler if stand.phase == "adversarial" else self.plan.pretrain_sampler
            self._learn_discriminator(rows, sampler, rng)
            if sampler in LEARNED and (self.step + 1) % self.plan.discriminator_steps == 0:
                self._teach_generator(rows, rng)
        self.step += 1
        self.first_step_at = self.first_step_at or time.monotonic()
        self._note("seconds", time.monotonic() - began)
        self._note("processor_seconds", time.process_time() - used)
        bar.advance()
        bar.describe(f"{stand.phase.replace('_', ' ')} epoch {stand.epoch + 1}, {self.dev} H@1 {self.best.h_at_1:.3f}")
        row: dict[str, object] = {"phase": stand.phase, "epoch": stand.epoch}
        if stand.last and stand.phase != "pretrain_generator" and self._evaluates_after(stand.epoch):
            stopped = self._evaluate_epoch(row) and stand.phase == "adversarial"
        else:
            stopped = False
        if stand.last or self.step % self.plan.log_every == 0:
            self._write_row(row)
        return stopped

    def _evaluates_after(self, epoch: int) -> bool:
        """Whether dev is due at the end of an epoch of a phase; it always is after the discriminator's last step."""
        done = self.schedule.discriminator_step(self.step) == self.schedule.discriminator_total
        return done or (epoch + 1) % self.plan.evaluate_every == 0

    def _learn_discriminator(self, rows: Tensor, sampler: str, rng: torch.Generator) -> None:
        negatives = self.game.draw(rows, sampler, rng)
        with _seeded(rng_for(self.plan.seed, 2 + self.world.rank, self.step).initial_seed(), self._device):
            loss, log = self.game.discriminator_loss(rows, negatives)
        number = self.schedule.discriminator_step(self.step)
        factor = learning_rate_factor(number, self.schedule.discriminator_total, self.plan.warmup)
        self.optimiser.param_groups[0]["lr"] = self.plan.learning_rate * factor
        self._descend(self.optimiser, self.game.discriminator, loss)
        if self.tuner:
            self.tuner.descend(factor, self.world)
        if self.plan.weight_decay:
            share = self.plan.weight_decay * self.plan.learning_rate * factor
            with torch.no_grad():
                for name, parameter in self.game.discriminator.named_parameters():
                    parameter.lerp_(self.start[name], min(share, 1.0))
        self._note_all(log | self.game.describe_negatives(rows, negatives))

    def _teach_generator(self, rows: Tensor, rng: torch.Generator) -> None:
        for number in range(self.plan.generator_steps):
            self._learn_generator(rows, rng, number > 0)

    def _learn_generator(self, rows: Tensor, rng: torch.Generator, again: bool = False) -> None:
        loss, log = self.game.generator_loss(rows, rng, again)
        self._descend(self.generator_optimiser, self.game.generator, loss)
        self._note_all(log)

    def _descend(self, optimiser: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.world.sum_gradients(module.parameters())
        nn.utils.clip_grad_norm_(module.parameters(), self.plan.clip_norm)
        optimiser.step()

    def _rebuild(self) -> None:
        """Search pools and lists anew at the start of an epoch, where the plan wants it; the first pools are those of the data."""
        stand = self.schedule.at(self.step)
        if stand.position or stand.epoch % self.plan.rebuild_every:
            return
        if self.plan.pools == "refreshed" and self.step:
            self.game.rebuild_pools(self.plan.gold_part)
        if (self.plan.pretrain_sampler if stand.phase == "pretrain_discriminator" else self.plan.sampler) in NEEDS_NEAREST:
            self.game.rebuild_nearest(self.plan.neighbours)

    def _refresh_table(self) -> None:
        if self.step % self.plan.refresh_every == 0:
            self._renew_table()

    def _renew_table(self) -> None:
        if self._judges():
            self.table_state = _copy(self.game.discriminator)
            self.game.refresh_table()

    def _judges(self) -> bool:
        """Whether any phase needs the table of entity vectors."""
        needed = {self.plan.sampler, self.plan.pretrain_sampler} & NEEDS_SCORES
        return bool(needed) or self.schedule.pretrain_generator > 0

    def _load_table(self) -> None:
        """Rebuild the table as it stood at the checkpoint: from the weights of its last refresh, not from today's."""
        if not self._judges():
            return
        current = _copy(self.game.discriminator)
        self.game.discriminator.load_state_dict(self.table_state)
        self.game.refresh_table()
        self.game.discriminator.load_state_dict(current)

    def _evaluate_epoch(self, row: dict[str, object], known: DevScores | None = None) -> bool:
        """Score on dev, keep the best weights; return whether patience ran out."""
        if self.tuner and self.step:
            self.game.renew_inputs(*self.tuner.renew(self.world))
            self._renew_table()
        self.game.discriminator.eval()
        scores = (known or self.evaluate(self.game.discriminator)) if self.world.leads else DevScores(0.0, 0.0)
        self.game.discriminator.train()
        if self.world.size > 1:
            shared = self.world.sum(torch.tensor(list(scores), dtype=torch.float64, device=self._device))
            scores = DevScores(float(shared[0]), float(shared[1]))
        row |= {"dev_h_at_1": scores.h_at_1, "dev_mrr": scores.mrr}
        if scores.mrr > self.best.mrr:
            self.best, self.best_step, self.stale_epochs = scores, self.step, 0
            self.best_state = _copy(self.game.discriminator)
            if self.tuner:
                self.tuner.keep_best()
        else:
            self.stale_epochs += 1
        return self.stale_epochs >= self.plan.patience

    def _note(self, name: str, value: float) -> None:
        self.pending.setdefault(name, []).append(value)

    def _note_all(self, log: Mapping[str, Tensor]) -> None:
        values = self.world.sum(torch.stack([value.float() for value in log.values()]))
        for name, value in zip(log, values.tolist(), strict=True):
            self._note(name, value)

    def _write_row(self, row: dict[str, object]) -> None:
        seconds, used = self.pending.pop("seconds"), self.pending.pop("processor_seconds", [])
        means: dict[str, object] = {name: sum(values) / len(values) for name, values in self.pending.items()}
        self.pending = {}
        rate: dict[str, object] = {
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            "steps_per_s": len(seconds) / max(sum(seconds), 1e-9),
        }
        if len(used) == len(seconds):  # a checkpoint from before it was measured holds steps without it
            rate["processor_s"] = sum(used)
        if self.log is not None:
            self.log.write(self.step, row | means | rate)

    def _save(self, folder: Path) -> None:
        if self.world.leads:
            self._write(folder)
        # Were another process to leave first, torchrun would end this one in the midst of writing.
        self.world.wait()

    def _write(self, folder: Path) -> None:
        parts = {
            "discriminator": _copy(self.game.discriminator),
            "generator": _copy(self.game.generator),
            "optimiser": optimiser_tensors(self.optimiser),
            "generator_optimiser": optimiser_tensors(self.generator_optimiser),
            "best": self.best_state,
            "table": self.table_state,
            "start": self.start,
        }
        values: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "step": self.step,
            "best": list(self.best),
            "best_step": self.best_step,
            "stale_epochs": self.stale_epochs,
            "stopped_early": self.stopped_early,
            "learning_rate": self.optimiser.param_groups[0]["lr"],
            "running_reward": self.game.policy.running_reward,
            "pending": self.pending,
        }
        parts |= self.game.rebuilt() | (self.tuner.parts() if self.tuner else {})
        save_checkpoint(folder, self.step, parts, values, self.plan.keep_checkpoints)

    def _restore(self, path: Path) -> None:
        checkpoint = load_checkpoint(path, self.fingerprint)
        self.game.discriminator.load_state_dict(checkpoint.part("discriminator"))
        self.game.generator.load_state_dict(checkpoint.part("generator"))
        restore_optimiser(self.optimiser, checkpoint.part("optimiser"))
        restore_optimiser(self.generator_optimiser, checkpoint.part("generator_optimiser"))
        if self.tuner:
            self.tuner.restore(checkpoint)
        self.best_state = {name: tensor.to(self._device) for name, tensor in checkpoint.part("best").items()}
        self.table_state = {name: tensor.to(self._device) for name, tensor in checkpoint.part("table").items()}
        self.start = {name: tensor.to(self._device) for name, tensor in checkpoint.part("start").items()}
        values = checkpoint.values
        self.step, self.best_step, self.stale_epochs = values["step"], values["best_step"], values["stale_epochs"]
        self.best = DevScores(*values["best"])
        self.stopped_early = values["stopped_early"]
        self.optimiser.param_groups[0]["lr"] = values["learning_rate"]
        self.game.policy.running_reward = values["running_reward"]
        self.game.restore_rebuilt(checkpoint.part("pools"), checkpoint.part("nearest"))
        self.pending = values["pending"]


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global stream, the only one that dropout draws from, and put it back afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
