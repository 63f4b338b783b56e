"""Lists of neighbours and near duplicates of the gold entities, kept in the cache for the next run."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch
from jaxtyping import Int64
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pgmel.candidates import NEIGHBOUR_RULES, Neighbours, build_neighbours, find_near_duplicates
from pgmel.files import hash_bytes, write_bytes
from pgmel.records import Entity

__all__ = ["GoldNeighbours", "prepare_neighbours"]

log = logging.getLogger("pgmel.workflows")
FORMAT = 1


class GoldNeighbours(NamedTuple):
    """What the records say of the gold entities of the training mentions.

    Attributes:
        of_mention: Number of each mention's gold entity among the distinct ones.
        near_duplicates: (gold entities, width) KB rows of their near duplicates, -1 for none.
        lists: Rule to their neighbours, for the rules that were asked for.
    """

    of_mention: Int64[np.ndarray, "mentions"]
    near_duplicates: Int64[np.ndarray, "gold width"]
    lists: Mapping[str, Neighbours]


def prepare_neighbours(
    entities: tuple[Entity, ...],
    gold_rows: Int64[np.ndarray, "mentions"],
    groups: Int64[np.ndarray, "entities"],
    rules: Iterable[str],
    size: int,
    folder: Path,
    show_progress: bool = True,
) -> GoldNeighbours:
    """Compare every distinct gold entity with the KB, once for each rule, or take the result of an earlier run.

    Args:
        entities: The KB.
        gold_rows: KB row of each training mention's gold entity.
        groups: Number of each entity's duplicate group.
        rules: Names of rules; those that need no neighbours are passed over.
        size: Length of the lists.
        folder: Where results are kept.
        show_progress: Whether to show bars.
    """
    gold, of_mention = np.unique(gold_rows, return_inverse=True)
    texts = msgspec.json.encode([(entity.name, entity.aliases, entity.description, dict(entity.attributes)) for entity in entities])
    key = hash_bytes(str(FORMAT).encode(), texts, gold.tobytes(), groups.tobytes())

    def find() -> dict[str, np.ndarray]:
        return {"rows": find_near_duplicates(entities, gold, groups, show_progress)}

    def list_by(rule: str) -> Callable[[], dict[str, np.ndarray]]:
        return lambda: build_neighbours(rule, entities, gold, size, groups, show_progress)._asdict()

    near = _kept(folder / f"duplicates-{key}.safetensors", ("rows",), find)["rows"]
    lists = {
        rule: Neighbours(**_kept(folder / f"{rule}-{size}-{key}.safetensors", Neighbours._fields, list_by(rule)))
        for rule in sorted(set(rules) & set(NEIGHBOUR_RULES))
    }
    for rule, found in lists.items():
        if alone := float(np.mean(~found.mask.any(axis=1))):
            log.warning("%s: %.0f %% of the gold entities have no such neighbour; their negatives are uniform", rule, 100 * alone)
    return GoldNeighbours(of_mention.reshape(-1), near, lists)


def _kept(file: Path, names: tuple[str, ...], make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Read arrays from a file of the cache, or make and keep them."""
    if file.exists():
        try:
            stored = load_file(file)
            return {name: stored[name].numpy() for name in names}
        except (OSError, SafetensorError, KeyError) as error:
            log.warning("the cached neighbours %s are damaged (%s); they are made anew", file, error)
    made = make()
    try:
        write_bytes(file, save({name: torch.from_numpy(array) for name, array in made.items()}))
    except OSError as error:
        log.warning("neighbours cannot be kept in %s (%s); the next run makes them anew", file.parent, error.strerror)
    return made
