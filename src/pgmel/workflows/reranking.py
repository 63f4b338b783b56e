"""Fit the second stage in training, on mentions that the model behind their scores has not seen.

The trained model has seen the training mentions, so its scores there are too good to learn from, and dev is not for fitting. So an
auxiliary model is trained on three quarters of the training mentions (whole clusters of them), in fewer epochs and with the hardest
negatives instead of the generator, and the weights of the features are fitted on the fourth quarter. The table of words that go together
is counted over the three quarters for the fit, and over all training mentions for the bundle.

Candidates are those of linking: the nearest, and the few whose names are most like the surface. Names are hardly ever misspelt in training
data, so some of the held-out mentions come a second time, misspelt: they are fitted on too, and whether the second stage helps is judged
without them.
"""

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64

from pgmel.candidates import Pools
from pgmel.errors import CheckpointError
from pgmel.evaluation import assign_folds, rank_against_kb
from pgmel.features import Features
from pgmel.linking.reranking import (
    BY_NAME,
    DEPTH,
    FEATURES,
    LEAST_MENTIONS,
    EntityFacts,
    FittedReranking,
    MentionFacts,
    Reranker,
    WordAssociations,
    fit_reranking,
    pair_features,
)
from pgmel.models import Embedder
from pgmel.progress import progress_bar
from pgmel.records import Entity, Mention
from pgmel.settings import Settings
from pgmel.training import Trainer, World
from pgmel.workflows.assembling import make_trainer
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.material import Material, Split
from pgmel.workflows.misspelling import misspell
from pgmel.workflows.preparation import Preparation, start_embedder
from pgmel.workflows.second_stage import find_by_name

__all__ = ["FOLDER", "auxiliary_settings", "hold_out", "reads_text", "train_reranker"]

log = logging.getLogger("pgmel.workflows")

FOLDER: Final = "reranking"
"""Subfolder of a run that holds the auxiliary training's checkpoints and metrics."""

PARTS: Final = 4
"""One of so many parts of the training mentions is held out."""

MISSPELT: Final = 20
"""One of so many held-out mentions comes a second time, misspelt."""


def reads_text(settings: Settings) -> bool:
    """Return whether the model reads texts; a model of pictures alone gets no second stage, which would read them through the back door."""
    features = settings.features
    encoded = features.text_encoder != "none" and features.name_weight + features.context_weight > 0
    return encoded or features.lexical_weight > 0


def auxiliary_settings(settings: Settings) -> Settings:
    """Return the settings of the auxiliary training: a third of the epochs, the hardest negatives, the frozen text encoder."""
    training, negatives, features, data = settings.training, settings.negatives, settings.features, settings.data
    return settings.model_copy(
        update={
            "data": data.model_copy(update={"dev_split": f"{data.train_split}, held out"}),  # a name that is not that of the other part
            "features": features.model_copy(update={"train_encoder": "none"}),
            "negatives": negatives.model_copy(update={"sampler": "hardest"}),
            "training": training.model_copy(
                update={
                    "epochs": math.ceil(training.epochs / 3),
                    "pretrain_sampler": settings.pretrain_sampler,
                    "keep_checkpoints": 1,
                    "tensorboard": False,
                }
            ),
        }
    )


def hold_out(split: Split, usable: Int64[np.ndarray, "usable"], seed: int) -> Bool[np.ndarray, "usable"] | None:
    """Draw the training mentions that are held out, whole clusters at a time; None where there are too few to fit on."""
    held = assign_folds(clusters_of(split, usable), PARTS, np.random.default_rng([seed, 2])) == 0
    return held if held.sum() >= LEAST_MENTIONS and (~held).sum() >= LEAST_MENTIONS else None


def train_reranker(
    material: Material,
    prepared: Preparation,
    settings: Settings,
    out: Path,
    device: torch.device,
    resume: bool = True,
    show_progress: bool = True,
) -> Reranker | None:
    """Train the auxiliary model and fit the second stage; None where there is too little to fit on, or where it does not help.

    Whether it helps is judged by cross-fitting on the held-out training mentions; nothing of dev is read.

    Args:
        material: The data, with the frozen text encoder's features.
        prepared: Where the training of the model itself started.
        settings: Of the run.
        out: Folder of the run.
        device: Where the auxiliary model is trained.
        resume: Go on from a checkpoint of an earlier call, if there is one.
        show_progress: Whether to show bars.

    Raises:
        TrainingInterruptedError: On a signal, after a checkpoint.
    """
    train = material.splits[settings.data.train_split]
    usable = np.flatnonzero(train.rankable)
    held = hold_out(train, usable, settings.seed)
    if held is None:
        log.info("no second stage: there are too few training mentions to hold some out, or all but few share a sentence or a picture")
        return None
    auxiliary = auxiliary_settings(settings)
    held_out = auxiliary.data.dev_split
    splits = {settings.data.train_split: _take(train, usable[~held]), held_out: _take(train, usable[held])}
    part = replace(material, splits=splits)
    embedder = _train(part, _without(prepared, held), auxiliary, out / FOLDER, device, resume, show_progress)
    seen = _associate(splits[settings.data.train_split], material.dataset.entities)
    by_name = 0 if settings.linking.candidates == "dense" else BY_NAME
    fitted = _fit(embedder, splits[held_out], material, seen, by_name, settings.seed, show_progress)
    gain = fitted.gain
    if fitted.weights is None or gain is None or not fitted.helps:
        reason = f"MRR {gain.mean_a:.4f} -> {gain.mean_b:.4f}" if gain else f"there are only {fitted.num_mentions}"
        log.info("no second stage: it does not help on held-out training mentions (%s)", reason)
        return None
    said = (gain.mean_a, gain.mean_b, gain.p_value)
    log.info("second stage: MRR of the first candidates on held-out training mentions %.4f -> %.4f, p = %.2g", *said)
    about = {
        "held_out_mentions": fitted.num_mentions,
        "held_out_mrr": {"single_vector": gain.mean_a, "re_ranked": gain.mean_b, "p_value": gain.p_value},
        "misspelt_copies": fitted.num_made_up,
    }
    return Reranker(fitted.weights, DEPTH, about, _associate(_take(train, usable), material.dataset.entities), by_name)


