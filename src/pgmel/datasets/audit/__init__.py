"""Audit of splits: what leaks from train, from ids and from pictures, and what is left when all of it is taken out."""

from pgmel.datasets.audit.auditing import Audit, PictureCoverage, SplitAudit, audit_dataset
from pgmel.datasets.audit.entities import DuplicateCounts
from pgmel.datasets.audit.findings import FINDINGS, SEVERITIES, Finding, FindingKind, Hit
from pgmel.datasets.audit.verdicts import audit_to_json, check_folder, clean_name, write_audit, write_clean_splits

__all__ = [
    "FINDINGS",
    "SEVERITIES",
    "Audit",
    "DuplicateCounts",
    "Finding",
    "FindingKind",
    "Hit",
    "PictureCoverage",
    "SplitAudit",
    "audit_dataset",
    "audit_to_json",
    "check_folder",
    "clean_name",
    "write_audit",
    "write_clean_splits",
]
