"""Which columns of ``metrics.csv`` the report draws, and how to read each."""

import math
from typing import Final

from pgmel.evaluation import CurveChart, EvaluationResult, TrainingCurves
from pgmel.settings import Settings
from pgmel.training import METRICS, MetricsFile

__all__ = ["PHASES", "training_curves"]

PHASES: Final = {
    "pretrain_discriminator": "pretraining of the discriminator",
    "pretrain_generator": "pretraining of the generator",
    "adversarial": "the game",
}
"""Value of the column ``phase`` to what people read."""

_FOLDED: Final = ("discriminator_loss", "infonce_loss", "generator_loss", "advantage_std", "learning_rate", "steps_per_s")
_WORDS: Final = ("step", "phase", "epoch")


def training_curves(metrics: MetricsFile, settings: Settings | None, before: EvaluationResult | None) -> TrainingCurves:
    """Return what the report draws of a run's metrics.

    Args:
        metrics: What was logged; columns that nobody knows are drawn among the further ones.
        settings: Of the run, for the entropy of the uniform policy; None where they are lost.
        before: The untrained model on dev, where the dev curves start; None where it was not measured.
    """
    charts = _charts(settings)
    drawn = {column for chart in charts for column in chart.lines}
    found = dict.fromkeys(name for row in metrics.rows for name, value in row.items() if value)
    further = [name for name in (*_FOLDED, *found) if name in found and name not in drawn and name not in _WORDS]
    charts += [CurveChart(name, {name: name}, METRICS.get(name, ""), folded=True) for name in dict.fromkeys(further)]
    start = {} if before is None else {"dev_h_at_1": before.overall.h_at_1.value, "dev_mrr": before.overall.mrr.value}
    has_dev = any(row.get("dev_mrr") for row in metrics.rows)
    return TrainingCurves(metrics.rows, "step", tuple(charts), start if has_dev else {}, PHASES, metrics.faults)


def _charts(settings: Settings | None) -> list[CurveChart]:
    uniform = None if settings is None else ("uniform policy", math.log(settings.negatives.pool_size))
    entropy = "Low: the policy always picks the same few. " + ("Dashed: all candidates of a pool equally likely." if uniform else "")
    return [
        CurveChart(
            "Scores on dev",
            {"dev_h_at_1": "H@1", "dev_mrr": "MRR"},
            "At the end of epochs; the weights with the best MRR are kept.",
            joined=True,
        ),
        CurveChart("Triplet loss", {"triplet_loss": "triplet loss"}, "What is left of the margin, averaged over negatives."),
        CurveChart(
            "Scores of gold entities and negatives",
            {"positive_score": "gold", "negative_score": "negatives"},
            "Training pulls the two apart; harder negatives lift the lower line.",
        ),
        CurveChart(
            "Negatives that still teach",
            {"active_share": "share within the margin"},
            "Near 0 the negatives are too easy; near 1 they are very hard, or false.",
        ),
        CurveChart("Generator's reward", {"reward": "reward"}, "What the discriminator pays for the generator's picks."),
        CurveChart("Entropy of the policy", {"policy_entropy": "entropy (nats)"}, entropy, level=uniform),
        CurveChart(
            "Likely false negatives",
            {"likely_false_share": "share of the negatives shown"},
            "Picked as wrong although they may well be the same entity.",
        ),
    ]
