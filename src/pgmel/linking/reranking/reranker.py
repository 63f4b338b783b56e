"""The re-ranker: the score of the single vector plus a weighted sum of features, for the first few candidates of a mention."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from pgmel.errors import BundleError, DataError
from pgmel.files import read_json, write_bytes, write_json
from pgmel.linking.reranking.associations import WordAssociations
from pgmel.linking.reranking.facts import EntityFacts, MentionFacts
from pgmel.linking.reranking.features import FEATURES, GROUPS, SLIPS, pair_features

__all__ = ["DEPTH", "Reranker"]

DEPTH: Final = 10
"""Candidates of a mention that are ranked again."""

FORMAT: Final = 2

_GAP: Final = 1e-5
"""How far those that are not ranked again stand behind the others, at least: more than what counts as tied."""


@final
@dataclass(frozen=True)
class Reranker:
    """Weights of the features, in the unit of the single vector's score: so much similarity is a feature worth.

    The new score of a candidate is its similarity plus the weighted sum of its features; there is nothing else in it, so an explanation
    adds up.

    Args:
        weights: (features,) float32, in the order of ``FEATURES``.
        depth: How many candidates, the nearest ones, are ranked again. All that are not ranked again stay behind, in their order.
        about: What it was fitted on, as JSON-like values.
        associations: Which words of sentences and descriptions go together.
        by_name: How many candidates, those with the most similar names, are ranked again beside the nearest ones.
        forgiving: Whether names are compared with slips forgiven; False in bundles of older versions.
    """

    weights: npt.NDArray[np.float32]
    depth: int = DEPTH
    about: Mapping[str, Any] = field(default_factory=dict)
    associations: WordAssociations | None = None
    by_name: int = 0
    forgiving: bool = True

    def bonuses(self, mention: MentionFacts, entities: Sequence[EntityFacts]) -> npt.NDArray[np.float32]:
        """Return what is added to the score of each of some candidates."""
        return np.asarray(pair_features(mention, entities, self.associations, self.forgiving) @ self.weights, np.float32)

    def rescore(
        self, dense: npt.NDArray[np.float32], mentions: Sequence[MentionFacts], entities: Sequence[Sequence[EntityFacts]]
    ) -> npt.NDArray[np.float32]:
        """Return the new scores of candidates, in their old order.

        Args:
            dense: (mentions, candidates) scores of the single vector; those that are ranked again first, the others falling; -inf where a
                mention has fewer candidates.
            mentions: The mentions.
            entities: The candidates of each mention that are ranked again.
        """
        scores = np.array(dense, np.float32)
        for place, (mention, known) in enumerate(zip(mentions, entities, strict=True)):
            count = len(known)
            if not count:
                continue
            scores[place, :count] += self.bonuses(mention, known)
            if count < scores.shape[1]:  # those behind are moved down together, as far as is needed to stay behind
                scores[place, count:] += min(0.0, float(scores[place, :count].min() - scores[place, count]) - _GAP)
        return scores

    def parts(self, mention: MentionFacts, entity: EntityFacts) -> dict[str, float]:
        """Return what each group of features adds to a candidate's score; together they are the difference between new and old score."""
        values = pair_features(mention, [entity], self.associations, self.forgiving)[0] * self.weights
        by_name = dict(zip(FEATURES, values.tolist(), strict=True))
        return {group: sum(by_name[name] for name in names) for group, names in GROUPS.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return weights by feature and what it was fitted on, for people to read."""
        weights = {name: round(float(weight), 5) for name, weight in zip(FEATURES, self.weights, strict=True)}
        return {"depth": self.depth, "by_name": self.by_name, "weights": weights, "about": dict(self.about)}

    def save(self, folder: Path) -> None:
        """Write ``reranker.safetensors`` and ``reranker.json`` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"weights": np.ascontiguousarray(self.weights, np.float32)}
        words = None
        if self.associations is not None:
            words = self.associations.words()
            tensors |= {f"associations.{name}": array for name, array in self.associations.arrays().items()}
        write_bytes(folder / "reranker.safetensors", save(tensors))
        about = json.loads(json.dumps(dict(self.about)))
        plain = {"depth": self.depth, "by_name": self.by_name, "forgiving": self.forgiving, "about": about, "words": words}
        write_json(folder / "reranker.json", {"format": FORMAT, "features": list(FEATURES), **plain})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: If a file is missing, damaged, or of a version with other features.
        """
        try:
            values = read_json(folder / "reranker.json")
            known = FEATURES if values["format"] == FORMAT else tuple(name for name in FEATURES if name not in SLIPS)  # format 1 had none
            if values["format"] not in (1, FORMAT) or tuple(values["features"]) != known:
                raise BundleError(f"the re-ranker in {folder} is of another version of pgmel; train again, or use the pgmel that wrote it")
            tensors = load_file(folder / "reranker.safetensors")
            weights, associations = tensors["weights"], None
            if values["words"] is not None:
                parts = {name.removeprefix("associations."): part for name, part in tensors.items() if name != "weights"}
                associations = WordAssociations.from_arrays(parts, values["words"])
            depth, by_name, forgiving = int(values["depth"]), int(values.get("by_name", 0)), bool(values.get("forgiving", False))
            if weights.shape != (len(known),) or not np.isfinite(weights).all() or depth < 1 or by_name < 0:
                raise ValueError(f"weights of shape {weights.shape}, depth {depth}, {by_name} by name")
            whole = np.zeros(len(FEATURES), np.float32)
            whole[[FEATURES.index(name) for name in known]] = weights
            return cls(whole, depth, dict(values["about"]), associations, by_name, forgiving)
        except (OSError, DataError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(f"the re-ranker in {folder} is missing or damaged ({error}); copy or build the bundle again") from None
