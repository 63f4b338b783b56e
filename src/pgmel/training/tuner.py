"""A text encoder that learns along with the discriminator: its optimiser, its best and its stale weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from pgmel.models import Modalities
from pgmel.training.checkpoint import Checkpoint, optimiser_tensors, restore_optimiser
from pgmel.training.distributed import World
from pgmel.training.inputs import LiveInputs

__all__ = ["EncoderTuner", "TunerPlan"]


@final
@dataclass(frozen=True)
class TunerPlan:
    """Plain values; the settings of the same names say what each means. ``mode`` to ``alpha`` are noted for checkpoints only."""

    mode: str
    rank: int
    alpha: float
    learning_rate: float
    weight_decay: float
    clip_norm: float


@final
class EncoderTuner:
    """Lets a text encoder learn from the discriminator's loss.

    Only what learns is copied and stored. The table holds every text's vector as the encoder gave it at the last renewal; pools, judging
    and the generator's inputs go by it, losses by fresh vectors.

    Args:
        inputs: Encode the texts of a batch.
        parameters: Name to parameter that learns.
        plan: Plain values.
        identity: Says which encoder it is, for checkpoints.
        show_progress: Whether to show bars.
    """

    def __init__(
        self, inputs: LiveInputs, parameters: Mapping[str, nn.Parameter], plan: TunerPlan, identity: Any, show_progress: bool = True
    ) -> None:
        self.inputs = inputs
        self.plan = plan
        self.identity = [identity, vars(plan)]
        self.table: Tensor | None = None
        self._parameters = dict(parameters)
        self._show_progress = show_progress
        self._optimiser = torch.optim.AdamW(self._parameters.values(), lr=plan.learning_rate, weight_decay=0.0)
        self._start = self._copy()
        self._best = self._copy()
        self._stale: dict[str, Tensor] | None = None

    def descend(self, factor: float, world: World) -> None:
        """Take a step along the gradients that a loss has left, and clear them.

        Args:
            factor: Share of the peak step length.
            world: Whose gradients are added up.
        """
        parameters = list(self._parameters.values())
        world.sum_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, self.plan.clip_norm)
        self._optimiser.param_groups[0]["lr"] = self.plan.learning_rate * factor
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        if self.plan.weight_decay:
            share = min(self.plan.weight_decay * self.plan.learning_rate * factor, 1.0)
            with torch.no_grad():
                for name, parameter in self._parameters.items():
                    parameter.lerp_(self._start[name], share)

    def renew(self, world: World) -> tuple[Modalities, Modalities]:
        """Encode all texts anew, shared out among the processes; return the inputs of the training mentions and of the KB."""
        self._stale = self._copy()
        self.table = world.sum(self.inputs.text.encode_all(world.rank, world.size, self._show_progress and world.leads))
        return self.inputs.from_table(self.table)

    def renew_as_before(self, world: World) -> tuple[Modalities, Modalities] | None:
        """Rebuild what the last renewal before a checkpoint gave, from the weights of that time; None if there was none."""
        if self._stale is None:
            return None
        current = self._copy()
        self._load(self._stale)
        found = self.renew(world)
        self._load(current)
        return found

    def keep_best(self) -> None:
        """Remember the weights as the best so far."""
        self._best = self._copy()

    def load_best(self) -> None:
        """Go back to the best weights."""
        self._load(self._best)

    def parts(self) -> dict[str, dict[str, Tensor]]:
        """Return what a checkpoint has to hold."""
        kept = {"encoder": self._copy(), "encoder_best": self._best, "encoder_optimiser": optimiser_tensors(self._optimiser)}
        return kept | ({} if self._stale is None else {"encoder_stale": self._stale})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self._load(checkpoint.part("encoder"))
        restore_optimiser(self._optimiser, checkpoint.part("encoder_optimiser"))
        self._best = self._moved(checkpoint.part("encoder_best"))
        self._stale = self._moved(checkpoint.part("encoder_stale")) or None

    def _copy(self) -> dict[str, Tensor]:
        return {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    def _load(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(tensors[name])

    def _moved(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.to(self._parameters[name].device) for name, tensor in tensors.items()}
