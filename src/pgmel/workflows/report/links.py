"""Link a split with the vectors at hand, and pick the wrong answers worth looking at."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from pgmel.evaluation import ErrorSample, LinkExample
from pgmel.linking import Decision
from pgmel.models import Embedder
from pgmel.records import NIL, Candidate, Entity, Link
from pgmel.workflows.deciding import dev_scores
from pgmel.workflows.material import Material, Split
from pgmel.workflows.measuring import Measurement, find_top, rank_in_kb
from pgmel.workflows.report.trust import TopScores

__all__ = ["SplitLinks", "link_split", "share_out"]

SHOWN_CANDIDATES: Final = 10
INDISTINCT: Final = "The two have the same name and description: nothing in the text tells them apart."


class SplitLinks(NamedTuple):
    """What the linker answers to the annotated mentions of a split.

    Attributes:
        top: Their best candidates.
        candidates: KB rows of those.
        probabilities: Of the candidates; None where the bundle was not calibrated.
        nil_probability: Of NIL; None where the bundle was not calibrated.
        is_linked: Whether the best candidate is linked; else the answer is NIL.
        gold_rank: Realistic rank of the gold entity in the KB; NaN where the gold is NIL.
        gold_score: Its score; NaN where the gold is NIL.
        slices: Slice to mask.
    """

    top: TopScores
    candidates: Int64[np.ndarray, "annotated top"]
    probabilities: Float64[np.ndarray, "annotated top"] | None
    nil_probability: Float64[np.ndarray, "annotated"] | None
    is_linked: Bool[np.ndarray, "annotated"]
    gold_rank: Float64[np.ndarray, "annotated"]
    gold_score: Float32[np.ndarray, "annotated"]
    slices: Mapping[str, Bool[np.ndarray, "annotated"]]

    def is_right(self) -> Bool[np.ndarray, "annotated"]:
        """Return whether each answer is the gold one."""
        right = np.where(self.top.is_nil, ~self.is_linked, self.is_linked & (self.top.position == 0))
        return right.astype(bool)

    def sample_errors(self, material: Material, split: Split, most: int) -> tuple[tuple[LinkExample, ...], ErrorSample]:
        """Return the most confidently wrong answers, and how many there are in all.

        Where there are too many, each kind of error keeps its share of the places. Confidence is the probability of the answer; of a
        bundle without probabilities, the lead of the answer's score over the gold's.
        """
        wrong = np.flatnonzero(~self.is_right())
        wrong = wrong[np.argsort(-self._confidence()[wrong], kind="stable")]
        how = "the answer's probability" if self.probabilities is not None else "the lead of the answer's score over the gold entity's"
        is_nil, is_linked = self.top.is_nil[wrong], self.is_linked[wrong]
        kinds = {"wrong_entity": ~is_nil & is_linked, "missed_nil": is_nil & is_linked, "false_nil": ~is_nil & ~is_linked}
        counts = {kind: int(mask.sum()) for kind, mask in kinds.items() if mask.any()}
        shares = share_out(list(counts.values()), most)
        kept = np.sort(np.concatenate([np.flatnonzero(kinds[kind])[:share] for kind, share in zip(counts, shares, strict=True)] or [wrong]))
        order = f"The most confidently wrong come first, by {how}."
        if len(kept) < len(wrong) and len(counts) > 1:
            order += " Each kind of error has its share of the places."
        sample = ErrorSample(len(wrong), len(self.is_linked), order, counts)
        return self.examples(wrong[kept], material, split), sample

    def examples(self, places: Iterable[int], material: Material, split: Split) -> tuple[LinkExample, ...]:
        """Return some answers with all that is needed to judge them by eye; places count annotated mentions."""
        found = (self._example(int(place), material.dataset.entities, split) for place in places)
        return tuple(found) if "image" in material.entities.channels else tuple(map(_without_missing_pictures, found))

    def _confidence(self) -> Float64[np.ndarray, "annotated"]:
        if self.probabilities is not None and self.nil_probability is not None:
            return np.where(self.is_linked, self.probabilities[:, 0], self.nil_probability)
        return np.asarray(self.top.scores[:, 0] - np.nan_to_num(self.gold_score), np.float64)

    def _example(self, place: int, entities: Sequence[Entity], split: Split) -> LinkExample:
        row = int(self.top.rows[place])
        mention = split.mentions[row]
        usable = np.isfinite(self.top.scores[place])[:SHOWN_CANDIDATES]
        found = self.candidates[place][: len(usable)][usable]
        likely = [None] * len(found) if self.probabilities is None else self.probabilities[place][: len(usable)][usable].tolist()
        scores = self.top.scores[place][: len(usable)][usable].tolist()
        candidates = tuple(
            Candidate(entities[one].id, entities[one].name, score, probability)
            for one, score, probability in zip(found, scores, likely, strict=True)
        )
        if self.is_linked[place]:
            link = Link(mention.id, candidates[0].entity_id, candidates[0].probability, candidates)
        else:
            link = Link(mention.id, NIL, None if self.nil_probability is None else float(self.nil_probability[place]), candidates)
        gold = None if self.top.is_nil[place] else entities[int(split.gold_rows[row])]
        known = {entities[one].id: entities[one] for one in found} | ({gold.id: gold} if gold else {})
        return LinkExample(
            mention,
            link,
            known,
            gold_rank=None if gold is None else float(self.gold_rank[place]),
            note=_compare(gold, known.get(str(link.entity_id))),
            gold_score=None if gold is None else float(self.gold_score[place]),
            slices=tuple(name for name, mask in self.slices.items() if mask[place]),
        )


def share_out(counts: Sequence[int], places: int) -> list[int]:
    """Share places out in proportion to counts, none getting more than it counts and, while there are enough, none getting nothing."""
    total = sum(counts)
    if total <= places:
        return list(counts)
    exact = [places * count / total for count in counts]
    least = [min(1, count) if places >= np.count_nonzero(counts) else 0 for count in counts]
    shares = [max(int(part), one) for part, one in zip(exact, least, strict=True)]
    while sum(shares) != places:
        step = 1 if sum(shares) < places else -1
        # The one that is farthest from its due gets, or gives up, a place; of several the first.
        gaps = [
            step * (due - share) if one <= share + step <= count else -math.inf
            for due, share, one, count in zip(exact, shares, least, counts, strict=True)
        ]
        shares[gaps.index(max(gaps))] += step
    return shares


def link_split(after: Measurement, split: Split, embedder: Embedder, decision: Decision | None, answers_nil: bool) -> SplitLinks:
    """Link the annotated mentions of a split as the bundle would, against the KB of the data set.

    Args:
        after: The trained model's measurement: its vectors, ranks and slices.
        split: The split that was measured.
        embedder: The model; a mention of which it reads nothing is answered NIL.
        decision: The bundle's; None links every mention to its best candidate.
        answers_nil: Whether NIL is answered where no candidate is likely enough.
    """
    vectors = after.vectors
    rows = np.flatnonzero(split.rankable | split.is_nil)
    count = max(SHOWN_CANDIDATES, decision.num_candidates + 1 if decision else 0)
    found = find_top(vectors.take(rows), count)
    scores, candidates, similarities = found
    is_read = embedder.reads(split.features)[rows]
    top = TopScores(rows, scores, dev_scores(found, split, rows).position, split.is_nil[rows], similarities)
    is_linked = is_read.copy()
    probabilities = nil_probability = None
    if decision is not None:
        probabilities, nil_probability = decision.probabilities(np.where(is_read[:, None], scores, -np.inf), similarities)
        if answers_nil:
            is_linked &= decision.links(probabilities[:, 0], nil_probability)
    shown = scores.copy()
    shown[~is_read] = -np.inf
    gold_rank, gold_score = _find_gold(after, split, rows)
    slices = {name: _spread(mask, after.rows, rows) for name, mask in after.slices.items() if not name.endswith("_picture")}
    if (present := split.features.present.get("image")) is not None:  # known of NIL mentions too, which were not ranked
        slices |= {"with_picture": present[rows], "without_picture": ~present[rows]}
    return SplitLinks(top._replace(scores=shown), candidates, probabilities, nil_probability, is_linked, gold_rank, gold_score, slices)


def _without_missing_pictures(example: LinkExample) -> LinkExample:
    """Leave out pictures that are not there: a run that reads none has nothing to say about them."""
    image = example.mention.image
    mention = replace(example.mention, image=image if image is not None and image.is_file() else None)
    entities = {key: replace(one, images=tuple(path for path in one.images if path.is_file())) for key, one in example.entities.items()}
    return replace(example, mention=mention, entities=entities)


def _find_gold(
    after: Measurement, split: Split, rows: Int64[np.ndarray, "annotated"]
) -> tuple[Float64[np.ndarray, "annotated"], Float32[np.ndarray, "annotated"]]:
    """Return rank and score of the gold entities in the whole KB, whatever protocol the measurement had."""
    rankable = np.flatnonzero(split.rankable)
    ranks = after.ranks if after.result.protocol == "kb" else rank_in_kb(after.vectors.take(rankable), split.gold_rows[rankable])
    return _spread(ranks.realistic, rankable, rows, np.nan), _spread(ranks.gold_scores, rankable, rows, np.nan)


def _spread(values: np.ndarray, places: Int64[np.ndarray, "some"], rows: Int64[np.ndarray, "annotated"], empty: float = 0) -> np.ndarray:
    """Return values that stand for some rows of a split, in the order of other rows; ``empty`` where there is none."""
    whole = np.full(int(max(rows.max(initial=0), places.max(initial=0))) + 1, empty, values.dtype)
    whole[places] = values
    chosen: np.ndarray = whole[rows]
    return chosen


def _compare(gold: Entity | None, chosen: Entity | None) -> str:
    if gold is None or chosen is None or gold.id == chosen.id:
        return ""
    return INDISTINCT if (gold.name, gold.description) == (chosen.name, chosen.description) else ""
