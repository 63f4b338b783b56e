"""Ranks with ties told apart, metrics with intervals, slices, comparisons of systems, and the report."""

from pgmel.evaluation.bootstrap import Interval
from pgmel.evaluation.comparison import PairedComparison, SeedSummary, aggregate_seeds, compare_paired
from pgmel.evaluation.metrics import METRICS, TIES, Metrics, Ties, measure, measure_slices
from pgmel.evaluation.nil import NilCurve, NilMetrics, measure_nil, nil_curve
from pgmel.evaluation.ranks import TIE_TOLERANCE, Ranks, candidate_recall, rank_against_candidates, rank_against_kb
from pgmel.evaluation.report import render_html_report, write_html_report
from pgmel.evaluation.report_data import LinkExample, RankSeries, ReportData, SliceScores, SystemScores, TrainingCurves
from pgmel.evaluation.result import PROTOCOLS, EvaluationResult, read_result
from pgmel.evaluation.slices import SLICES, normalise_surface, slice_masks
from pgmel.evaluation.tables import render_slices, render_table
from pgmel.evaluation.top import TopEntities

__all__ = [
    "METRICS",
    "PROTOCOLS",
    "SLICES",
    "TIES",
    "TIE_TOLERANCE",
    "EvaluationResult",
    "Interval",
    "LinkExample",
    "Metrics",
    "NilCurve",
    "NilMetrics",
    "PairedComparison",
    "RankSeries",
    "Ranks",
    "ReportData",
    "SeedSummary",
    "SliceScores",
    "SystemScores",
    "Ties",
    "TopEntities",
    "TrainingCurves",
    "aggregate_seeds",
    "candidate_recall",
    "compare_paired",
    "measure",
    "measure_nil",
    "measure_slices",
    "nil_curve",
    "normalise_surface",
    "rank_against_candidates",
    "rank_against_kb",
    "read_result",
    "render_html_report",
    "render_slices",
    "render_table",
    "slice_masks",
    "write_html_report",
]
