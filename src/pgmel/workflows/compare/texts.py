"""What the tables of a comparison say in words: headings, how to read them, and where runs were made under conditions that differ."""

from collections.abc import Mapping, Sequence
from typing import Final

from pgmel.workflows.compare.flags import kept_from_pretraining
from pgmel.workflows.compare.found import Found
from pgmel.workflows.compare.matrix import Budget

__all__ = ["LEADS", "TITLES", "cautions_of", "notes_of"]

TITLES: Final[Mapping[Budget, str]] = {"updates": "Equal updates", "wall": "Equal wall time"}

LEADS: Final[Mapping[Budget, str]] = {
    "updates": "On each data set every system takes the same number of discriminator updates; patience is off. They differ in time.",
    "wall": "Each system gets as many epochs as come nearest to the reference's training time under equal updates; evaluation is not "
    "counted.",
}

_RANKED: Final = (
    "H@1 and MRR rank the gold entity against the whole KB (or the candidate lists, where the settings ask for them), ties realistic. "
    "Each run counts with the weights of its best dev epoch, the untrained model among them."
)
_KEPT: Final = (
    "Kept from pretraining: the best dev epoch of such a run lies before its game began. What is shown and tested is then the model that "
    "pretraining left behind, whose negatives another rule picked; of the system's own rule it says only that its game did not make dev "
    "better."
)
_INTERVALS: Final = (
    "The interval of a mean is a t interval over seeds: it says how well the mean over these seeds stands for the system on these "
    "mentions. It does not say what other mentions would give."
)
_TESTS: Final = (
    "Tests average for each mention the seeds that a system and the reference both have, then compare mention by mention: p-values come "
    "from flipping the signs of whole clusters' differences, intervals of differences from resampling whole clusters (mentions that share "
    "a sentence or a picture). They say what "
    "other mentions of the same kind would give for these very runs. They do not cover the choice of seeds.",
    "The mean over data sets gives each data set the same weight, however many mentions it has; its test flips and resamples within "
    "data sets.",
)
_COST: Final = (
    "Seconds are those of training steps, with refreshed tables, pools and neighbour lists, the median over seeds; evaluation on dev and "
    "what is prepared once before training (encoding, projection, first pools and lists) are not counted. Processor seconds are those of "
    "the same steps, all threads of the process together: with one thread on an idle machine the two are alike."
)
_CORRECTED: Final = "p-values are corrected by Holm's method for all comparisons of their table; the two budgets are two families."

_DEV: Final = (
    "Dev chose the best epoch of every run, and whoever designed the systems looked at it: figures on it are slightly too good for all."
)
_TEST: Final = "Nothing was chosen on test: training and the choice of epochs saw train and dev only."


def notes_of(found: Found, split: str) -> tuple[str, ...]:
    """Say how to read the tables, as far as it concerns these runs."""
    runs = [run for runs in found.runs.values() for run in runs]
    notes = [_RANKED]
    notes += [_KEPT] * any(kept_from_pretraining(run) for run in runs)
    notes += [_INTERVALS] * (len({run.cell.seed for run in runs}) > 1)
    return (*notes, *_TESTS, _COST, _CORRECTED, _TEST if split == "test" else _DEV)


def cautions_of(found: Found, failures: Sequence[str]) -> list[str]:
    """Say what failed, what was left out and why, and where runs were made under conditions that differ."""
    said = [f"failed: {failure}" for failure in failures]
    records = [run.record for runs in found.runs.values() for run in runs]
    if len({record.code for record in records}) > 1:
        said.append("the runs were made by different states of the code; delete the older ones and run again for a clean table")
    if len({(record.jobs, record.threads) for record in records}) > 1:
        said.append("the runs were made with different numbers of processes or threads: their seconds are not comparable")
    if len({record.fingerprint for record in records}) > len({record.data for record in records}):
        said.append("the files of a data set changed between runs")
    said += [f"left out, since what it depends on has changed: {cell.name} ({changes})" for cell, changes in found.outdated]
    said += [f"left out, since it is damaged and counts as unfinished: {cell.name} ({why})" for cell, why in found.damaged]
    return said
