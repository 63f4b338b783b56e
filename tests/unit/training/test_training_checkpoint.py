"""Checkpoint files: whole or not at all, and refused where they do not fit."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pgmel.errors import CheckpointError
from pgmel.training.checkpoint import (
    clear_checkpoints,
    find_checkpoint,
    load_checkpoint,
    optimiser_tensors,
    probe_tensor,
    restore_optimiser,
    save_checkpoint,
)

PARTS = {"model": {"weight": torch.arange(6.0).view(2, 3).T, "empty": torch.zeros(0, 4)}, "optimiser": {"0.step": torch.tensor(3.0)}}
VALUES = {"fingerprint": "abc", "step": 7, "reward": 0.1 + 0.2, "pending": {"loss": [1e-300, 1 / 3]}}


def save(folder: Path, step: int = 7, keep: int = 2) -> Path:
    return save_checkpoint(folder, step, PARTS, VALUES | {"step": step}, keep)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_tensors_and_values_come_back_to_the_bit(tmp_path: Path) -> None:
    loaded = load_checkpoint(save(tmp_path), "abc")
    assert torch.equal(loaded.part("model")["weight"], PARTS["model"]["weight"])
    assert loaded.part("model")["empty"].shape == (0, 4)
    assert loaded.part("optimiser")["0.step"].shape == ()
    assert set(loaded.part("mod")) == set()
    assert loaded.values == VALUES


def test_only_the_newest_are_kept_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "step-notes.safetensors").touch()
    for step in (1, 2, 10, 9):
        save(tmp_path, step)
    assert names(tmp_path) == ["step-00000009.safetensors", "step-00000010.safetensors", "step-notes.safetensors"]
    assert find_checkpoint(tmp_path) == tmp_path / "step-00000010.safetensors"


def test_no_folder_and_an_empty_folder_hold_no_checkpoint(tmp_path: Path) -> None:
    assert find_checkpoint(tmp_path / "none") is None
    assert find_checkpoint(tmp_path) is None
    clear_checkpoints(tmp_path / "none")


def test_clearing_removes_checkpoints_only(tmp_path: Path) -> None:
    save(tmp_path)
    (tmp_path / "notes.txt").touch()
    clear_checkpoints(tmp_path)
    assert names(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("step", [7, 8])
def test_a_write_that_is_interrupted_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    old = save(tmp_path).read_bytes()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, step, {"model": {"weight": torch.ones(9)}}, VALUES, 2)
    assert names(tmp_path) == ["step-00000007.safetensors"]
    assert find_checkpoint(tmp_path).read_bytes() == old


def test_half_a_file_left_by_a_power_cut_is_not_taken_for_a_checkpoint(tmp_path: Path) -> None:
    newest = save(tmp_path)
    (tmp_path / f".step-{9:08d}.safetensors.abc.part").write_bytes(b"half")
    assert find_checkpoint(tmp_path) == newest


DAMAGE = {
    "empty": lambda file: file.write_bytes(b""),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-3]),
    "only a header": lambda file: file.write_bytes(file.read_bytes()[:20]),
    "overwritten": lambda file: file.write_bytes(b"\x00\xff" * 300),
    "a picture": lambda file: file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x01" * 200),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "no metadata": lambda file: save_file({"model.weight": torch.ones(1)}, file),
    "values that are no JSON": lambda file: save_file({"a": torch.ones(1)}, file, metadata={"format": "1", "values": "{"}),
    "values that are no mapping": lambda file: save_file({"a": torch.ones(1)}, file, metadata={"format": "1", "values": "[]"}),
    "another format": lambda file: save_file({"a": torch.ones(1)}, file, metadata={"format": "9", "values": json.dumps(VALUES)}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused_and_named(tmp_path: Path, damage: str) -> None:
    file = save(tmp_path)
    DAMAGE[damage](file)
    with pytest.raises(CheckpointError, match=r"step-00000007\.safetensors"):
        load_checkpoint(file, "abc")


def test_the_checkpoint_of_another_run_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"other settings or other data.*--restart"):
        load_checkpoint(save(tmp_path), "xyz")


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_an_optimiser_goes_on_to_the_bit(kind: type[torch.optim.Optimizer]) -> None:
    def steps(weight: torch.nn.Parameter, optimiser: torch.optim.Optimizer, first: int, last: int) -> None:
        for number in range(first, last):
            optimiser.zero_grad()
            ((weight - number) ** 3).sum().backward()
            optimiser.step()

    straight = torch.nn.Parameter(torch.tensor([0.3, -2.0]))
    steps(straight, kind([straight], lr=0.1), 0, 6)
    first = torch.nn.Parameter(torch.tensor([0.3, -2.0]))
    before = kind([first], lr=0.1)
    steps(first, before, 0, 3)
    second = torch.nn.Parameter(first.detach().clone())
    after = kind([second], lr=0.1)
    restore_optimiser(after, {name: tensor.clone() for name, tensor in optimiser_tensors(before).items()})
    steps(second, after, 3, 6)
    assert torch.equal(second, straight)


FLOATS = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "other",
    [FLOATS.flip(0), FLOATS.roll(1, 0), FLOATS.flip(1), -FLOATS, FLOATS[:-1], FLOATS.view(3, -1), 2 * FLOATS],
    ids=["reversed", "shifted", "columns swapped", "negated", "shorter", "reshaped", "doubled"],
)
def test_other_tensors_have_another_probe(other: torch.Tensor) -> None:
    assert probe_tensor(other) != probe_tensor(FLOATS)


def test_the_last_digits_of_floats_do_not_show_in_a_probe() -> None:
    assert probe_tensor(FLOATS * (1 + 1e-7 * torch.randn(FLOATS.shape))) == probe_tensor(FLOATS)


@pytest.mark.parametrize("other", [torch.tensor([1, 3, 2]), torch.tensor([[1, 2, 3]]), torch.tensor([1, 2])])
def test_the_probe_of_whole_numbers_is_exact(other: torch.Tensor) -> None:
    assert probe_tensor(torch.tensor([1, 2, 3])) == probe_tensor(torch.tensor([1, 2, 3]))
    assert probe_tensor(other) != probe_tensor(torch.tensor([1, 2, 3]))


@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (4, 0), (2, 3, 4)])
def test_a_tensor_of_any_shape_has_a_probe(shape: tuple[int, ...]) -> None:
    assert probe_tensor(torch.ones(shape))[0] == list(shape)
    assert probe_tensor(torch.ones(shape, dtype=torch.bool))[0] == list(shape)
