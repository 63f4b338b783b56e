"""Cut the evaluated mentions into slices that tell what a system has learned from what it has not.

Four pairs; the two of a pair together are all mentions:

- ``seen`` / ``unseen``: whether the gold entity is the gold of some training mention.
- ``exact_title`` / ``other_surface``: whether the surface equals the gold entity's name. Half of WikiMEL is of the first kind, and string
  matching links it.
- ``ambiguous`` / ``unambiguous``: whether the surface *belongs to two entities or more*, where it belongs to an entity if it equals its
  name or one of its aliases, or if annotators used it for that entity (in the evaluated mentions, or in further ones given as ``known``).
  Both sources count because either alone is blind: benchmarks' KBs come without aliases, so there "Trump" equals no name; and a small
  data set seldom uses one surface for two entities although its KB holds both.
- ``with_picture`` / ``without_picture``: whether the mention has a usable picture.

Surfaces are compared after Unicode NFKC, case folding, and with spaces and underscores squeezed to one space.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError
from pgmel.records import NIL, Entity, Mention

__all__ = ["SLICES", "normalise_surface", "slice_masks"]

SLICES: Mapping[str, str] = {
    "seen": "gold seen in training",
    "unseen": "gold not seen in training",
    "exact_title": "surface = title",
    "other_surface": "surface ≠ title",
    "ambiguous": "ambiguous surface",
    "unambiguous": "unambiguous surface",
    "with_picture": "with picture",
    "without_picture": "without picture",
}
"""Slice to its title."""


def normalise_surface(text: str) -> str:
    """Return the form in which surfaces and names are compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().replace("_", " ").split())


def slice_masks(
    mentions: Sequence[Mention],
    entities: Iterable[Entity],
    train_gold_ids: Collection[str] | None = None,
    picture_present: npt.NDArray[np.bool_] | None = None,
    known: Iterable[Mention] = (),
) -> dict[str, npt.NDArray[np.bool_]]:
    """Return a mask per slice.

    Args:
        mentions: The evaluated mentions, each with a gold entity.
        entities: All entities of the KB; read once, and only what concerns the mentions is kept, so a KB of millions may stream past.
        train_gold_ids: Gold ids of the training mentions; None leaves the pair ``seen`` / ``unseen`` out.
        picture_present: Bool (mentions,), True = the picture could be used (``Features.present["image"]``). None takes a mention that names
            a picture for one that has it.
        known: Further annotated mentions (training) that show which entities a surface is used for.

    Returns:
        Slice, in the order of ``SLICES``, to bool (mentions,); True = inside.

    Raises:
        DataError: If a mention has no gold entity, or the presence mask another length.
    """
    gold_ids = _gold_ids(mentions)
    surfaces = [normalise_surface(mention.surface) for mention in mentions]
    owners, titles = _collect(set(surfaces), set(gold_ids), entities)
    for mention in (*mentions, *known):
        if isinstance(mention.entity_id, str) and (surface := normalise_surface(mention.surface)) in owners:
            owners[surface].add(mention.entity_id)
    halves: dict[str, tuple[str, npt.NDArray[np.bool_]]] = {}
    if train_gold_ids is not None:
        seen_ids = frozenset(train_gold_ids)
        halves["seen"] = "unseen", np.array([gold in seen_ids for gold in gold_ids], bool)
    exact = [titles.get(gold) == surface for gold, surface in zip(gold_ids, surfaces, strict=True)]
    halves["exact_title"] = "other_surface", np.array(exact, bool)
    halves["ambiguous"] = "unambiguous", np.array([len(owners[surface]) > 1 for surface in surfaces], bool)
    halves["with_picture"] = "without_picture", _pictures(mentions, picture_present)
    return {name: mask for half, (other, inside) in halves.items() for name, mask in ((half, inside), (other, ~inside))}


def _gold_ids(mentions: Sequence[Mention]) -> list[str]:
    gold_ids = []
    for mention in mentions:
        if mention.entity_id is None or mention.entity_id is NIL:
            raise DataError(
                f"the mention has no gold entity ({mention.entity_id!r})",
                place=f"mention {mention.id}",
                fix="Leave NIL and unannotated mentions out",
            )
        gold_ids.append(mention.entity_id)
    return gold_ids


def _collect(surfaces: set[str], gold_ids: set[str], entities: Iterable[Entity]) -> tuple[dict[str, set[str]], dict[str, str]]:
    """Return the entities that each surface names, and the normalised titles of the gold entities."""
    owners: dict[str, set[str]] = {surface: set() for surface in surfaces}
    titles: dict[str, str] = {}
    for entity in entities:
        title = normalise_surface(entity.name)
        if entity.id in gold_ids:
            titles[entity.id] = title
        for name in (title, *map(normalise_surface, entity.aliases)):
            if name in owners:
                owners[name].add(entity.id)
    return owners, titles


def _pictures(mentions: Sequence[Mention], present: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
    if present is None:
        return np.array([mention.image is not None for mention in mentions], bool)
    if present.shape != (len(mentions),):
        raise DataError(f"the presence mask has shape {present.shape} for {len(mentions)} mentions")
    return present.astype(bool)
