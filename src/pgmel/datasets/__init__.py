"""Data sets: published layouts and our own, read into records; audit of their splits; conversion to our own layout."""

from pgmel.datasets.audit import Audit, audit_dataset
from pgmel.datasets.converting import Conversion, convert_dataset
from pgmel.datasets.dataset import Dataset, Layout
from pgmel.datasets.description import Description, describe_dataset
from pgmel.datasets.description_pictures import PictureDescription, describe_pictures
from pgmel.datasets.loading import LAYOUTS, detect_layout, load_dataset

__all__ = [
    "LAYOUTS",
    "Audit",
    "Conversion",
    "Dataset",
    "Description",
    "Layout",
    "PictureDescription",
    "audit_dataset",
    "convert_dataset",
    "describe_dataset",
    "describe_pictures",
    "detect_layout",
    "load_dataset",
]
