"""Metrics of a run: one CSV file, and TensorBoard if wanted."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from pgmel.files import write_text

__all__ = ["METRICS", "MetricsLog"]

METRICS: dict[str, str] = {
    "step": "Number of the step, from 1, over all phases.",
    "phase": "pretrain_discriminator, pretrain_generator or adversarial.",
    "epoch": "Epoch within the phase, from 0.",
    "discriminator_loss": "What the discriminator minimises (`training.objective`), mean since the last row.",
    "triplet_loss": "Mean over negatives of max(0, margin - s+ + s-).",
    "infonce_loss": "Mean cross-entropy of the gold entity among the batch's, in `joint` among all negatives too.",
    "active_share": "Share of negatives within the margin: those that teach something.",
    "positive_score": "Mean score of the gold entities.",
    "negative_score": "Mean score of the negatives shown.",
    "likely_false_share": "Share of the negatives shown that are likely false negatives.",
    "negative_rank": "Mean place of the negatives shown in the mention's pool, best retrieved first; outside it, one past its end.",
    "generator_loss": "Loss of the policy's estimator minus weighted entropy.",
    "reward": "Mean reward of the generator's draws, penalties taken off.",
    "advantage_std": "Standard deviation of reward minus baseline.",
    "policy_entropy": "Mean entropy of the policy over a pool, in nats.",
    "learning_rate": "Step length of the discriminator.",
    "dev_h_at_1": "H@1 on dev, realistic ties, whole KB; at the end of epochs.",
    "dev_mrr": "Mean reciprocal rank on dev, the same way; early stopping reads it.",
    "steps_per_s": "Steps per second since the last row.",
    "processor_s": "Processor seconds that the steps since the last row took in this process, all its threads together.",
}
"""Column of ``metrics.csv`` to what it means."""


@final
class MetricsLog:
    """Append rows to ``metrics.csv`` and to TensorBoard.

    Args:
        folder: Folder of the run.
        first_step: Rows after this step are dropped: a resumed run writes them again.
        tensorboard: Whether to write TensorBoard files too.
    """

    def __init__(self, folder: Path, first_step: int, tensorboard: bool) -> None:
        self.file = folder / "metrics.csv"
        kept = [row for row in self.read(folder) if int(row["step"]) <= first_step]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(METRICS), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
        write_text(self.file, text.getvalue())
        self.board: Any = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1)

    @staticmethod
    def read(folder: Path) -> list[dict[str, str]]:
        """Return the rows of a run's ``metrics.csv``; none if there is no such file."""
        file = folder / "metrics.csv"
        if not file.exists():
            return []
        with file.open(newline="", encoding="utf-8") as handle:
            # A line cut off by a crash lacks columns; it is dropped with the steps that come again.
            return [row for row in csv.DictReader(handle) if (row.get("step") or "").isdigit() and None not in row.values()]

    def write(self, step: int, row: Mapping[str, object]) -> None:
        """Append a row."""
        values = {"step": step, **row}
        with self.file.open("a", newline="", encoding="utf-8") as handle:
            csv.DictWriter(handle, list(METRICS), restval="").writerow(
                {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in values.items()}
            )
        if self.board is not None:
            for key, value in row.items():
                if isinstance(value, float):
                    self.board.add_scalar(key, value, step)

    def close(self) -> None:
        """Flush everything."""
        if self.board is not None:
            self.board.close()
