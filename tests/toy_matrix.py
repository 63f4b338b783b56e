"""A small matrix on the toy world, for tests of comparisons."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from toy_runs import QUICK

__all__ = ["SYSTEMS", "write_matrix"]

SYSTEMS: Mapping[str, Sequence[str]] = {"reference": (), "uniform": ("negatives.sampler=uniform", "training.pretrain_sampler=uniform")}


def write_matrix(
    file: Path,
    systems: Mapping[str, Sequence[str]] = SYSTEMS,
    data: Sequence[str] = ("toy",),
    seeds: Sequence[int] = (0, 1),
    budgets: Sequence[str] = ("updates",),
    more: str = "",
    overrides: Sequence[str] = (),
) -> Path:
    """Write a matrix file whose data sets lie in folders of their names; the first system is the reference."""

    def listed(values: Sequence[object]) -> str:
        return "[" + ", ".join(repr(value).replace("'", '"') for value in values) + "]"

    text = f'title = "Toy"\nseeds = {listed(seeds)}\nreference = "{next(iter(systems))}"\nbudgets = {listed(budgets)}\n'
    text += f"overrides = {listed([*QUICK, *overrides])}\n"
    text += "".join(f'\n[data.{name}]\npath = "{name}"\n' for name in data)
    text += "".join(f"\n[systems.{name}]\noverrides = {listed(changed)}\n" for name, changed in systems.items())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + more, encoding="utf-8")
    return file
