"""Put a training run together: players, data, rules, schedule, and who scores them on dev."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pgmel.evaluation import rank_against_kb
from pgmel.models import Discriminator, Embedder, Generator
from pgmel.negatives import LEARNED
from pgmel.settings import Settings
from pgmel.training import DevScores, GameRules, NeighbourLists, Schedule, Trainer, TrainingData, TrainingPlan, World
from pgmel.workflows.finetuning import Finetuning, start_finetuning
from pgmel.workflows.material import Material
from pgmel.workflows.measuring import Measurement
from pgmel.workflows.preparation import Preparation, duplicates_of

__all__ = ["game_rules", "known_scores", "make_trainer", "training_plan"]


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
        dev=settings.data.dev_split,
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
        pretrain_sampler=settings.pretrain_sampler,
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
