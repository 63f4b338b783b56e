"""Run a script by one process and by two, and compare what they found."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from pgmel.training import World

__all__ = ["Found", "free_port", "load_found", "run_by_two", "save_agreed"]

Found = dict[str, torch.Tensor]
TESTS = Path(__file__).parents[2]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_by_two(script: Path, *arguments: object) -> None:
    """Start a script in two processes that know of each other, and wait for its good end."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [*launcher, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def save_agreed(found: Mapping[str, torch.Tensor], here: World, out: Path) -> None:
    """Check that all processes found the same; the leading one writes it."""
    for name, tensor in found.items():
        mean = here.sum(tensor.double()) / here.size
        if not torch.allclose(mean, tensor.double(), rtol=0, atol=1e-12):
            raise SystemExit(f"process {here.rank} has another {name}")
    if here.leads:
        out.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.detach().clone().contiguous() for name, tensor in found.items()}, out / "found.safetensors")


def load_found(out: Path) -> Found:
    """Read what ``save_agreed`` wrote."""
    return load_file(out / "found.safetensors")
