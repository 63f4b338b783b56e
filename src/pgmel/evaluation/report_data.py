"""What a report shows, as plain values: whoever runs something fills them in, and sections without data are left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pgmel.evaluation.comparison import PairedComparison, SeedSummary
from pgmel.evaluation.metrics import Metrics
from pgmel.evaluation.nil import NilCurve, NilMetrics
from pgmel.evaluation.reliability import Reliability
from pgmel.evaluation.removed_gold import RemovedGold
from pgmel.evaluation.risk_coverage import RiskCurve
from pgmel.records import Entity, Link, Mention

if TYPE_CHECKING:
    from pgmel.features import FeatureReport
    from pgmel.models import GateSummary

__all__ = ["CurveChart", "ErrorSample", "LinkExample", "RankSeries", "ReportData", "SliceScores", "SystemScores", "TrainingCurves"]


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
class CurveChart:
    """One chart of training.

    Args:
        title: What people read above it.
        lines: Column to the name of its line; columns that hold no number are left out, and a chart without any.
        note: A sentence on how to read it.
        level: Name and height of a dashed line to compare with.
        folded: Whether it stands among the further charts, which are folded away.
        joined: Whether a line goes on through a phase in which nothing was logged for it; otherwise it breaks off.
        marker: What to call a place along the horizontal axis, and where it is: a dotted line stands there, and the values are given.
    """

    title: str
    lines: Mapping[str, str]
    note: str = ""
    level: tuple[str, float] | None = None
    folded: bool = False
    joined: bool = False
    marker: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class TrainingCurves:
    """What training logged.

    Args:
        rows: Lines of ``metrics.csv``, in order: column to value, as text or number; empty or missing where nothing was logged.
        x: Column along the horizontal axis.
        charts: What to draw; empty draws the first eight columns that hold numbers that change, each by itself.
        start: Column to its value before the first step, where it was measured.
        phases: Value of the column ``phase`` to what people should read; those after the first are told apart by shades.
        faults: What could not be read, one sentence each.
    """

    rows: Sequence[Mapping[str, Any]]
    x: str = "step"
    charts: tuple[CurveChart, ...] = ()
    start: Mapping[str, float] = field(default_factory=dict)
    phases: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkExample:
    """One linked mention, with what is needed to judge the link by eye.

    Args:
        mention: The mention; its ``entity_id`` is the gold, ``NIL``, or None if nobody annotated it.
        link: What the linker answered.
        entities: Entity id to entity, for the gold, the chosen and the candidates (others do no harm; missing ones show their id only).
        gold_rank: Rank of the gold entity, where it was ranked.
        note: A sentence to show with it.
        gold_score: Score of the gold entity, where it is known; it may stand behind the candidates.
        slices: Keys of ``SLICES``, or other texts: the slices that the mention belongs to.
    """

    mention: Mention
    link: Link
    entities: Mapping[str, Entity]
    gold_rank: float | None = None
    note: str = ""
    gold_score: float | None = None
    slices: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool | None:
        """Whether the answer is the gold one; None where nobody annotated the mention."""
        return None if self.mention.entity_id is None else self.link.entity_id == self.mention.entity_id


@dataclass(frozen=True, slots=True)
class ErrorSample:
    """How many wrong answers there are, where ``ReportData.errors`` shows some of them only.

    Args:
        num_errors: All wrong answers.
        num_mentions: All mentions that were judged, right or wrong.
        order: How those shown were picked and sorted, in a sentence.
        kinds: Kind of error (``wrong_entity``, ``missed_nil``, ``false_nil``) to how many there are.
    """

    num_errors: int
    num_mentions: int
    order: str = ""
    kinds: Mapping[str, int] = field(default_factory=dict)


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
        settings: Settings of the run, name to value, or group to such a mapping; shown folded.
        defaults: The same with the values by default; settings that differ are marked.
        versions: Package to version; shown folded.
        systems: The systems compared on the same mentions, the first being the point of departure (zero-shot), the last the result.
        comparison: Paired test of the last system against the first, on H@1.
        seeds: Name to summary over several seeds.
        modalities: Text only, image only, fused.
        slices: Figures by slice.
        ranks: Spread of ranks, in the order of ``systems``.
        training: Curves.
        nil: Figures of the NIL decision.
        nil_curve: Its precision and recall over the probability that the KB has the entity.
        decision_note: When NIL is answered, in a sentence.
        removed: Figures with gold entities removed from the KB.
        removed_nil_curve: The same as ``nil_curve``, with them removed.
        removed_risk_curve: Risk over coverage, with them removed.
        reliability: Whether the probabilities mean what they say.
        reliability_note: What it was measured on: whether the calibration had seen these mentions.
        gates: Side (``mentions``, ``entities``) to its gates.
        pictures: Side to the account of its pictures.
        picture_root: Folder that the paths of pictures are shown relative to.
        examples: Links to look at; a dozen is enough.
        examples_note: How they were chosen.
        errors: Wrong links to browse, in the order to show.
        error_sample: How many there are, where ``errors`` holds some of them.
        notes: Sentences at the foot: what to keep in mind when reading.
    """

    title: str
    summary: str = ""
    notice: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
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
    decision_note: str = ""
    removed: RemovedGold | None = None
    removed_nil_curve: NilCurve | None = None
    removed_risk_curve: RiskCurve | None = None
    reliability: Reliability | None = None
    reliability_note: str = ""
    gates: Mapping[str, "GateSummary"] = field(default_factory=dict)
    pictures: Mapping[str, "FeatureReport"] = field(default_factory=dict)
    picture_root: Path | None = None
    examples: tuple[LinkExample, ...] = ()
    examples_note: str = ""
    errors: tuple[LinkExample, ...] = ()
    error_sample: ErrorSample | None = None
    notes: tuple[str, ...] = ()
