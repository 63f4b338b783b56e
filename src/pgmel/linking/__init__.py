"""Linking: mention in, link out; the decision between link and NIL; the bundle folder; whole files."""

from pgmel.linking.bulk import BulkJob, BulkOptions
from pgmel.linking.bundle import (
    CARD,
    INDEX,
    KB_FILE,
    MODEL,
    NAMES,
    bundle_identity,
    check_replaceable,
    load_names,
    load_reranker,
    name_kb,
    package_versions,
    read_card,
    write_bundle,
)
from pgmel.linking.calibration import LEAST_GROUPS, NUM_FOLDS, DecisionGoals, DevScores, cross_fit, fit_decision
from pgmel.linking.checking import check_bundle
from pgmel.linking.decision import Decision, StatedPrecision
from pgmel.linking.encoders import IMAGE_ENCODER, bundled_encoder, load_encoders
from pgmel.linking.explaining import Explainer
from pgmel.linking.hub import find_pretrained, push_to_hub
from pgmel.linking.inputs import MENTION_FORMATS, InputOptions
from pgmel.linking.journal import Counts
from pgmel.linking.lines import LINK_COLUMNS, link_values
from pgmel.linking.linker import Linker
from pgmel.linking.model_card import ModelCardOptions, render_model_card
from pgmel.linking.name_matching import name_match
from pgmel.linking.proposing import CandidateSearch
from pgmel.linking.publishing import PublishOptions, clean_card, save_pretrained
from pgmel.linking.revision import PICTURES, revise_bundle
from pgmel.linking.wording import decision_lines, describe_decision

__all__ = [
    "CARD",
    "IMAGE_ENCODER",
    "INDEX",
    "KB_FILE",
    "LEAST_GROUPS",
    "LINK_COLUMNS",
    "MENTION_FORMATS",
    "MODEL",
    "NAMES",
    "NUM_FOLDS",
    "PICTURES",
    "BulkJob",
    "BulkOptions",
    "CandidateSearch",
    "Counts",
    "Decision",
    "DecisionGoals",
    "DevScores",
    "Explainer",
    "InputOptions",
    "Linker",
    "ModelCardOptions",
    "PublishOptions",
    "StatedPrecision",
    "bundle_identity",
    "bundled_encoder",
    "check_bundle",
    "check_replaceable",
    "clean_card",
    "cross_fit",
    "decision_lines",
    "describe_decision",
    "find_pretrained",
    "fit_decision",
    "link_values",
    "load_encoders",
    "load_names",
    "load_reranker",
    "name_kb",
    "name_match",
    "package_versions",
    "push_to_hub",
    "read_card",
    "render_model_card",
    "revise_bundle",
    "save_pretrained",
    "write_bundle",
]
