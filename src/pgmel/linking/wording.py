"""The decision in words."""

import math

from pgmel.linking.decision import Decision, StatedPrecision

__all__ = ["decision_lines", "describe_decision", "floor_share"]


def describe_decision(decision: Decision, split: str = "dev") -> str:
    """Return what :func:`decision_lines` says as one sentence."""
    first, *others = decision_lines(decision, split)
    return f"{first}: {', '.join(others)}" if others else first


def decision_lines(decision: Decision, split: str = "dev") -> list[str]:
    """Return, in short lines, when NIL is answered, what precision was asked for and what was reached on how many mentions.

    Args:
        decision: The decision.
        split: Name of the split that it was fitted on.
    """
    parts = [_when(decision)]
    nil, links = decision.nil_precision, decision.link_precision
    if nil is None or links is None:
        return [f"{parts[0]}, chosen on {split}"]
    if decision.nil_threshold is None:
        parts[0] = "NIL is not answered for lack of a likely entity" if decision.threshold == 0 else parts[0]
        parts.append(
            f"no threshold reaches the NIL precision {nil.target:g} on {split} "
            f"(highest {floor_share(nil.attainable)}; linking.nil_precision)"
        )
    if nil.num_answers:
        asked = f"; asked for {nil.target:g}" if decision.nil_threshold is not None else ""
        parts.append(f"{_share(nil)} of {nil.num_answers:,} NIL answers right on {split}{asked}")
    if links.target is not None and decision.threshold is None:
        parts.append(f"no threshold reaches the link precision {links.target:g} (highest {floor_share(links.attainable)})")
    if links.num_answers:
        asked = f"; asked for {links.target:g}" if links.target is not None else ""
        parts.append(f"{_share(links)} of {links.num_answers:,} links right{asked}")
    unsure = decision.num_mentions - nil.num_answers - links.num_answers
    if decision.threshold and unsure > 0:
        parts.append(f"{unsure:,} mentions without a candidate that is sure enough")
    share = decision.nil_share or 0
    origin = "NIL simulated by leaving the gold out for" if decision.simulated_nil else "NIL is the gold of"
    parts.append(f"{origin} {share:.0%} of {decision.num_mentions:,} mentions")
    if decision.num_folds == 1:
        parts.append("measured on the mentions that it was fitted on")
    return parts


def _when(decision: Decision) -> str:
    if decision.threshold is None:
        return "nothing is linked"
    below = f"the best candidate's probability is below {decision.threshold:.2f}"
    if decision.nil_threshold is None:
        return f"NIL is answered where {below}"
    above = f"its probability is at least {decision.nil_threshold:.2f}"
    return f"NIL is answered where {above}" + (f", or {below}" if decision.threshold > 0 else "")


def _share(found: StatedPrecision) -> str:
    return f"{found.reached:.3f} [{found.low:.3f}, {found.high:.3f}]"


def floor_share(share: float | None) -> str:
    """Return what is in reach, cut, not rounded: 0.9986 must not read as 1."""
    return f"{math.floor((share or 0) * 1000 + 1e-9) / 1000:.3f}"
