"""Fine-tuning of the text encoder: what learns, on which texts, and the tuned encoder as a folder."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pgmel.features import Features
from pgmel.features.live_text import LiveText, TextNumbers
from pgmel.features.texts import ENTITY_TEXTS, MENTION_TEXTS
from pgmel.files import atomic_folder
from pgmel.models import Projection, let_learn, merge_adapters
from pgmel.settings import Settings
from pgmel.training import EncoderTuner, LiveInputs, LiveSide, TunerPlan
from pgmel.workflows.material import Material, make_encoders

__all__ = ["ENCODER", "Finetuning", "keep_tuned", "start_finetuning"]

log = logging.getLogger("pgmel.workflows")

ENCODER: Final = "encoder"
"""Folder of the tuned encoder in the folder of a run."""


RATES: Final = {"lora": 2e-4, "full": 5e-5}
LAST_RATE: Final = 1e-4
"""Step lengths where ``features.encoder_learning_rate`` gives none. That of ``last-N`` was tried on WikiMEL, the others are customary."""


class Finetuning(NamedTuple):
    """A text encoder about to learn, and which texts the rows of dev and KB consist of.

    Attributes:
        tuner: Lets it learn.
        dev: Channel to number of each dev mention's text.
        entities: Channel to number of each entity's text.
    """

    tuner: EncoderTuner
    dev: Mapping[str, np.ndarray]
    entities: Mapping[str, np.ndarray]

    def renewed(self, dev: Features, entities: Features) -> tuple[Features, Features]:
        """Return features of dev and KB with the texts' vectors of the encoder's last renewal; unchanged where there was none."""
        table = self.tuner.table
        if table is None:
            return dev, entities
        return _with_texts(dev, self.dev, table), _with_texts(entities, self.entities, table)


def start_finetuning(
    material: Material, projection: Projection, settings: Settings, device: torch.device, show_progress: bool
) -> Finetuning:
    """Open the text encoder for training, and cut all texts of the KB and of the train and dev mentions to tokens.

    Raises:
        SettingError: If the text encoder cannot be trained as the settings ask.
        EncoderError: If it cannot be loaded.
    """
    features = settings.features
    network = material.encoders.open_text_network()
    parameters = let_learn(
        network.transformer,
        network.dense,
        features.train_encoder,
        rank=features.lora_rank,
        alpha=features.lora_alpha,
        seed=settings.seed,
    )
    count = sum(parameter.numel() for parameter in parameters.values())
    log.info("text encoder: %s weights in %d tensors learn (%s)", f"{count:,}", len(parameters), features.train_encoder)
    train, dev = material.splits[settings.data.train_split], material.splits[settings.data.dev_split]
    usable = np.flatnonzero(train.rankable)
    numbers = TextNumbers()
    maps = {name: torch.from_numpy(matrix).to(device) for name, matrix in projection.text_maps.items() if name in MENTION_TEXTS}
    entity_texts = {name: numbers.add(map(ENTITY_TEXTS[name], material.dataset.entities)) for name in maps}
    train_texts = {name: numbers.add(MENTION_TEXTS[name](train.mentions[row]) for row in usable) for name in maps}
    dev_texts = {name: numbers.add(map(MENTION_TEXTS[name], dev.mentions)) for name in maps}
    dim = len(next(iter(maps.values())))
    live = LiveText(network, numbers.texts, dim, features.batch_size, show_progress)
    fixed = projection.without(maps)
    inputs = LiveInputs(
        live,
        maps,
        LiveSide(fixed(train.features.take(usable)).to(device), _on(train_texts, device)),
        LiveSide(fixed(material.entities).to(device), _on(entity_texts, device)),
    )
    plan = TunerPlan(
        mode=features.train_encoder,
        rank=features.lora_rank,
        alpha=features.lora_alpha,
        learning_rate=features.encoder_learning_rate or RATES.get(features.train_encoder, LAST_RATE),
        weight_decay=settings.training.weight_decay,
        clip_norm=settings.training.clip_norm,
    )
    identity = material.encoders.describe()["text"]["identity"]
    return Finetuning(EncoderTuner(inputs, parameters, plan, identity, show_progress), dev_texts, entity_texts)


def keep_tuned(
    tuner: EncoderTuner, material: Material, settings: Settings, folder: Path, device: torch.device, show_progress: bool
) -> Material:
    """Write the tuned encoder, adapters merged, and encode dev and KB with what was written.

    Args:
        tuner: Holds the best weights; it is of no use afterwards.
        material: As the frozen encoder saw it.
        settings: Of the run.
        folder: Where the encoder goes; any transformers or sentence-transformers folder looks like it.
        device: Where it runs.
        show_progress: Whether to show bars.
    """
    network = tuner.inputs.text.network
    merge_adapters(network)
    with atomic_folder(folder) as part:
        network.save(part)
    log.info("text encoder: the tuned one is in %s; dev and KB are encoded with it", folder)
    tuned = settings.features.model_copy(update={"text_encoder": str(folder.absolute())})
    encoders = make_encoders(tuned, str(device))
    dev = material.splits[settings.data.dev_split]
    entities = encoders.encode_entities(material.dataset.entities, show_progress)
    dev = replace(dev, features=encoders.encode_mentions(dev.mentions, show_progress))
    return Material(material.dataset, encoders, entities, {settings.data.dev_split: dev})


def _on(texts: Mapping[str, np.ndarray], device: torch.device) -> dict[str, Tensor]:
    return {name: torch.from_numpy(numbers).to(device) for name, numbers in texts.items()}


def _with_texts(features: Features, texts: Mapping[str, np.ndarray], table: Tensor) -> Features:
    vectors = table.cpu().numpy()
    fresh = {name: vectors[numbers] * (numbers >= 0)[:, None] for name, numbers in texts.items()}
    return replace(features, channels={**features.channels, **fresh})
