"""What benchmarks print of a step's parts lies within the step."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from pgmel.settings import read_settings

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # typer looks annotations up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("rule", ["uniform", "hardest", "generator", "ance"])
def test_the_parts_of_a_step_do_not_add_up_to_more_than_the_step(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = load("bench_game", monkeypatch)
    small = ("training.batch_size=8", "training.threads=1", "negatives.pool_size=8", "model.dim=32", "negatives.refresh_every=1")
    base = read_settings(None, [*bench.QUIET, *small])
    make = bench.synthetic(base, torch.device("cpu"), mentions=24, entities=4000, width=64)
    found = bench.run(make, base, rule)
    assert 0 < sum(found.parts.values()) <= found.step
    assert set(found.parts) == set(bench.PARTS)
    assert (found.parts["table"] > 0) == (rule in ("hardest", "generator"))
    assert (found.parts["generator"] > 0) == (rule == "generator")
