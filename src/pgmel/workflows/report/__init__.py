"""Report of a run: what training made of the model, on one page for people."""

from pgmel.workflows.report.collect import TrainedModel, collect_report, compare_hits
from pgmel.workflows.report.folder import RunFolder, open_run
from pgmel.workflows.report.write import ReportWritten, report_run

__all__ = ["ReportWritten", "RunFolder", "TrainedModel", "collect_report", "compare_hits", "open_run", "report_run"]
