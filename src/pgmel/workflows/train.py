"""The main job: data in, trained and evaluated bundle out."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from pgmel.errors import SettingError
from pgmel.evaluation import EvaluationResult, rank_against_kb
from pgmel.files import write_json
from pgmel.index import EntityIndex
from pgmel.linking import Decision, write_bundle
from pgmel.models import Discriminator, Embedder, Generator
from pgmel.negatives import LEARNED
from pgmel.settings import Settings
from pgmel.training import (
    DevScores,
    GameRules,
    NeighbourLists,
    Schedule,
    Trainer,
    TrainingData,
    TrainingPlan,
    TrainingResult,
    World,
    world,
)
from pgmel.training.checkpoint import find_checkpoint
from pgmel.workflows.finetuning import ENCODER, Finetuning, keep_tuned, start_finetuning
from pgmel.workflows.material import Material, load_material, make_encoders, read_data
from pgmel.workflows.measuring import Measurement, describe_data, embed, fit_nil, measure_split
from pgmel.workflows.preparation import Preparation, duplicates_of, prepare, start_embedder

__all__ = ["TrainingRun", "known_scores", "make_trainer", "resolve_device", "train", "use_threads"]

log = logging.getLogger("pgmel.workflows")


class TrainingRun(NamedTuple):
    """What a training run gave; a process that does not lead gets no measurements.

    Attributes:
        bundle: Folder of the bundle.
        material: The data, encoded; where the text encoder learned, dev and KB alone, encoded by the tuned one.
        embedder: The trained model.
        zero_shot: Figures of the untrained model on dev.
        trained: Figures of the trained model on dev.
        decision: NIL threshold and calibration.
        result: How training ended.
        waited_s: Seconds from the call to the first step.
    """

    bundle: Path
    material: Material
    embedder: Embedder
    zero_shot: Measurement | None
    trained: Measurement | None
    decision: Decision | None
    result: TrainingResult
    waited_s: float


def resolve_device(name: str) -> torch.device:
    """Return the device that a setting names.

    Raises:
        SettingError: If it is unknown or not there.
    """
    if name in {"auto", "cuda"} and torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))  # one accelerator for each local process
        torch.cuda.set_device(device)
        return device
    if name == "auto":
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"training.device = {name!r} cannot be used: {str(error).splitlines()[0]}; use auto or cpu") from None
    return device


def use_threads(threads: int | None) -> None:
    """Set the number of threads for arithmetic; by default the cores, 4 at most, shared among local processes."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    count = threads or max(1, min(4, os.cpu_count() or 1) // processes)
    torch.set_num_threads(count)
    threadpool_limits(count)  # numpy's and scikit-learn's own pools


def train(settings: Settings, out: Path, data: Path | None = None, *, restart: bool = False, show_progress: bool = True) -> TrainingRun:
    """Train, evaluate on dev, index, and write a bundle into ``out / "bundle"``.

    The run's folder also gets ``settings.json``, ``metrics.csv``, ``results.json``, ``checkpoints/`` and TensorBoard files. Run again with
    the same settings and data it goes on from the newest checkpoint. A text encoder that learned is written to ``out / "encoder"`` too.

    Args:
        settings: All settings.
        out: Folder of the run.
        data: The data set; by default the one that the settings name.
        restart: Begin anew even if there are checkpoints.
        show_progress: Whether to show bars.

    Raises:
        PgmelError: If anything is wrong with settings, data, encoders or checkpoints, or on a signal, after a checkpoint.
    """
    began = time.monotonic()
    _check_folder(out)
    device = resolve_device(settings.training.device)
    use_threads(settings.training.threads)
    with world(device) as here:
        material = here.first(lambda: _load(settings, data, device, show_progress and here.leads))
        prepared = here.first(lambda: prepare(material, settings, str(device), show_progress and here.leads))
        embedder = start_embedder(prepared.projection, settings, str(device))
        dev = settings.data.dev_split
        zero_shot = measure_split(embed(embedder, material, dev), material, dev, settings, "zero-shot") if here.leads else None
        trainer = make_trainer(material, embedder.discriminator, prepared, settings, out, here, show_progress)
        # A run that goes on may be refused as another one; the settings that the folder's checkpoints belong to must then stay.
        if here.leads and (restart or find_checkpoint(out / "checkpoints") is None):
            _write_settings(out, settings, data)
        result = trainer.run(resume=not restart, known=known_scores(zero_shot))
        waited = (result.first_step_at or time.monotonic()) - began
        log.info("the first step was done %.1f s after the start", waited)
        if not here.leads:
            return TrainingRun(out / "bundle", material, embedder, None, None, None, result, waited)
    if trainer.tuner:
        material = keep_tuned(trainer.tuner, material, settings, out / ENCODER, device, show_progress)
    vectors = embed(embedder, material, dev)
    decision = fit_nil(vectors, material.splits[dev], settings.linking.top_k, settings.seed)
    trained = measure_split(vectors, material, dev, settings, "trained", decision=decision)
    _write_settings(out, settings, data)
    results = {name: part.result.to_dict() for name, part in (("zero_shot", zero_shot), ("trained", trained)) if part is not None}
    write_json(out / "results.json", results)
    _write_bundle(out / "bundle", material, embedder, vectors.entities, settings, trained.result, zero_shot, decision)
    return TrainingRun(out / "bundle", material, embedder, zero_shot, trained, decision, result, waited)


