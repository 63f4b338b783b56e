"""Time an epoch of the game under every rule for negatives, interleaved in one run, and say where the time goes.

Synthetic data by default, of the size of WikiMEL (18,000 mentions and entities, 768 text columns, pools of 64); real data with --data and
--config. Every rule plays an adversarial epoch; evaluation and checkpoints are not counted. A part's time is that of its calls, so the
parts of a step add up to a little less than the step.

Example: OMP_NUM_THREADS=4 python benchmarks/bench_game.py --rules uniform,hardest,generator
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer

from pgmel.models import Discriminator, DiscriminatorShape, Generator, Modalities
from pgmel.negatives import NEEDS_NEIGHBOURS, SAMPLERS
from pgmel.settings import Settings, read_settings
from pgmel.training import DevScores, MetricsLog, NeighbourLists, Schedule, Trainer, TrainingData, World
from pgmel.workflows.assembling import game_rules, make_trainer, training_plan
from pgmel.workflows.material import load_material, make_encoders, read_data
from pgmel.workflows.preparation import prepare, start_embedder
from pgmel.workflows.train import resolve_device, use_threads

REFRESHED = "refreshed"
"""Our generator with refreshed pools, beside the rules of the registry."""

NEVER = 10**9
QUIET = (
    "training.pretrain_epochs=0",
    "training.pretrain_generator_epochs=0",
    f"training.log_every={NEVER}",
    f"training.checkpoint_every={NEVER}",
    f"training.patience={NEVER}",
    "training.tensorboard=false",
)
PARTS = ("drawing", "discriminator", "generator", "table", "rebuilding")

Maker = Callable[[Settings, Path], Trainer]


class Run(NamedTuple):
    """One epoch: seconds per step in all, and by part."""

    step: float
    parts: dict[str, float]


def main(
    rules: Annotated[str, typer.Option(help="Rules, separated by commas; by default all.")] = ",".join([*SAMPLERS, REFRESHED]),
    repeats: Annotated[int, typer.Option(help="Epochs per rule; medians are shown.")] = 3,
    data: Annotated[Path | None, typer.Option(help="Folder of a data set; by default synthetic data.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override a setting.")] = None,
    mentions: Annotated[int, typer.Option(help="Synthetic mentions.")] = 18_000,
    entities: Annotated[int, typer.Option(help="Synthetic entities.")] = 18_000,
    width: Annotated[int, typer.Option(help="Columns of the synthetic text input.")] = 768,
    max_steps: Annotated[int | None, typer.Option(help="Cut epochs short, to try this out.")] = None,
    profile: Annotated[str | None, typer.Option(help="Also profile 20 steps of this rule, operator by operator.")] = None,
) -> None:
    """Run every rule once per round, in turn, and print medians, ratios and parts."""
    bound = [] if max_steps is None else [f"training.max_steps={max_steps}"]
    base = read_settings(config, [*(overrides or []), *QUIET, *bound])
    use_threads(base.training.threads)
    device = resolve_device(base.training.device)
    make = from_files(data, base, device) if data else synthetic(base, device, mentions, entities, width)
    names = rules.split(",")
    for name in names:
        run(make, base, name, cut=3)  # loads kernels and fills caches
    found: dict[str, list[Run]] = defaultdict(list)
    for number in range(repeats):
        for name in names:
            found[name].append(run(make, base, name))
            print(f"round {number + 1}: {name}: {1 / found[name][-1].step:.1f} steps/s", flush=True)
    print(f"{device}, {torch.get_num_threads()} threads, batches of {base.training.batch_size}, medians of {repeats}")
    show(found)
    if profile:
        profile_rule(make, base, profile)


def settings_for(base: Settings, name: str, cut: int | None) -> Settings:
    """Return the settings of a rule's run: one epoch, or two where pools are first rebuilt before the second."""
    refreshed = name == REFRESHED
    negatives = {"sampler": "generator" if refreshed else name, "pools": "refreshed" if refreshed else base.negatives.pools}
    training: dict[str, Any] = {"epochs": 2 if refreshed else 1}
    if cut is not None:
        training["max_steps"] = cut
    return base.model_copy(
        update={
            "negatives": base.negatives.model_copy(update=negatives),
            "training": base.training.model_copy(update=training),
        }
    )


def run(make: Maker, base: Settings, name: str, cut: int | None = None) -> Run:
    """Play an epoch with fresh players; return what its last epoch took."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make(settings_for(base, name, cut), Path(folder))
        trainer.evaluate = lambda _: DevScores(0.0, 0.0)
        clock = Stopwatch(trainer)
        trainer.run(resume=False, known=DevScores(0.0, 0.0))
        row = MetricsLog.read(Path(folder))[-1]
        steps = clock.steps
    seconds = {part: clock.seconds[part] / steps for part in PARTS}
    seconds["discriminator"] -= seconds["drawing"]  # drawing stands within the discriminator's step
    return Run(1 / float(row["steps_per_s"]), seconds)


class Stopwatch:
    """Adds up the time that the parts of a trainer's steps take, of the last epoch only."""

    def __init__(self, trainer: Trainer) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.steps = 0
        self.trainer = trainer
        game = trainer.game
        self._watch(game, "draw", "drawing")
        self._watch(trainer, "_learn_discriminator", "discriminator", counts=True)
        self._watch(trainer, "_learn_generator", "generator")
        self._watch(game, "refresh_table", "table")
        self._watch(game, "rebuild_pools", "rebuilding")
        self._watch(game, "rebuild_nearest", "rebuilding")

    def _watch(self, owner: object, method: str, part: str, counts: bool = False) -> None:
        call = getattr(owner, method)

        def timed(*given: Any) -> Any:
            synchronise()
            began = time.perf_counter()
            result = call(*given)
            synchronise()
            schedule, step = self.trainer.schedule, self.trainer.step
            if schedule.at(step).epoch == schedule.at(schedule.total - 1).epoch:
                self.seconds[part] += time.perf_counter() - began
                self.steps += counts
            return result

        setattr(owner, method, timed)


