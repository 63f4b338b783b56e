"""Two processes that fine-tune give what one gives."""

from pathlib import Path

import pytest
import torch
from run_toy_finetuning import BATCHES, main
from tiny_models import save_bert
from toy_processes import Found, load_found, run_by_two

SCRIPT = Path(__file__).parent / "run_toy_finetuning.py"
Results = tuple[Found, Found]


@pytest.fixture(scope="module")
def results(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What one process found, and what two found."""
    folder = tmp_path_factory.mktemp("processes")
    encoder = save_bert(folder / "bert")
    run_by_two(SCRIPT, folder / "two", encoder)
    main(folder / "one", encoder)
    return load_found(folder / "one"), load_found(folder / "two")


@pytest.mark.slow
@pytest.mark.parametrize("size", BATCHES)
def test_gradients_of_the_encoder_are_added_up(results: Results, size: str) -> None:
    one, two = results
    names = [name for name in one if name.startswith(f"gradient.{size}.")]
    assert len(names) == 24
    assert any(one[name].any() for name in names)
    for name in names:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_short_training_ends_at_the_same_encoder(results: Results) -> None:
    one, two = results
    names = [name.removeprefix("train.start.") for name in one if name.startswith("train.start.")]
    assert len(names) == 16
    moved = sum(float((one[f"train.end.{name}"] - one[f"train.start.{name}"]).abs().sum()) for name in names)
    apart = sum(float((one[f"train.end.{name}"] - two[f"train.end.{name}"]).abs().sum()) for name in names)
    # Adam divides by the size of the gradient, so rounding shows where a gradient is nearly zero.
    assert apart < 1e-3 * moved
    assert torch.equal(one["train.best"], two["train.best"])
    assert float((one["train.table"] - two["train.table"]).abs().mean()) < 1e-3
