"""Who is mentioned how: the mixture of surfaces, kinds of text and kinds of picture of one split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, final

import numpy as np

from pgmel.datasets.demo.gazetteer import Place, find_ambiguous, is_code
from pgmel.datasets.demo.sentences import TextKind

__all__ = ["Casting", "MentionPlan", "MentionPlanner", "PictureKind", "cast_places"]

Kind = TypeVar("Kind", bound=str)
PictureKind = Literal["none", "flag", "other_flag", "scenery", "missing", "truncated", "empty", "not_a_picture"]

_NIL_SHARE: Final = 0.07
_UNSEEN_SHARE_OF_PLACES: Final = 0.15
_UNSEEN_SHARE_OF_MENTIONS: Final = 0.25
_FULL_NAME_SHARE: Final = 0.05
_CODE_WEIGHT: Final = 0.35
_WEIGHT_WITHOUT_FLAG: Final = 0.5
_WEIGHT_UNAMBIGUOUS: Final = 0.2
_WEIGHT_WITH_LOOKALIKE: Final = 0.35

_PICTURES: Final[dict[PictureKind, float]] = {
    "none": 0.2,
    "flag": 0.65,
    "other_flag": 0.03,
    "scenery": 0.04,
    "missing": 0.04,
    "truncated": 0.02,
    "empty": 0.01,
    "not_a_picture": 0.01,
}
_PICTURES_WITHOUT_FLAG: Final[dict[PictureKind, float]] = {
    "none": 0.72,
    "scenery": 0.12,
    "other_flag": 0.04,
    "missing": 0.06,
    "truncated": 0.04,
    "empty": 0.01,
    "not_a_picture": 0.01,
}
_TEXTS_WITH_FLAG: Final[dict[TextKind, float]] = {"plain": 0.74, "region": 0.18, "capital": 0.04, "clue": 0.04}
_TEXTS_WITHOUT_FLAG: Final[dict[TextKind, float]] = {"plain": 0.04, "region": 0.18, "capital": 0.33, "clue": 0.45}
_TEXTS_WITH_LOOKALIKE: Final[dict[TextKind, float]] = {"plain": 0.08, "region": 0.12, "capital": 0.25, "clue": 0.55}
_PICTURES_OF_NIL: Final[dict[PictureKind, float]] = {"flag": 0.85, "none": 0.15}


@final
@dataclass(frozen=True, slots=True)
class MentionPlan:
    """One mention to be written: the place meant, its surface, and the kinds of text and picture."""

    place: Place
    surface: str
    text: TextKind
    picture: PictureKind


@final
@dataclass(frozen=True, slots=True)
class Casting:
    """Which places a split may mean: ``seen`` ones that training means too, ``unseen`` ones, and those to be answered with NIL."""

    seen: tuple[Place, ...]
    unseen: tuple[Place, ...]
    nil: tuple[Place, ...]


def cast_places(places: Sequence[Place], rng: np.random.Generator) -> dict[str, Casting]:
    """Decide which places each split may mean.

    A share of the ambiguous places is kept from training and meant in dev and test only; NIL places are never shared between splits.
    """
    shared = find_ambiguous(places)
    known = [place for place in places if place.in_kb]
    candidates = [index for index, place in enumerate(known) if any(name in shared for name in place.names)]
    chosen = rng.choice(candidates, round(len(candidates) * _UNSEEN_SHARE_OF_PLACES), replace=False)
    hidden = {int(index) for index in chosen}
    seen = tuple(place for index, place in enumerate(known) if index not in hidden)
    unseen = tuple(place for index, place in enumerate(known) if index in hidden)
    nil: dict[str, list[Place]] = {"train": [], "dev": [], "test": []}
    outside = [place for place in places if not place.in_kb]
    for group in (
        True,
        False,
    ):  # names that the knowledge base has, and names that it lacks, go half to training, a quarter each to the rest
        members = [place for place in outside if any(name in shared for name in place.names) == group]
        for position, index in enumerate(rng.permutation(len(members))):
            nil[("train", "dev", "train", "test")[position % 4]].append(members[index])
    return {split: Casting(seen, () if split == "train" else unseen, tuple(nil[split])) for split in nil}


@final
class MentionPlanner:
    """Plans mentions.

    Where the picture shows the flag of the place meant, the text mostly does not decide, unless another place of the same name flies a
    flag that looks the same; where no usable picture shows it, the text mostly decides.

    Args:
        places: All places.
        lookalikes: Pairs of place ids whose flags look alike.
    """

    def __init__(self, places: Sequence[Place], lookalikes: frozenset[frozenset[str]]) -> None:
        self._shared = find_ambiguous(places)
        named = {place.id: [name for name in place.names if name in self._shared] for place in places}
        self._names = {place_id: names for place_id, names in named.items() if names}
        self._lookalikes = lookalikes

    def plan(self, casting: Casting, count: int, rng: np.random.Generator) -> list[MentionPlan]:
        """Plan ``count`` mentions of the places a split may mean."""
        pools = [(pool, self._weigh(pool)) for pool in (casting.seen, casting.unseen) if pool]
        return [self._plan_one(pools, casting.nil, rng) for _ in range(count)]

    def _weigh(self, pool: Sequence[Place]) -> np.ndarray:
        weights = np.array([self._weigh_one(place) for place in pool])
        return np.asarray(weights / weights.sum())

    def _weigh_one(self, place: Place) -> float:
        rivals = max((len(self._shared[name]) - 1 for name in self._names.get(place.id, ())), default=0)
        weight = rivals**0.5 if rivals else _WEIGHT_UNAMBIGUOUS
        if any(self._has_lookalike(place, name) for name in self._names.get(place.id, ())):
            weight *= _WEIGHT_WITH_LOOKALIKE
        return weight if place.flag else weight * _WEIGHT_WITHOUT_FLAG

    def _has_lookalike(self, place: Place, surface: str) -> bool:
        """Whether another place of that name flies a flag that looks the same."""
        return any(frozenset((place.id, rival.id)) in self._lookalikes for rival in self._shared.get(surface, ()))

    def _plan_one(self, pools: Sequence[tuple[Sequence[Place], np.ndarray]], nil: Sequence[Place], rng: np.random.Generator) -> MentionPlan:
        if rng.random() < _NIL_SHARE:
            place = nil[int(rng.integers(len(nil)))]
            picture = _draw(_PICTURES_OF_NIL, rng)
        else:
            pool, weights = pools[-1 if rng.random() < _UNSEEN_SHARE_OF_MENTIONS else 0]
            place = pool[int(rng.choice(len(pool), p=weights))]
            picture = _draw(_PICTURES if place.flag else _PICTURES_WITHOUT_FLAG, rng)
        surface = self._choose_surface(place, rng)
        text = _draw(self._text_shares(place, surface, picture), rng)
        return MentionPlan(place, surface, "clue" if text == "capital" and not place.capital else text, picture)

    def _choose_surface(self, place: Place, rng: np.random.Generator) -> str:
        names = self._names.get(place.id, ())
        if not names or (place.in_kb and rng.random() < _FULL_NAME_SHARE):
            return place.name
        weights = np.array([_CODE_WEIGHT if is_code(name) else 1.0 for name in names])
        return names[int(rng.choice(len(names), p=weights / weights.sum()))]

    def _text_shares(self, place: Place, surface: str, picture: PictureKind) -> Mapping[TextKind, float]:
        if picture != "flag":
            return _TEXTS_WITHOUT_FLAG
        return _TEXTS_WITH_LOOKALIKE if self._has_lookalike(place, surface) else _TEXTS_WITH_FLAG


def _draw(shares: Mapping[Kind, float], rng: np.random.Generator) -> Kind:
    kinds = list(shares)
    weights = np.array(list(shares.values()))
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
