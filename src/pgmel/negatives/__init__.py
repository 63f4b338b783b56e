"""Who the wrong entities are: rules that pick negatives, by name.

A new rule takes three edits: its function, its row in ``SAMPLERS``, its row in ``tests/contracts/test_negatives_contract.py``.
"""

from collections.abc import Mapping

from pgmel.negatives.ance import draw_ance
from pgmel.negatives.in_batch import draw_in_batch
from pgmel.negatives.irgan import IRGAN_RULES, IRGAN_TEMPERATURE, draw_irgan
from pgmel.negatives.jaccard import draw_jaccard
from pgmel.negatives.kbgan import KBGAN_CANDIDATES, KBGAN_RULES, draw_kbgan, offer_kbgan
from pgmel.negatives.lexical import draw_lexical
from pgmel.negatives.pool import draw_generator, draw_hardest, draw_pool_uniform, draw_softmax
from pgmel.negatives.sampler import Batch, Negatives, Sampler
from pgmel.negatives.tfidf import draw_tfidf
from pgmel.negatives.uniform import draw_uniform

__all__ = [
    "IRGAN_TEMPERATURE",
    "KBGAN_CANDIDATES",
    "LEARNED",
    "NEEDS_NEAREST",
    "NEEDS_NEIGHBOURS",
    "NEEDS_SCORES",
    "PUBLISHED_RULES",
    "SAMPLERS",
    "Batch",
    "Negatives",
    "Sampler",
    "offer_kbgan",
]

SAMPLERS: dict[str, Sampler] = {
    "uniform": draw_uniform,
    "in_batch": draw_in_batch,
    "lexical": draw_lexical,
    "tfidf": draw_tfidf,
    "jaccard": draw_jaccard,
    "pool_uniform": draw_pool_uniform,
    "hardest": draw_hardest,
    "softmax": draw_softmax,
    "ance": draw_ance,
    "kbgan": draw_kbgan,
    "irgan": draw_irgan,
    "generator": draw_generator,
}

LEARNED = frozenset({"kbgan", "irgan", "generator"})
"""Rules whose policy learns from rewards."""

NEEDS_SCORES = frozenset({"hardest", "softmax"}) | LEARNED
"""Rules for which the discriminator judges candidates, to choose or to pay."""

NEEDS_NEIGHBOURS = frozenset({"lexical", "tfidf", "jaccard"})
"""Rules that draw from lists of the gold entity's neighbours, made before training."""

NEEDS_NEAREST = frozenset({"ance"})
"""Rules that draw from lists of the mention's nearest entities, rebuilt in training."""

PUBLISHED_RULES: Mapping[str, Mapping[str, object]] = {"kbgan": KBGAN_RULES, "irgan": IRGAN_RULES}
"""Policy to the plain values of the game that its publication fixes, in place of the generator's settings."""
