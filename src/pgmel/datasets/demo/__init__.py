"""The built-in demo: places whose names are ambiguous, sentences about them, and their flags, all written and drawn by pgmel."""

from pgmel.datasets.demo.examples import EXAMPLES
from pgmel.datasets.demo.writing import SPLIT_SIZES, write_demo

__all__ = ["EXAMPLES", "SPLIT_SIZES", "write_demo"]
