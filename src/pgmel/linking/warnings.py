"""What a user should know about a mention that could be linked, but not with all that was given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pgmel.features import Features
from pgmel.records import Mention

__all__ = ["PICTURE_BROKEN", "PICTURE_IGNORED", "PICTURE_MISSING", "mention_warnings"]

PICTURE_MISSING: Final = "picture missing"
"""How the warning about a picture that does not exist begins."""

PICTURE_IGNORED: Final = "picture ignored"
"""How the warning about a picture begins that the bundle has no encoder for."""

PICTURE_BROKEN: Final = "picture broken"
"""How the warning about a picture that exists and cannot be used begins."""


def mention_warnings(mentions: Sequence[Mention], features: Features, usable: npt.NDArray[np.bool_]) -> list[tuple[str, ...]]:
    """Return the warnings of each mention.

    Args:
        mentions: What was encoded.
        features: Their features.
        usable: True where the model reads anything that the mention has.
    """
    problems = {(problem.owner, problem.path): problem for problem in features.report.problems}
    seen = features.present.get("image")
    warnings = []
    for row, mention in enumerate(mentions):
        said = _text_warnings(mention)
        if mention.image is not None and seen is None:
            said.append(f"{PICTURE_IGNORED}: the bundle was made without an image encoder")
        elif mention.image is not None and seen is not None and not seen[row]:
            problem = problems.get((mention.id, mention.image))
            # The report lists so many; of the others one can still see whether they are there.
            is_missing = problem.kind == "missing" if problem is not None else not _exists(mention.image)
            reason = "" if is_missing or problem is None else f" ({problem.reason})"
            said.append(f"{PICTURE_MISSING if is_missing else PICTURE_BROKEN}: {mention.image}{reason}")
        if not usable[row]:
            said.append("there is nothing to link by: no text or usable picture of a kind that the bundle's model reads")
        warnings.append(tuple(said))
    return warnings


def _text_warnings(mention: Mention) -> list[str]:
    if not mention.context or not mention.surface:
        return []
    if mention.start is not None and mention.end is not None:
        marked = mention.context[max(mention.start, 0) : max(mention.end, 0)]
        if marked != mention.surface:
            return [f"start {mention.start} and end {mention.end} mark {marked!r}, not the mention {mention.surface!r}"]
    elif mention.surface.casefold() not in mention.context.casefold():
        return [f"the mention {mention.surface!r} does not occur in its text"]
    return []


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