def synchronise() -> None:
    """Wait for an accelerator, whose calls return before their work is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def show(found: dict[str, list[Run]]) -> None:
    """Print a table of medians."""
    steps = {name: statistics.median(one.step for one in runs) for name, runs in found.items()}
    head = f"{'rule':12} {'steps/s':>8} {'ms/step':>8} {'min-max':>15} {'x uniform':>10} {'x hardest':>10}"
    print(head + "".join(f" {part:>13}" for part in PARTS) + "   (parts in ms per step)")
    for name, runs in found.items():
        each = [one.step for one in runs]
        ratios = [f"{steps[name] / steps[other]:10.2f}" if other in steps else " " * 10 for other in ("uniform", "hardest")]
        parts = "".join(f" {1000 * statistics.median(one.parts[part] for one in runs):13.2f}" for part in PARTS)
        spread = f"{1000 * min(each):.1f}-{1000 * max(each):.1f}"
        print(f"{name:12} {1 / steps[name]:8.1f} {1000 * steps[name]:8.1f} {spread:>15} {ratios[0]} {ratios[1]}{parts}")


def profile_rule(make: Maker, base: Settings, name: str) -> None:
    """Print the operators that 20 steps of a rule spend most time in."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make(settings_for(base, name, 20), Path(folder))
        trainer.evaluate = lambda _: DevScores(0.0, 0.0)
        with torch.profiler.profile() as profiler:
            trainer.run(resume=False, known=DevScores(0.0, 0.0))
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=15))


def from_files(folder: Path, base: Settings, device: torch.device) -> Maker:
    """Read and encode a data set once."""
    dataset = read_data(base, folder)
    material = load_material(dataset, make_encoders(base.features, str(device)), [base.data.train_split, base.data.dev_split])

    def make(settings: Settings, out: Path) -> Trainer:
        prepared = prepare(material, settings, str(device))
        discriminator = start_embedder(prepared.projection, settings, str(device)).discriminator
        return make_trainer(material, discriminator, prepared, settings, out, World(), show_progress=False)

    return make


def synthetic(base: Settings, device: torch.device, mentions: int, entities: int, width: int) -> Maker:
    """Draw text inputs, pools and lists at random: their content does not matter for the time."""
    rng = torch.Generator().manual_seed(0)
    pool, listed = base.negatives.pool_size, base.negatives.neighbours
    gold = torch.randint(entities, (mentions,), generator=rng)
    rows = torch.randint(entities, (mentions, pool), generator=rng)
    lists = torch.randint(entities, (entities, listed), generator=rng)
    data = TrainingData(
        text_only(mentions, width, rng),
        text_only(entities, width, rng),
        gold,
        rows,
        rows != gold.unsqueeze(1),
        torch.rand(mentions, pool, generator=rng),
        torch.arange(entities),
        torch.randint(entities, (mentions, 2), generator=rng),
        {rule: NeighbourLists(gold, lists, lists != torch.arange(entities).unsqueeze(1)) for rule in NEEDS_NEIGHBOURS},
    ).to(device)
    shape = DiscriminatorShape(
        dim_text=width,
        dim_image=0,
        dim=base.model.dim,
        image_dim=0,
        text_share=1.0,
        fusion=base.model.fusion,
        hidden=base.model.hidden,
        activation=base.model.activation,
        dropout=base.model.dropout,
    )

    def make(settings: Settings, out: Path) -> Trainer:
        generator = settings.generator
        return Trainer(
            Discriminator(shape).to(device),
            Generator(width, generator.dim, generator.prior_weight, generator.prior_temperature).to(device),
            data,
            rules=game_rules(settings, device),
            schedule=Schedule(mentions, settings.training.batch_size, 0, 0, settings.training.epochs, settings.training.max_steps),
            plan=training_plan(settings),
            evaluate=lambda _: DevScores(0.0, 0.0),
            folder=out,
            show_progress=False,
        )

    return make


def text_only(rows: int, width: int, rng: torch.Generator) -> Modalities:
    """Return random unit rows without pictures."""
    text = torch.nn.functional.normalize(torch.randn(rows, width, generator=rng), dim=1)
    return Modalities(text, torch.zeros(rows, 0), torch.ones(rows, dtype=torch.bool), torch.zeros(rows, dtype=torch.bool))


if __name__ == "__main__":
    typer.run(main)
