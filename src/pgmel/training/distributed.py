"""One process or several: each takes a slice of every batch, and gradients are averaged.

Launched by ``torchrun``; without it everything here does nothing. Chance is drawn for the whole batch in every process alike, so
the number of processes does not change the result beyond the order of floating-point sums.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, final

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

__all__ = ["World", "world"]

T = TypeVar("T")
PATIENCE = timedelta(hours=24)  # the others wait while the leading process encodes a large KB


@final
@dataclass(frozen=True)
class World:
    """This process's number and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return this process's slice of ``count`` rows; slices differ by one row at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum(self, value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Add a detached value up over all processes."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    def gather_rows(self, rows: Float[Tensor, "local dim"], count: int) -> Float[Tensor, "count dim"]:
        """Bring the rows of all processes together, in order; the gradient flows back to each process's own rows.

        Args:
            rows: This process's slice.
            count: Rows of all processes together.
        """
        if self.size == 1:
            return rows
        full = rows.new_zeros((count, rows.shape[1]))
        full[self.share(count)] = rows.detach()
        dist.all_reduce(full)
        return _OwnRows.apply(rows, full, self.share(count))  # type: ignore[no-any-return, no-untyped-call]

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add the gradients up over all processes, in one message."""
        if self.size == 1:
            return
        parameters = list(parameters)
        grads = [parameter.grad if parameter.grad is not None else torch.zeros_like(parameter) for parameter in parameters]
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        dist.all_reduce(flat)
        for parameter, grad, part in zip(parameters, grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
            parameter.grad = part.view_as(grad)

    def first(self, work: Callable[[], T]) -> T:
        """Let the leading process do some work before the others do it: they then find its results in the cache."""
        if self.size == 1:
            return work()
        done = work() if self.leads else None
        self.wait()
        return done if done is not None else work()

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.size > 1:
            dist.barrier()

    def agree(self, flag: bool, device: torch.device) -> bool:
        """Return whether any process raised the flag."""
        return bool(self.sum(torch.tensor(float(flag), device=device)).item()) if self.size > 1 else flag


class _OwnRows(torch.autograd.Function):
    """Hand out gathered rows; backwards, add up what every process wants of this one's rows."""

    @staticmethod
    def forward(ctx, rows, full, own):  # type: ignore[no-untyped-def]  # noqa: ARG004
        ctx.own = own
        return full

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.own], None, None


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """Join the other processes if ``torchrun`` started several, and leave them at the end."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
