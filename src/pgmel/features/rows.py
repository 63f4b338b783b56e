"""Encoded rows of one side (mentions or entities), and the account of how they came about."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np
from scipy import sparse

from pgmel.pictures import FaultKind

__all__ = ["MAX_LISTED", "ChannelReport", "FeatureReport", "Features", "PictureProblem"]

MAX_LISTED = 100
"""Most unusable pictures that a report lists; it counts all."""


@final
@dataclass(frozen=True, slots=True)
class ChannelReport:
    """What was done for one channel.

    ``rows`` counts mentions or entities, ``present`` those that have this channel. Equal texts and equal pictures are encoded once, so
    ``encoded`` (computed in this run) and ``cached`` (found in the cache) count distinct ones.
    """

    rows: int = 0
    present: int = 0
    encoded: int = 0
    cached: int = 0

    def __add__(self, other: "ChannelReport") -> "ChannelReport":
        """Add two parts of the same channel."""
        return ChannelReport(self.rows + other.rows, self.present + other.present, self.encoded + other.encoded, self.cached + other.cached)


@final
@dataclass(frozen=True, slots=True)
class PictureProblem:
    """A picture that a mention or entity names and that cannot be used; ``owner`` is the id of the mention or entity."""

    owner: str
    path: Path
    kind: FaultKind
    reason: str

    def __str__(self) -> str:
        return f"{self.owner}: {self.path}: {self.kind}: {self.reason}"


@final
@dataclass(frozen=True)
class FeatureReport:
    """How the rows of one side were encoded.

    ``pictures_missing`` counts named pictures that do not exist, ``pictures_broken`` those that exist and cannot be used for any other
    reason. ``problems`` lists the first ``MAX_LISTED`` of both.
    """

    channels: Mapping[str, ChannelReport] = field(default_factory=dict)
    pictures_named: int = 0
    pictures_missing: int = 0
    pictures_broken: int = 0
    problems: tuple[PictureProblem, ...] = ()

    @classmethod
    def of_pictures(cls, named: int, problems: Sequence[PictureProblem]) -> "FeatureReport":
        """Account for pictures alone."""
        missing = Counter(problem.kind for problem in problems)["missing"]
        return cls({}, named, missing, len(problems) - missing, tuple(problems[:MAX_LISTED]))

    def __add__(self, other: "FeatureReport") -> "FeatureReport":
        """Join the reports of two parts of the same side."""
        channels = dict(self.channels)
        for name, channel in other.channels.items():
            channels[name] = channels.get(name, ChannelReport()) + channel
        return FeatureReport(
            channels,
            self.pictures_named + other.pictures_named,
            self.pictures_missing + other.pictures_missing,
            self.pictures_broken + other.pictures_broken,
            (self.problems + other.problems)[:MAX_LISTED],
        )

    def lines(self) -> list[str]:
        """Say it in plain lines, one per channel and one for pictures."""
        lines = [
            f"{name}: {channel.present:,} of {channel.rows:,} rows have it; {channel.encoded:,} encoded, {channel.cached:,} from the cache"
            for name, channel in self.channels.items()
        ]
        if self.pictures_named:
            lines.append(f"pictures: {self.pictures_named:,} named, {self.pictures_missing:,} missing, {self.pictures_broken:,} unusable")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "channels": {
                name: {"rows": c.rows, "present": c.present, "encoded": c.encoded, "cached": c.cached} for name, c in self.channels.items()
            },
            "pictures": {"named": self.pictures_named, "missing": self.pictures_missing, "broken": self.pictures_broken},
            "problems": [{"id": p.owner, "path": str(p.path), "kind": p.kind, "reason": p.reason} for p in self.problems],
        }


@final
@dataclass(frozen=True)
class Features:
    """One side's rows, encoded.

    ``channels`` holds, as far as there are encoders for them:

    - ``name`` and ``context``: (rows, dim) float16, unit rows;
    - ``lexical``: (rows, dim) sparse float32, unit rows without negative values;
    - ``years``: (rows, periods) float16, unit rows without negative values;
    - ``image``, and where asked for ``image_parts`` and ``image_layout``: (rows, dim) float16, the encoder's own output, not scaled.

    ``present`` says for each channel and row whether it is usable; where it is False the row is zero.
    """

    ids: tuple[str, ...]
    channels: Mapping[str, np.ndarray | sparse.csr_matrix]
    present: Mapping[str, np.ndarray]
    report: FeatureReport = field(default_factory=FeatureReport)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray | Sequence[int]) -> "Features":
        """Return the given rows (integer positions or a boolean mask), in that order; the report stays that of the whole."""
        chosen = np.asarray(rows)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.int64)
        return Features(
            tuple(self.ids[row] for row in chosen),
            {name: channel[chosen] for name, channel in self.channels.items()},
            {name: mask[chosen] for name, mask in self.present.items()},
            self.report,
        )

    @classmethod
    def join(cls, parts: Iterable["Features"]) -> "Features":
        """Put parts with the same channels one under another; there must be at least one."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        channels: dict[str, np.ndarray | sparse.csr_matrix] = {}
        for name, first in parts[0].channels.items():
            blocks = [part.channels[name] for part in parts]
            channels[name] = sparse.vstack(blocks, format="csr") if sparse.issparse(first) else np.concatenate(blocks)
        report = FeatureReport()
        for part in parts:
            report = report + part.report
        return cls(
            tuple(key for part in parts for key in part.ids),
            channels,
            {name: np.concatenate([part.present[name] for part in parts]) for name in parts[0].present},
            report,
        )
