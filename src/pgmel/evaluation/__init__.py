"""Ranks with ties told apart, metrics with intervals, slices, comparisons of systems, and the report."""

from pgmel.evaluation.bootstrap import Interval
from pgmel.evaluation.comparison import PairedComparison, SeedSummary, aggregate_seeds, compare_paired, t_interval
from pgmel.evaluation.comparison_data import (
    COMPARED,
    Comparison,
    ComparisonCell,
    ComparisonRow,
    ComparisonTable,
    CurveSeries,
    Difference,
    PublishedFigures,
)
from pgmel.evaluation.comparison_page import render_comparison_page, render_curves
from pgmel.evaluation.comparison_tables import render_csv, render_markdown
from pgmel.evaluation.contrasts import MEAN, Contrasts, DataRanks, contrast
from pgmel.evaluation.correction import holm
from pgmel.evaluation.metrics import METRICS, TIES, Metrics, Ties, measure, measure_slices, metric_values
from pgmel.evaluation.nil import NilCurve, NilMetrics, measure_nil, nil_curve
from pgmel.evaluation.ranks import TIE_TOLERANCE, Ranks, candidate_recall, rank_against_candidates, rank_against_kb
from pgmel.evaluation.reliability import Reliability, ReliabilityBin, assign_folds, measure_reliability, wilson_interval
from pgmel.evaluation.removed_gold import RemovedGold, draw_removed
from pgmel.evaluation.report import render_html_report, write_html_report
from pgmel.evaluation.report_data import (
    CurveChart,
    ErrorSample,
    LinkExample,
    RankSeries,
    ReportData,
    SliceScores,
    SystemScores,
    TrainingCurves,
)
from pgmel.evaluation.result import PROTOCOLS, EvaluationResult, read_result
from pgmel.evaluation.risk_coverage import COVERAGES, CoverageRisk, RiskCoverage, RiskCurve, measure_risk_coverage, risk_curve
from pgmel.evaluation.slices import SLICES, normalise_surface, slice_masks
from pgmel.evaluation.strata import PairedSamples, pool_strata, sample_paired
from pgmel.evaluation.tables import render_slices, render_table
from pgmel.evaluation.top import TopEntities

__all__ = [
    "COMPARED",
    "COVERAGES",
    "MEAN",
    "METRICS",
    "PROTOCOLS",
    "SLICES",
    "TIES",
    "TIE_TOLERANCE",
    "Comparison",
    "ComparisonCell",
    "ComparisonRow",
    "ComparisonTable",
    "Contrasts",
    "CoverageRisk",
    "CurveChart",
    "CurveSeries",
    "DataRanks",
    "Difference",
    "ErrorSample",
    "EvaluationResult",
    "Interval",
    "LinkExample",
    "Metrics",
    "NilCurve",
    "NilMetrics",
    "PairedComparison",
    "PairedSamples",
    "PublishedFigures",
    "RankSeries",
    "Ranks",
    "Reliability",
    "ReliabilityBin",
    "RemovedGold",
    "ReportData",
    "RiskCoverage",
    "RiskCurve",
    "SeedSummary",
    "SliceScores",
    "SystemScores",
    "Ties",
    "TopEntities",
    "TrainingCurves",
    "aggregate_seeds",
    "assign_folds",
    "candidate_recall",
    "compare_paired",
    "contrast",
    "draw_removed",
    "holm",
    "measure",
    "measure_nil",
    "measure_reliability",
    "measure_risk_coverage",
    "measure_slices",
    "metric_values",
    "nil_curve",
    "normalise_surface",
    "pool_strata",
    "rank_against_candidates",
    "rank_against_kb",
    "read_result",
    "render_comparison_page",
    "render_csv",
    "render_curves",
    "render_html_report",
    "render_markdown",
    "render_slices",
    "render_table",
    "risk_curve",
    "sample_paired",
    "slice_masks",
    "t_interval",
    "wilson_interval",
    "write_html_report",
]