def _check_folder(out: Path) -> None:
    """Find out before the work, not after it, that the results cannot be written."""
    nearest = next((folder for folder in (out, *out.parents) if folder.exists()), out)
    if nearest.exists() and not nearest.is_dir():
        raise SettingError(f"the run's folder cannot be {out}: {nearest} is a file; name another folder with --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise SettingError(f"the run's folder cannot be {out}: nothing may be written in {nearest}; name another folder with --out")


def _write_settings(out: Path, settings: Settings, data: Path | None) -> None:
    """Write down every setting, and where the data really were: who looks at the run later has to find them."""
    values = settings.model_dump(mode="json")
    path = data if data is not None else settings.data.path
    values["data"]["path"] = None if path is None else str(path.absolute())
    write_json(out / "settings.json", values)


def _load(settings: Settings, data: Path | None, device: torch.device, show_progress: bool) -> Material:
    dataset = read_data(settings, data)
    encoders = make_encoders(settings.features, str(device))
    return load_material(dataset, encoders, [settings.data.train_split, settings.data.dev_split], show_progress)


def known_scores(zero_shot: Measurement | None) -> DevScores | None:
    """Return the untrained model's scores as early stopping counts them, where they were measured already."""
    if zero_shot is None or zero_shot.result.protocol != "kb":
        return None
    ranks = zero_shot.ranks.realistic
    return DevScores(float(np.mean(ranks <= 1)), float(np.mean(1 / ranks)))


def make_trainer(
    material: Material, discriminator: Discriminator, prepared: Any, settings: Settings, out: Path, here: World, show_progress: bool
) -> Trainer:
    """Put a training run together, from the start line to the folder of its checkpoints and metrics; nothing is trained yet."""
    device = next(discriminator.parameters()).device
    train = material.splits[settings.data.train_split]
    usable = np.flatnonzero(train.rankable)
    pools = prepared.pools
    finetuning = None
    if settings.features.train_encoder != "none":
        finetuning = start_finetuning(material, prepared.projection, settings, device, show_progress and here.leads)
    data = TrainingData(
        prepared.projection(train.features.take(usable)),
        prepared.projection(material.entities),
        torch.from_numpy(train.gold_rows[usable]),
        torch.from_numpy(pools.rows),
        torch.from_numpy(pools.mask),
        torch.from_numpy(pools.scores),
        torch.from_numpy(duplicates_of(material)),
        *_neighbours(prepared),
    ).to(device)
    return Trainer(
        discriminator,
        _make_generator(data, settings).to(device),
        data,
        rules=game_rules(settings, device),
        schedule=_make_schedule(settings, len(usable)),
        plan=training_plan(settings),
        evaluate=_dev_scorer(material, prepared, settings, device, finetuning),
        folder=out,
        world=here,
        show_progress=show_progress,
        tuner=finetuning.tuner if finetuning else None,
    )


def _neighbours(prepared: Preparation) -> tuple[torch.Tensor | None, dict[str, NeighbourLists]]:
    """Return each training mention's likely false negatives and, by rule, the neighbours of the gold entities."""
    found = prepared.neighbours
    if found is None:
        return None, {}
    of_mention = torch.from_numpy(found.of_mention)
    lists = {rule: NeighbourLists(of_mention, *(torch.from_numpy(part) for part in listed)) for rule, listed in found.lists.items()}
    return torch.from_numpy(found.near_duplicates)[of_mention], lists


def _make_generator(data: TrainingData, settings: Settings) -> Generator:
    width = data.entities.text.shape[1] + data.entities.image.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed + 1)
        generator = settings.generator
        return Generator(width, generator.dim, generator.prior_weight, generator.prior_temperature)


