"""Who the wrong entities are: rules that pick negatives, by name.

A new rule takes three edits: its function, its row in ``SAMPLERS``, its row in ``tests/contracts/test_negatives_contract.py``.
"""

from pgmel.negatives.in_batch import draw_in_batch
from pgmel.negatives.pool import draw_generator, draw_hardest, draw_pool_uniform, draw_softmax
from pgmel.negatives.sampler import Batch, Negatives, Sampler
from pgmel.negatives.uniform import draw_uniform

__all__ = ["NEEDS_SCORES", "SAMPLERS", "Batch", "Negatives", "Sampler"]

SAMPLERS: dict[str, Sampler] = {
    "uniform": draw_uniform,
    "in_batch": draw_in_batch,
    "pool_uniform": draw_pool_uniform,
    "hardest": draw_hardest,
    "softmax": draw_softmax,
    "generator": draw_generator,
}

NEEDS_SCORES = frozenset({"hardest", "softmax", "generator"})