def _train(
    part: Material, prepared: Preparation, settings: Settings, folder: Path, device: torch.device, resume: bool, show_progress: bool
) -> Embedder:
    embedder = start_embedder(prepared.projection, settings, str(device))

    def make() -> Trainer:
        return make_trainer(part, embedder.discriminator, prepared, settings, folder, World(), show_progress)

    try:
        make().run(resume=resume)
    except CheckpointError as error:  # of another state of the code or the settings; it is cheap, and nobody looks into it
        log.info("the second stage's training begins anew: %s", error)
        shutil.rmtree(folder, ignore_errors=True)
        embedder = start_embedder(prepared.projection, settings, str(device))
        make().run(resume=False)
    return embedder


def _take(split: Split, rows: Int64[np.ndarray, "rows"]) -> Split:
    mentions = tuple(split.mentions[row] for row in rows)
    return Split(mentions, split.features.take(rows), split.gold_rows[rows], split.is_nil[rows])


def _without(prepared: Preparation, held: Bool[np.ndarray, "usable"]) -> Preparation:
    """Leave out the pools and neighbours of the held-out mentions; the projection, which was fitted without labels, stays."""
    neighbours = prepared.neighbours
    if neighbours is not None:
        neighbours = neighbours._replace(of_mention=neighbours.of_mention[~held])
    return Preparation(prepared.projection, Pools(*(part[~held] for part in prepared.pools)), neighbours)


def _associate(split: Split, entities: Sequence[Entity]) -> WordAssociations:
    """Count which words go together in mentions and in the descriptions of their gold entities."""
    facts = {row: EntityFacts.of(entities[row]) for row in np.unique(split.gold_rows).tolist()}
    return WordAssociations.learn(
        (MentionFacts.of(mention), facts[row]) for mention, row in zip(split.mentions, split.gold_rows.tolist(), strict=True)
    )


def _fit(
    embedder: Embedder, split: Split, material: Material, associations: WordAssociations, by_name: int, seed: int, show_progress: bool
) -> FittedReranking:
    """Rank the held-out mentions with the auxiliary model, and fit the weights of the features on the best candidates."""
    slips = _misspell_some(split, material, np.random.default_rng([seed, 4]))
    mentions, gold = split.mentions + slips.mentions, np.concatenate([split.gold_rows, slips.gold_rows])
    vectors = np.concatenate([embedder.embed_mentions(part.features) for part in (split, slips) if part.mentions])
    entities = embedder.embed_entities(material.entities)
    top = rank_against_kb(vectors, entities, gold, top_k=DEPTH).top
    if top is None:  # asked for, so it is there
        raise RuntimeError("ranking gave no candidates")
    table = find_by_name(mentions, material.dataset.entities, by_name).add_to(top, vectors, entities)
    features = _features(mentions, table.rows, material.dataset.entities, associations, show_progress)
    hit = table.rows == gold[:, None]
    position = np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
    clusters = clusters_of(split, np.arange(len(split.mentions)))
    groups = clusters + [clusters[row] for row in slips.rows]
    is_made_up = np.arange(len(mentions)) >= len(split.mentions)
    return fit_reranking(table.dense, features, position, groups, np.random.default_rng([seed, 3]), is_made_up)


class _Slips(NamedTuple):
    """Misspelt copies of mentions, and the places of those that they are copies of."""

    mentions: tuple[Mention, ...]
    features: Features
    gold_rows: Int64[np.ndarray, "mentions"]
    rows: Int64[np.ndarray, "mentions"]


def _misspell_some(split: Split, material: Material, rng: np.random.Generator) -> _Slips:
    """Misspell one of ``MISSPELT`` mentions, and encode the copies."""
    chosen = np.sort(rng.permutation(len(split.mentions))[: len(split.mentions) // MISSPELT])
    made = {row: copy for row in chosen.tolist() if (copy := misspell(split.mentions[row], rng)) is not None}
    rows, mentions = np.array(list(made), np.int64), tuple(made.values())
    return _Slips(mentions, material.encoders.encode_mentions(mentions, show_progress=False), split.gold_rows[rows], rows)


def _features(
    mentions: Sequence[Mention],
    rows: Int64[np.ndarray, "mentions top"],
    entities: Sequence[Entity],
    associations: WordAssociations,
    show_progress: bool,
) -> Float32[np.ndarray, "mentions top features"]:
    facts = {row: EntityFacts.of(entities[row]) for row in np.unique(rows[rows >= 0]).tolist()}
    found = np.zeros((*rows.shape, len(FEATURES)), np.float32)
    with progress_bar("second stage", len(mentions), unit="mentions", show=show_progress) as bar:
        for place, (mention, listed) in enumerate(zip(mentions, rows.tolist(), strict=True)):
            known = [facts[row] for row in listed if row >= 0]
            found[place, : len(known)] = pair_features(MentionFacts.of(mention), known, associations)
            bar.advance()
    return found
