"""Which columns of ``metrics.csv`` the report draws, and how to read each."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pgmel.evaluation import CurveChart, EvaluationResult, Metrics, TrainingCurves
from pgmel.negatives import KBGAN_CANDIDATES, LEARNED
from pgmel.settings import Settings
from pgmel.training import METRICS, MetricsFile
from pgmel.workflows.report.epochs import DevPoint, dev_points, find_gap, find_kept

__all__ = ["name_phases", "training_curves"]

_FOLDED: Final = ("advantage_std", "learning_rate", "steps_per_s")
_WORDS: Final = ("step", "phase", "epoch")

_SAME_MRR: Final = 1e-3
"""Two measurements of the same weights do not differ by more."""


def training_curves(
    metrics: MetricsFile,
    settings: Settings | None,
    before: EvaluationResult | None,
    after: EvaluationResult | None = None,
    last_step: int | None = None,
) -> TrainingCurves:
    """Return what the report draws of a run's metrics.

    Args:
        metrics: What was logged; columns that nobody knows are drawn among the further ones.
        settings: Of the training that logged it; None where they are lost.
        before: The untrained model, where the dev curves start; None where it was not measured. What was not measured on dev, against the
            whole KB, is of no use here.
        after: The trained model, without any second stage, in the same way; None while training has not finished.
        last_step: Step of the newest checkpoint, to see whether rows are missing; None where there is none.
    """
    found = dict.fromkeys(name for row in metrics.rows for name, value in row.items() if value)
    start, end = _on_dev(before, settings), _on_dev(after, settings)
    phases = name_phases(settings, found)
    points = dev_points(metrics.rows, start.mrr.value if start else None)
    dev = _dev_chart(points, phases, end.mrr.value if end else None, after is not None)
    losses, twin = _loss_charts(settings, found)
    charts = [losses[0], dev, *losses[1:], *_charts(settings)]
    drawn = {column for chart in charts for column in chart.lines} | {twin}
    further = [name for name in (*_FOLDED, *found) if name in found and name not in drawn and name not in _WORDS]
    charts += [CurveChart(name, {name: name}, METRICS.get(name, ""), folded=True) for name in dict.fromkeys(further)]
    gap = find_gap(metrics.rows, settings, start.mrr.value if start else None, last_step) if after is not None else ""
    begun = {"dev_h_at_1": start.h_at_1.value, "dev_mrr": start.mrr.value} if start and "dev_mrr" in found else {}
    return TrainingCurves(metrics.rows, "step", tuple(charts), begun, phases, (gap,) * bool(gap) + metrics.faults)


def name_phases(settings: Settings | None, columns: Collection[str]) -> Mapping[str, str]:
    """Return each value of the column ``phase`` with what people should read: there is a game only where a generator was trained."""
    if settings is not None and settings.negatives.sampler not in LEARNED:
        first = f"pretraining with the rule {settings.pretrain_sampler}"
        last = f"training with the rule {settings.negatives.sampler}"
    else:
        first = "pretraining of the discriminator"
        last = "the game" if settings is not None or "generator_loss" in columns else "training"
    return {"pretrain_discriminator": first, "pretrain_generator": "pretraining of the generator", "adversarial": last}


def _on_dev(result: EvaluationResult | None, settings: Settings | None) -> Metrics | None:
    """Return figures that can stand beside the dev columns of the log: of dev, against the whole KB."""
    if result is None or result.protocol != "kb":
        return None
    dev = settings.data.dev_split if settings is not None else "dev"
    return result.overall if result.data.get("split", dev) == dev else None


def _dev_chart(points: Sequence[DevPoint], phases: Mapping[str, str], reached: float | None, is_finished: bool) -> CurveChart:
    """Return the chart of the scores on dev, with the epoch that was kept.

    Args:
        points: What was logged.
        phases: What the phases are called.
        reached: MRR of the trained model; None where it was not measured in the same way.
        is_finished: Whether training is at its end.
    """
    kept = find_kept(points)
    marker = None
    note = "Measured at the end of epochs. "
    if kept is None or not is_finished:
        note += "The weights with the best MRR will be kept." if kept is None else f"The best MRR so far is that of {_place(kept, phases)}."
        marker = None if kept is None else ("best so far", float(kept.step))
    elif reached is not None and abs(kept.mrr - reached) > _SAME_MRR:
        note += f'The weights with the best MRR are kept, but none of these points has the MRR of "trained", {reached:.4g}.'
    elif kept.step == 0:
        note += 'No epoch was better than the untrained model, whose weights were kept: "trained" on this page means them.'
        marker = ("kept", 0.0)
    else:
        last = kept is points[-1]
        note += f"The weights with the best MRR were kept, those of {_place(kept, phases)}: "
        note += '"trained" on this page means them' + (", the last ones." if last else ", not those of the end.")
        marker = ("kept", float(kept.step))
    return CurveChart("Scores on dev", {"dev_h_at_1": "H@1", "dev_mrr": "MRR"}, note, joined=True, marker=marker)


def _place(point: DevPoint, phases: Mapping[str, str]) -> str:
    if point.step == 0:
        return "the untrained model (dotted)"
    phase = phases.get(point.phase, "")
    epoch = f", the end of epoch {point.epoch + 1} of {phase}" if phase and point.epoch is not None else ""
    return f"step {point.step:,} (dotted){epoch}"


def _loss_charts(settings: Settings | None, found: Collection[str]) -> tuple[list[CurveChart], str]:
    """Return the charts of the losses, what is minimised first, and a column that says the same as one of them."""
    whole = "discriminator_loss" if "discriminator_loss" in found else "infonce_loss"
    triplet = {"triplet_loss": "triplet loss"}
    generator = CurveChart(
        "Generator's loss",
        {"generator_loss": "loss"},
        "What the generator minimises: the loss of its estimator minus weighted entropy. Read its reward to see whether it gets better.",
    )
    if settings is None:
        return [CurveChart("Loss", {"discriminator_loss": "loss"}, "What the discriminator minimises."), generator], ""
    training = settings.training
    if training.objective == "joint":
        joint = "What is minimised (objective joint): InfoNCE, the cross-entropy of the gold entity among all that the batch shows."
        other = "Not minimised under the objective joint, to compare: what is left of the margin, averaged over negatives."
        charts = [CurveChart("Loss: InfoNCE", {whole: "loss"}, joint), generator]
        return [*charts, CurveChart("Triplet loss", triplet, other, folded=True)], "infonce_loss"
    hinge = "what is left of the margin, averaged over negatives"
    if training.infonce_weight == 0:
        return [CurveChart("Triplet loss", triplet, f"What is minimised (objective triplet): {hinge}."), generator], "discriminator_loss"
    lines = {"discriminator_loss": "whole loss", "infonce_loss": "InfoNCE", **triplet}
    weight = "" if training.infonce_weight == 1 else f"{training.infonce_weight:g} times "
    note = f"What is minimised (objective triplet): the triplet loss, {hinge}, plus {weight}InfoNCE within the batch."
    return [CurveChart("Loss: triplet and InfoNCE", lines, note), generator], ""


def _count_candidates(settings: Settings) -> int:
    """Return among how many entities the policy chooses: those of a mention's pool, or the few that KBGAN offers it."""
    return KBGAN_CANDIDATES if settings.negatives.sampler == "kbgan" else settings.negatives.pool_size


def _charts(settings: Settings | None) -> list[CurveChart]:
    candidates = None if settings is None else _count_candidates(settings)
    uniform = None if candidates is None else ("uniform policy", math.log(candidates))
    entropy = "Low: the policy always picks the same few." + (f" Dashed: all {candidates} candidates equally likely." if candidates else "")
    return [
        CurveChart("Generator's reward", {"reward": "reward"}, "What the discriminator pays for the generator's picks."),
        CurveChart("Entropy of the policy", {"policy_entropy": "entropy (nats)"}, entropy, level=uniform),
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
        CurveChart(
            "Likely false negatives",
            {"likely_false_share": "share of the negatives shown"},
            "Picked as wrong although they may well be the same entity.",
        ),
    ]
