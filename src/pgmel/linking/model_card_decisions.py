"""What a model card says of the decision between an entity, NIL and leaving it open: what was asked for, and what was reached."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pgmel.linking.wording import floor_share

__all__ = ["DecisionRow", "decision_notes", "decision_rows"]

_MEANINGS: Final = {
    "nil": ("nil_precision", "the knowledge base lacks the entity"),
    "linked": ("link_precision", "this entity is meant"),
}


class DecisionRow(NamedTuple):
    """A kind of decision, with its precision as texts."""

    decision: str
    meaning: str
    asked: str
    reached: str
    answers: int


def decision_rows(decision: Mapping[str, Any] | None) -> list[DecisionRow]:
    """Return the stated precisions of a bundle's decision; none where nothing was measured.

    Args:
        decision: The decision as a bundle's card holds it.
    """
    return list(_rows(decision or {}))


def decision_notes(decision: Mapping[str, Any], calibrated_on: str | None = None) -> list[str]:
    """Return what one must know of the stated precisions: how they were measured, and what is out of reach.

    Args:
        decision: The decision as a bundle's card holds it.
        calibrated_on: Of which data the mentions are that it was fitted on, if not of the training.
    """
    return list(_notes(decision, calibrated_on))


def _rows(decision: Mapping[str, Any]) -> Iterator[DecisionRow]:
    for name, (field, meaning) in _MEANINGS.items():
        stated = decision.get(field)
        if not isinstance(stated, Mapping) or not (stated.get("num_answers") or stated.get("target") is not None):
            continue
        reached = "no such answers" if stated.get("reached") is None else _interval(stated)
        asked = "nothing" if stated.get("target") is None else f"{stated['target']:g}"
        yield DecisionRow(name, meaning, asked, reached, int(stated.get("num_answers") or 0))


def _notes(decision: Mapping[str, Any], calibrated_on: str | None) -> Iterator[str]:
    yield _how(decision, calibrated_on)
    nil, links = (decision.get(field) or {} for field, _ in _MEANINGS.values())
    if decision.get("nil_threshold") is None and nil.get("target") is not None:
        yield (
            f"No threshold promises {nil['target']:g} for `nil` (the best one {floor_share(nil.get('attainable'))}), so it is never "
            "answered: a mention whose entity is missing is linked wrongly, or left `unsure`."
        )
    threshold = decision.get("threshold")
    if links.get("target") is not None and (threshold is None or threshold >= 1):
        best = floor_share(links.get("attainable"))
        yield f"No threshold promises {links['target']:g} for `linked` (the best one {best}), so nothing is linked."
    elif threshold:
        yield (
            f"Where the best candidate's probability is below {threshold:.2f} the decision is `unsure`: nothing is linked, and nothing "
            "is said of the knowledge base."
        )


def _how(decision: Mapping[str, Any], calibrated_on: str | None) -> str:
    folds = decision.get("num_folds") or 0
    how = f", by cross-fitting over {folds} parts" if folds > 1 else ", the same that the thresholds were chosen on, so slightly too good"
    where = f" of {calibrated_on}" if calibrated_on else ""
    share = decision.get("nil_share") or 0
    nil = f"{share:.0%} of them NIL"
    if decision.get("simulated_nil"):
        nil = f"none of them NIL; NIL is simulated by leaving the gold entity out, and weighs {share:.0%}, which is an assumption"
    right = "" if decision.get("accuracy") is None else f" All in all {decision['accuracy']:.3f} of the decisions are right."
    return f"Measured on {decision.get('num_mentions', 0):,} mentions{where}{how}; {nil}. Intervals are Wilson's, 95 %.{right}"


def _interval(stated: Mapping[str, Any]) -> str:
    return f"{stated['reached']:.3f} [{stated['low']:.3f}, {stated['high']:.3f}]"
