"""Two processes give what one gives: the same losses, gradients, metrics and weights."""

from pathlib import Path

import pytest
import torch
from run_toy_processes import BATCHES, OBJECTIVES, RULES_APART, main
from toy_processes import Found, load_found, run_by_two

from pgmel.training import MetricsLog, World

SCRIPT = Path(__file__).parent / "run_toy_processes.py"
Results = tuple[Found, Found, Path]


@pytest.fixture(scope="module")
def results(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What one process found, what two found, and the folder with the runs of both."""
    folder = tmp_path_factory.mktemp("processes")
    run_by_two(SCRIPT, folder / "two")
    main(folder / "one")
    return load_found(folder / "one"), load_found(folder / "two"), folder


def compare(results: Results, prefix: str, at_least: int) -> None:
    one, two, _ = results
    names = [name for name in one if name.startswith(prefix)]
    assert len(names) >= at_least
    assert set(names) == {name for name in two if name.startswith(prefix)}
    for name in names:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.slow
@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("size", BATCHES)
def test_losses_metrics_and_gradients_are_the_same(results: Results, size: str, kind: str, player: str) -> None:
    compare(results, f"{size}.{kind}.{player}.", at_least=5)
    gradients = [tensor for name, tensor in results[0].items() if name.startswith(f"{size}.{kind}.{player}.gradient")]
    assert any(tensor.any() for tensor in gradients) or (size, kind, player) == ("one", "triplet", "discriminator")


@pytest.mark.slow
def test_the_running_reward_is_the_same(results: Results) -> None:
    for size in BATCHES:
        for kind in OBJECTIVES:
            compare(results, f"{size}.{kind}.running", at_least=1)


@pytest.mark.slow
def test_a_short_training_through_all_phases_ends_at_the_same_weights(results: Results) -> None:
    one, two, _ = results
    for name in (name for name in one if name.startswith("straight.")):
        # Adam divides by the size of the gradient, so rounding shows where a gradient is nearly zero.
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("case", RULES_APART)
def test_other_rules_and_estimators_end_at_the_same_weights_and_pools(results: Results, case: str) -> None:
    one, two, folder = results
    names = [name for name in one if name.startswith(f"rule.{case}.")]
    assert len(names) > 10
    for name in names:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")
    ours, theirs = (MetricsLog.read(folder / process / case)[-1] for process in ("one", "two"))
    for column in ("likely_false_share", "negative_rank"):
        assert float(theirs[column]) == pytest.approx(float(ours[column]), rel=1e-4)


@pytest.mark.slow
def test_both_write_the_same_metrics_once(results: Results) -> None:
    one, two = (MetricsLog.read(results[2] / name / "straight") for name in ("one", "two"))
    assert [row["step"] for row in two] == [row["step"] for row in one]
    for ours, theirs in zip(one, two, strict=True):
        for name in set(ours) - {"steps_per_s", "processor_s", "phase"}:
            assert ours[name] == theirs[name] == "" or float(theirs[name]) == pytest.approx(float(ours[name]), rel=1e-3, abs=1e-4), name


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_and_the_run_goes_on_exactly(results: Results) -> None:
    one, two, _ = results
    assert one["signal.stopped"] == two["signal.stopped"] == 6
    for found in (one, two):
        names = [name.removeprefix("straight.") for name in found if name.startswith("straight.")]
        assert all(torch.equal(found[f"straight.{name}"], found[f"resumed.{name}"]) for name in names)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 7, 64])
def test_shares_cover_every_row_once_and_evenly(size: int, count: int) -> None:
    shares = [range(count)[World(rank, size).share(count)] for rank in range(size)]
    assert [row for share in shares for row in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_is_changed() -> None:
    here = World()
    values = torch.ones(2, 3, requires_grad=True)
    assert here.sum(values) is values
    assert here.gather_rows(values, 2) is values
    assert here.leads
    assert (here.agree(True, torch.device("cpu")), here.agree(False, torch.device("cpu"))) == (True, False)
    assert here.first(lambda: 5) == 5
