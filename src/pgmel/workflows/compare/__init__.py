"""Compare systems: a matrix of settings x data sets x seeds under equal budgets, resumed at will, with tests and curves."""

from pgmel.workflows.compare.job import CompareResult, RunsFailedError, compare
from pgmel.workflows.compare.matrix import Matrix, read_matrix
from pgmel.workflows.compare.plan import Cell, Plan, make_plan

__all__ = ["Cell", "CompareResult", "Matrix", "Plan", "RunsFailedError", "compare", "make_plan", "read_matrix"]
