"""What a linker can decide besides linking, and how often it was right, for ``/health``."""

from dataclasses import asdict
from typing import Any

from pgmel.linking import Linker, StatedPrecision

__all__ = ["describe_decisions"]


def describe_decisions(linker: Linker) -> dict[str, Any]:
    """Return the fields of ``DecidesAnswer``."""
    decision = linker.decision
    if decision is None or not linker.nil:
        return {"linked": True, "nil": False, "unsure": False, "nil_threshold": None, "nil_precision": None, "link_precision": None}
    return {
        "linked": decision.threshold is not None,
        "nil": decision.nil_threshold is not None,
        "unsure": decision.threshold is None or decision.threshold > 0,
        "nil_threshold": decision.nil_threshold,
        "nil_precision": _stated(decision.nil_precision, decision.nil_threshold is not None),
        "link_precision": _stated(decision.link_precision, decision.threshold is not None),
    }


def _stated(precision: StatedPrecision | None, in_reach: bool) -> dict[str, Any] | None:
    if precision is None:
        return None
    return asdict(precision) | {"in_reach": in_reach if precision.target is not None else None}
