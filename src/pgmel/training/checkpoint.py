"""Checkpoints: everything a run needs to go on exactly where it stopped, in one safetensors file."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pgmel.errors import CheckpointError
from pgmel.files import hash_bytes, write_bytes

__all__ = [
    "Checkpoint",
    "clear_checkpoints",
    "find_checkpoint",
    "load_checkpoint",
    "optimiser_tensors",
    "probe_tensor",
    "restore_optimiser",
    "save_checkpoint",
]

FORMAT = 1
PATTERN = re.compile(r"step-(\d+)\.safetensors")


class Checkpoint(NamedTuple):
    """Tensors by dotted name, and plain values."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of one part, without its prefix."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): tensor for key, tensor in self.tensors.items() if key.startswith(prefix)}


def save_checkpoint(folder: Path, step: int, parts: Mapping[str, Mapping[str, Tensor]], values: Mapping[str, Any], keep: int) -> Path:
    """Write a checkpoint atomically and remove all but the newest ``keep``."""
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().contiguous().clone() for part, named in parts.items() for name, tensor in named.items()
    }
    path = folder / f"step-{step:08d}.safetensors"
    write_bytes(path, save(tensors, metadata={"format": str(FORMAT), "values": json.dumps(dict(values))}))
    for old in _all(folder)[:-keep]:
        old.unlink(missing_ok=True)
    return path


def clear_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of an earlier run: a run begun anew would otherwise be taken for theirs, whose steps are later."""
    for old in _all(folder):
        old.unlink(missing_ok=True)


def find_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint of a run's folder, or None."""
    found = _all(folder)
    return found[-1] if found else None


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: The file.
        fingerprint: What the run's settings and data hash to; another one is refused.

    Raises:
        CheckpointError: If the file is damaged, of another format, or belongs to other settings or data.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            values = json.loads(about["values"])
        if not isinstance(values, dict):
            raise ValueError("its values are no mapping")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"the checkpoint {path} is damaged ({error}); delete it to go on from the one before") from None
    if about.get("format") != str(FORMAT):
        raise CheckpointError(f"the checkpoint {path} has format {about.get('format')!r}, this version reads {FORMAT}; train again")
    if values.get("fingerprint") != fingerprint:
        raise CheckpointError(
            f"the checkpoint {path} belongs to other settings or other data; choose another --out folder, "
            "restore the old settings, or pass --restart to begin anew"
        )
    return Checkpoint(tensors, values)


def probe_tensor(tensor: Tensor) -> list[Any]:
    """Return plain values that tell tensors apart, by content and order, but not by the last digits of their floats.

    Those digits change with the number of threads, and must not keep a run from going on.
    """
    values = tensor.detach().cpu()
    if not values.is_floating_point():
        return [list(values.shape), hash_bytes(values.numpy().tobytes())]
    table = values.flatten(1) if values.dim() > 1 else values.reshape(-1, 1)
    weights = torch.cos(torch.arange(max(table.shape), dtype=torch.float64))
    total, squares = 0.0, 0.0
    for first in range(0, len(table), 8192):
        part = table[first : first + 8192].double()
        total += float(weights[first : first + len(part)] @ part @ weights[: part.shape[1]])
        squares += float(part.square().sum())
    return [list(values.shape), f"{total / max(squares, 1e-300) ** 0.5:.3f}", f"{squares:.3g}"]


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors."""
    state = optimiser.state_dict()["state"]
    return {f"{number}.{name}": value for number, named in state.items() for name, value in named.items() if isinstance(value, Tensor)}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put named tensors back into an optimiser over the same parameters."""
    whole = optimiser.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    whole["state"] = state
    optimiser.load_state_dict(whole)


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*.safetensors") if PATTERN.fullmatch(path.name))
