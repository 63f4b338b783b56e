"""What a comparison of systems shows: tables, tests, curves; plain values that go to JSON, text and a page alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from pgmel.evaluation.bootstrap import Interval

__all__ = [
    "COMPARED",
    "Comparison",
    "ComparisonCell",
    "ComparisonRow",
    "ComparisonTable",
    "CurveSeries",
    "Difference",
    "PublishedFigures",
]

COMPARED: Final[Mapping[str, str]] = {"h_at_1": "H@1", "mrr": "MRR"}
"""Metrics that comparisons show and test."""


@final
@dataclass(frozen=True, slots=True)
class Difference:
    """A system's mean minus the reference's, seeds averaged, paired by mention.

    Args:
        value: The difference with its bootstrap interval over whole clusters.
        p_value: Two-sided, by flipping the signs of whole clusters of mentions.
        p_adjusted: Corrected for all comparisons of the table.
    """

    value: Interval
    p_value: float
    p_adjusted: float

    def differs(self, level: float = 0.05) -> bool:
        """Whether the system differs from the reference at this level."""
        return self.p_adjusted < level


@final
@dataclass(frozen=True, slots=True)
class ComparisonCell:
    """One system on one data set, or on the mean over data sets.

    Args:
        scores: Metric to mean over seeds with its t interval.
        runs: Metric to the value of each seed, in the order of ``seeds``.
        seeds: The seeds that were run.
        differences: Metric to the difference from the reference; empty for the reference itself.
        seconds: Median training seconds, evaluation not counted; None for means over data sets.
        updates: Mean number of discriminator updates; None for means over data sets.
        epochs: Mean number of epochs in which the discriminator learned; None for means over data sets.
        num_mentions: Mentions measured.
        flags: What to know before comparing it, in words.
        processor_s: Median processor seconds of the same steps; None for means, and for runs made before they were measured.
        cost_flags: What to know before comparing its seconds, in words.
    """

    scores: Mapping[str, Interval]
    runs: Mapping[str, tuple[float, ...]]
    seeds: tuple[int, ...]
    differences: Mapping[str, Difference] = field(default_factory=dict)
    seconds: float | None = None
    updates: float | None = None
    epochs: float | None = None
    num_mentions: int = 0
    flags: tuple[str, ...] = ()
    processor_s: float | None = None
    cost_flags: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One system.

    Args:
        system: Its key.
        label: Its name.
        group: Heading it stands under, or empty.
        cells: Data set to figures; what was not run is not there.
        mean: Figures of the mean over data sets, each with equal weight; None where it was not run on all of them.
    """

    system: str
    label: str
    group: str
    cells: Mapping[str, ComparisonCell]
    mean: ComparisonCell | None = None

    def figures(self) -> list[tuple[str, ComparisonCell]]:
        """Return data set and figures; those of the mean, if there are any, come last, under an empty name."""
        return [*self.cells.items(), *([("", self.mean)] if self.mean else [])]


@final
@dataclass(frozen=True, slots=True)
class ComparisonTable:
    """All systems under one budget.

    Args:
        budget: ``updates`` or ``wall``.
        title: Heading.
        lead: What is equal for all, in words.
        rows: The untrained model first, then the systems.
        num_comparisons: How many comparisons the correction counts.
        family: Which comparisons these are, in words.
    """

    budget: str
    title: str
    lead: str
    rows: tuple[ComparisonRow, ...]
    num_comparisons: int
    family: str

    @property
    def num_seeds(self) -> int:
        """The most seeds that any figure is the mean of."""
        return max((len(cell.seeds) for row in self.rows for cell in row.cells.values()), default=0)

    @property
    def notes(self) -> tuple[tuple[ComparisonRow, str, str], ...]:
        """Row, data set (empty: the mean) and text of everything to know before comparing scores."""
        return tuple((row, data, flag) for row in self.rows for data, cell in row.figures() for flag in cell.flags)

    @property
    def cost_notes(self) -> tuple[tuple[ComparisonRow, str, str], ...]:
        """The same of everything to know before comparing seconds."""
        return tuple((row, data, flag) for row in self.rows for data, cell in row.figures() for flag in cell.cost_flags)


@final
@dataclass(frozen=True, slots=True)
class CurveSeries:
    """Dev scores of one system on one data set over training, mean over seeds.

    Args:
        data: Key of the data set.
        system: Key of the system.
        label: Name of the system.
        group: Its group, or empty.
        updates: Discriminator updates at the end of each epoch, 0 first.
        seconds: Training seconds until then.
        h_at_1: H@1 then.
        mrr: MRR then.
    """

    data: str
    system: str
    label: str
    group: str
    updates: tuple[float, ...]
    seconds: tuple[float, ...]
    h_at_1: tuple[float, ...]
    mrr: tuple[float, ...]


@final
@dataclass(frozen=True, slots=True)
class PublishedFigures:
    """Figures of somebody else; the fields are those of the matrix file's ``[[published]]``."""

    system: str
    data: str
    h_at_1: float | None
    mrr: float | None
    protocol: str
    source: str
    comparable: str


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything a comparison shows.

    Args:
        title: Heading.
        summary: What is asked.
        split: Split that the figures are on.
        reference: Key of the reference system.
        reference_label: Its name.
        data: Data set to heading.
        tables: One per budget.
        curves: Learning curves under equal updates.
        published: Figures from elsewhere.
        progress: How many runs are finished, failed and missing, in words.
        notes: How to read the figures.
        cautions: What is wrong or unfinished, in words.
        facts: Versions and the like.
        confidence: Level of the intervals.
    """

    title: str
    summary: str
    split: str
    reference: str
    reference_label: str
    data: Mapping[str, str]
    tables: tuple[ComparisonTable, ...]
    curves: tuple[CurveSeries, ...] = ()
    published: tuple[PublishedFigures, ...] = ()
    progress: str = ""
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.95
