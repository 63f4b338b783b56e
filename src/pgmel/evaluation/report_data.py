"""What a report shows, as plain values: whoever runs something fills them in, and sections without data are left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pgmel.evaluation.comparison import PairedComparison, SeedSummary
from pgmel.evaluation.metrics import Metrics
from pgmel.evaluation.nil import NilCurve, NilMetrics
from pgmel.records import Entity, Link, Mention

__all__ = ["LinkExample", "RankSeries", "ReportData", "SliceScores", "SystemScores", "TrainingCurves"]


@dataclass(frozen=True, slots=True)
class SystemScores:
    """One row of a table of systems.

    Args:
        name: What was measured: ``zero-shot``, ``trained``, ``text only``.
        metrics: Its figures.
        note: A few words beside the name.
    """

    name: str
    metrics: Metrics
    note: str = ""


@dataclass(frozen=True, slots=True)
class SliceScores:
    """One slice: its name (a key of ``SLICES``, or any text), and the figures of each system in the order of ``ReportData.systems``.

    A system that was not measured on the slice has None.
    """

    name: str
    metrics: tuple[Metrics | None, ...]


@dataclass(frozen=True, slots=True)
class RankSeries:
    """The gold entities' ranks under one system, from 1, for the picture of their spread."""

    name: str
    ranks: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrainingCurves:
    """What training logged.

    Args:
        rows: Lines of ``metrics.csv``, in order: column to value, as text or number; empty or missing where nothing was logged.
        x: Column along the horizontal axis.
        columns: Columns to draw, one small chart each; empty draws the first eight that hold numbers that change.
        titles: Column to what people should read above its chart.
    """

    rows: Sequence[Mapping[str, Any]]
    x: str = "step"
    columns: tuple[str, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LinkExample:
    """One linked mention, with what is needed to judge the link by eye.

    Args:
        mention: The mention; its ``entity_id`` is the gold, ``NIL``, or None if nobody annotated it.
        link: What the linker answered.
        entities: Entity id to entity, for the gold, the chosen and the candidates (others do no harm; missing ones show their id only).
        gold_rank: Rank of the gold entity, where it was ranked.
        note: A sentence to show with it.
    """

    mention: Mention
    link: Link
    entities: Mapping[str, Entity]
    gold_rank: float | None = None
    note: str = ""

    @property
    def is_right(self) -> bool | None:
        """Whether the answer is the gold one; None where nobody annotated the mention."""
        return None if self.mention.entity_id is None else self.link.entity_id == self.mention.entity_id


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything a report can show; leave out what there is not.

    Args:
        title: Heading of the page.
        summary: One or two sentences below it.
        notice: A warning in a frame above all, such as "made-up data".
        facts: Short facts in the header: ``{"data": "demo", "entities": "180"}``.
        command: The command that made the run.
        data: Description of the data, name to value.
        settings: Settings of the run, name to value; shown folded.
        versions: Package to version; shown folded.
        systems: The systems compared on the same mentions, the first being the point of departure (zero-shot), the last the result.
        comparison: Paired test of the last system against the first, on H@1.
        seeds: Name to summary over several seeds.
        modalities: Text only, image only, fused.
        slices: Figures by slice.
        ranks: Spread of ranks, in the order of ``systems``.
        training: Curves.
        nil: Figures of the NIL decision.
        nil_curve: Its precision and recall over the threshold.
        examples: Links to look at; a dozen is enough.
        errors: Wrong links to browse.
        notes: Sentences at the foot: what to keep in mind when reading.
    """

    title: str
    summary: str = ""
    notice: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    systems: tuple[SystemScores, ...] = ()
    comparison: PairedComparison | None = None
    seeds: Mapping[str, SeedSummary] = field(default_factory=dict)
    modalities: tuple[SystemScores, ...] = ()
    slices: tuple[SliceScores, ...] = ()
    ranks: tuple[RankSeries, ...] = ()
    training: TrainingCurves | None = None
    nil: NilMetrics | None = None
    nil_curve: NilCurve | None = None
    examples: tuple[LinkExample, ...] = ()
    errors: tuple[LinkExample, ...] = ()
    notes: tuple[str, ...] = ()