def game_rules(settings: Settings, device: torch.device) -> GameRules:
    """Pick the game's plain values out of the settings."""
    precision = settings.training.precision
    return GameRules(
        num_negatives=settings.negatives.num,
        temperature=settings.negatives.temperature,
        margin=settings.training.margin,
        objective=settings.training.objective,
        infonce_weight=settings.training.infonce_weight,
        infonce_temperature=settings.training.infonce_temperature,
        prior=settings.generator.prior,
        reward=settings.generator.reward,
        reward_temperature=settings.generator.reward_temperature,
        baseline=settings.generator.baseline,
        draws=settings.generator.draws,
        entropy_weight=settings.generator.entropy_weight,
        estimator=settings.generator.estimator,
        clip_range=settings.generator.clip_range,
        false_negative_penalty=settings.generator.false_negative_penalty,
        bfloat16=precision == "bfloat16" or (precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()),
    )


def training_plan(settings: Settings) -> TrainingPlan:
    """Pick the loop's plain values out of the settings."""
    training = settings.training
    return TrainingPlan(
        sampler=settings.negatives.sampler,
        pretrain_sampler=training.pretrain_sampler,
        refresh_every=settings.negatives.refresh_every,
        learning_rate=training.learning_rate,
        generator_learning_rate=settings.generator.learning_rate,
        generator_steps=settings.generator.steps,
        discriminator_steps=settings.generator.discriminator_steps,
        weight_decay=training.weight_decay,
        warmup=training.warmup,
        clip_norm=training.clip_norm,
        patience=training.patience,
        checkpoint_every=training.checkpoint_every,
        keep_checkpoints=training.keep_checkpoints,
        log_every=training.log_every,
        tensorboard=training.tensorboard,
        seed=settings.seed,
        evaluate_every=training.evaluate_every,
        pools=settings.negatives.pools,
        rebuild_every=settings.negatives.rebuild_every,
        gold_part=settings.negatives.gold_part,
        neighbours=settings.negatives.neighbours,
        temperature_start=settings.generator.temperature_start,
        temperature_end=settings.generator.temperature_end,
    )


def _make_schedule(settings: Settings, num_mentions: int) -> Schedule:
    training = settings.training
    return Schedule(
        num_mentions=num_mentions,
        batch_size=min(training.batch_size, num_mentions),
        pretrain_discriminator=training.pretrain_epochs,
        pretrain_generator=training.pretrain_generator_epochs if settings.negatives.sampler in LEARNED else 0,
        adversarial=training.epochs,
        max_steps=training.max_steps,
    )


def _dev_scorer(
    material: Material, prepared: Any, settings: Settings, device: torch.device, finetuning: Finetuning | None
) -> Callable[[Discriminator], DevScores]:
    """Return what early stopping asks: H@1 and MRR on dev, whole KB, realistic ties."""
    dev = material.splits[settings.data.dev_split]
    usable = np.flatnonzero(dev.rankable)
    gold = dev.gold_rows[usable]

    def score(discriminator: Discriminator) -> DevScores:
        embedder = Embedder(prepared.projection, discriminator, str(device))
        mentions, entities = dev.features, material.entities
        if finetuning is not None:
            mentions, entities = finetuning.renewed(mentions, entities)
        ranks = rank_against_kb(embedder.embed_mentions(mentions.take(usable)), embedder.embed_entities(entities), gold).realistic
        return DevScores(float(np.mean(ranks <= 1)), float(np.mean(1 / ranks)))

    return score


def _write_bundle(
    folder: Path,
    material: Material,
    embedder: Embedder,
    vectors: np.ndarray,
    settings: Settings,
    trained: EvaluationResult,
    zero_shot: Measurement | None,
    decision: Decision,
) -> None:
    kind = settings.index
    index = EntityIndex.build(vectors, kind.kind, kind.exact_limit, kind.nprobe, kind.refine, np.random.default_rng(settings.seed))
    scores = {"trained": trained.to_dict()} | ({"zero_shot": zero_shot.result.to_dict()} if zero_shot else {})
    card = {
        "data": describe_data(material),
        "settings": settings.model_dump(mode="json"),
        "scores": scores,
        "encoders": material.encoders.describe(),
        "decision": decision,
    }
    encoder = folder.parent / ENCODER if settings.features.train_encoder != "none" else None
    write_bundle(folder, material.dataset.entities, embedder, index, card, image_root=material.dataset.root, encoder=encoder)
