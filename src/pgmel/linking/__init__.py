"""Linking: mention in, link out; the decision between link and NIL; the bundle folder; whole files."""

from pgmel.linking.bulk import BulkJob
from pgmel.linking.bundle import INDEX, KB_FILE, MODEL, bundle_identity, check_bundle, package_versions, read_card, write_bundle
from pgmel.linking.calibration import fit_decision
from pgmel.linking.decision import Decision
from pgmel.linking.encoders import bundled_encoder, load_encoders
from pgmel.linking.journal import Counts
from pgmel.linking.lines import link_values, parse_mention
from pgmel.linking.linker import Linker
from pgmel.linking.revision import PICTURES, revise_bundle

__all__ = [
    "INDEX",
    "KB_FILE",
    "MODEL",
    "PICTURES",
    "BulkJob",
    "Counts",
    "Decision",
    "Linker",
    "bundle_identity",
    "bundled_encoder",
    "check_bundle",
    "fit_decision",
    "link_values",
    "load_encoders",
    "package_versions",
    "parse_mention",
    "read_card",
    "revise_bundle",
    "write_bundle",
]
