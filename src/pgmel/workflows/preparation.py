"""From features to the start line: projection, untrained discriminator, candidate pools; kept in the cache for the next run."""

import json
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from scipy import sparse

from pgmel.candidates import Pools, build_pools, duplicate_groups
from pgmel.features import Features, default_cache_dir
from pgmel.files import hash_bytes, hash_json, write_bytes
from pgmel.models import Discriminator, Embedder, Projection, fit_projection, start_discriminator
from pgmel.settings import Settings
from pgmel.workflows.material import Material, Split
from pgmel.workflows.neighbours import GoldNeighbours, prepare_neighbours

__all__ = ["Preparation", "channel_weights", "duplicates_of", "prepare", "start_embedder"]

log = logging.getLogger("pgmel.workflows")
FORMAT = 2


class Preparation(NamedTuple):
    """Where training starts: the fixed projection, and pools and neighbours for the rankable training mentions."""

    projection: Projection
    pools: Pools
    neighbours: GoldNeighbours | None = None


def channel_weights(settings: Settings) -> dict[str, float]:
    """Return each channel's weight in the zero-shot similarity."""
    features = settings.features
    return {
        "name": features.name_weight,
        "context": features.context_weight,
        "lexical": features.lexical_weight,
        "years": features.years_weight,
        "image": features.image_weight,
        "image_parts": features.parts_weight,
        "image_layout": features.layout_weight,
    }


def start_embedder(projection: Projection, settings: Settings, device: str = "cpu") -> Embedder:
    """Return the untrained model: with a warm start, the zero-shot baseline."""
    return Embedder(projection, _start(projection, settings), device)


def duplicates_of(material: Material) -> Int64[np.ndarray, "entities"]:
    """Number entities so that those with the same name and description share a number: each is a false negative for the others."""
    return duplicate_groups([f"{entity.name}\n{entity.description}" for entity in material.dataset.entities])


def prepare(material: Material, settings: Settings, device: str, show_progress: bool = True) -> Preparation:
    """Fit the projection on the KB and the training mentions, collect candidate pools, and list what the rules for negatives need.

    Nothing of dev or test is read. All takes half a minute on a KB of 20,000, so it is kept in the encoders' cache folder under a digest
    of all it depends on.
    """
    train = material.splits[settings.data.train_split]
    groups = duplicates_of(material)
    prepared = _prepare(material, train, groups, settings, device, show_progress)
    neighbours = prepare_neighbours(
        material.dataset.entities,
        train.gold_rows[train.rankable],
        groups,
        {settings.negatives.sampler, settings.pretrain_sampler},
        settings.negatives.neighbours,
        (settings.features.cache_dir or default_cache_dir()) / "neighbours",
        show_progress,
    )
    return prepared._replace(neighbours=neighbours)


def _prepare(material: Material, train: Split, groups: np.ndarray, settings: Settings, device: str, show_progress: bool) -> Preparation:
    key = _digest(material.entities, train, groups, settings)
    file = (settings.features.cache_dir or default_cache_dir()) / "prepared" / f"{key}.safetensors"
    stored = _read(file)
    if stored is not None:
        log.info("projection and candidate pools came from the cache")
        return stored
    projection = fit_projection(
        [material.entities, train.features],
        channel_weights(settings),
        dim_text=settings.model.text_input,
        dim_image=settings.model.image_input,
        lexical_rank=settings.features.lexical_rank,
        whitening=settings.model.whitening,
        seed=0,  # runs that differ in their seed alone share one preparation
    )
    embedder = start_embedder(
        projection, settings.model_copy(update={"model": settings.model.model_copy(update={"start": "warm"})}), device
    )
    usable = np.flatnonzero(train.rankable)
    mentions = embedder.embed_mentions(train.features.take(usable))
    entities = embedder.embed_entities(material.entities)
    gold = train.gold_rows[usable]
    pools = build_pools(
        mentions,
        # An entity's vector as if it were a mention, so that pads agree: neighbours of the gold entity look like it to a mention.
        embedder.embed_mentions(material.entities)[gold],
        entities,
        gold,
        settings.negatives.pool_size,
        groups,
        settings.negatives.gold_part,
        device,
        show_progress,
    )
    prepared = Preparation(projection, pools)
    try:
        _write(file, prepared)
    except OSError as error:
        log.warning("the preparation cannot be kept in %s (%s); the next run makes it anew", file.parent, error.strerror)
    return prepared


def _start(projection: Projection, settings: Settings) -> Discriminator:
    model = settings.model
    return start_discriminator(
        projection,
        dim=model.dim,
        image_dim=model.image_dim,
        fusion=model.fusion,
        hidden=model.hidden,
        activation=model.activation,
        dropout=model.dropout,
        start=model.start,
        seed=settings.seed,
    )


def _digest(entities: Features, train: Split, groups: np.ndarray, settings: Settings) -> str:
    model, negatives = settings.model, settings.negatives
    plain = [
        FORMAT,
        channel_weights(settings),
        [model.text_input, model.image_input, model.whitening, model.dim, model.image_dim, model.fusion, model.activation],
        [settings.features.lexical_rank, negatives.pool_size, negatives.gold_part],
    ]
    parts = [hash_json(plain).encode(), train.gold_rows.tobytes(), groups.tobytes()]
    for features in (entities, train.features):
        for name, channel in features.channels.items():
            arrays = (channel.indptr, channel.indices, channel.data) if isinstance(channel, sparse.csr_matrix) else (channel,)
            parts += [name.encode(), *(np.ascontiguousarray(array).tobytes() for array in arrays), features.present[name].tobytes()]
    return hash_bytes(*parts)


def _write(file: Path, prepared: Preparation) -> None:
    tensors = {f"projection.{name}": tensor for name, tensor in prepared.projection.tensors().items()}
    tensors |= {f"pools.{name}": torch.from_numpy(array) for name, array in prepared.pools._asdict().items()}
    values = {"text_share": prepared.projection.text_share, "variance_kept": prepared.projection.variance_kept}
    write_bytes(file, save(tensors, metadata={"values": json.dumps(values)}))


def _read(file: Path) -> Preparation | None:
    if not file.exists():
        return None
    try:
        with safe_open(file, framework="pt") as stored:
            values = json.loads((stored.metadata() or {})["values"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
        maps = {name.removeprefix("projection."): tensor for name, tensor in tensors.items() if name.startswith("projection.")}
        pools = Pools(*(tensors[f"pools.{name}"].numpy() for name in Pools._fields))
        return Preparation(Projection.from_tensors(maps, values["text_share"], values["variance_kept"]), pools)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        log.warning("the cached preparation %s is damaged (%s); it is made anew", file, error)
        return None
