"""Linking: mention in, link out; the decision between link and NIL; the bundle folder; whole files."""

from pgmel.linking.bulk import BulkJob
from pgmel.linking.bundle import bundle_identity, check_bundle, package_versions, read_card, write_bundle
from pgmel.linking.calibration import fit_decision
from pgmel.linking.decision import Decision
from pgmel.linking.encoders import load_encoders
from pgmel.linking.journal import Counts
from pgmel.linking.lines import link_values, parse_mention
from pgmel.linking.linker import Linker

__all__ = [
    "BulkJob",
    "Counts",
    "Decision",
    "Linker",
    "bundle_identity",
    "check_bundle",
    "fit_decision",
    "link_values",
    "load_encoders",
    "package_versions",
    "parse_mention",
    "read_card",
    "write_bundle",
]
