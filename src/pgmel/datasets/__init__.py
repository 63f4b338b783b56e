"""Data sets: published layouts and our own, read into records; audit of their splits; conversion to our own layout."""

from pgmel.datasets.audit import Audit, audit_dataset
from pgmel.datasets.audit_pictures import PictureAudit, audit_pictures
from pgmel.datasets.converting import Conversion, convert_dataset
from pgmel.datasets.dataset import Dataset, Layout
from pgmel.datasets.loading import LAYOUTS, detect_layout, load_dataset

__all__ = [
    "LAYOUTS",
    "Audit",
    "Conversion",
    "Dataset",
    "Layout",
    "PictureAudit",
    "audit_dataset",
    "audit_pictures",
    "convert_dataset",
    "detect_layout",
    "load_dataset",
]
