"""The loop: phases, early stopping, best weights, metrics."""

from pathlib import Path

import pytest
import torch
from toy_game import RULES, Toy, make_discriminator, make_generator, make_schedule, make_toy, make_trainer

from pgmel.models import Discriminator
from pgmel.negatives import LEARNED, SAMPLERS
from pgmel.training import METRICS, DevScores, MetricsLog, Trainer, World


@pytest.fixture(scope="module")
def toy(one_thread: None) -> Toy:
    return make_toy(entities=20, mentions=23, pool=6)


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def scripted(trainer: Trainer, scores: list[float]) -> list[dict[str, torch.Tensor]]:
    """Let dev say what the script says, one score per evaluation; return the weights that each one saw."""
    seen: list[dict[str, torch.Tensor]] = []

    def evaluate(discriminator: Discriminator) -> DevScores:
        assert not discriminator.training
        seen.append(weights(discriminator))
        return DevScores(scores[len(seen) - 1] / 2, scores[len(seen) - 1])

    trainer.evaluate = evaluate
    return seen


def test_the_best_weights_by_dev_mrr_are_put_back_and_reported(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 1, 0, 4))
    seen = scripted(trainer, [0.1, 0.2, 0.5, 0.4, 0.5, 0.3])
    result = trainer.run()
    assert (result.best, result.best_step, result.steps, result.stopped_early) == (DevScores(0.25, 0.5), 10, 25, False)
    assert same(seen[2], weights(trainer.game.discriminator))
    assert not same(seen[2], seen[5])


def test_the_start_is_kept_where_training_only_harms(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 1, 0, 2))
    start = weights(trainer.game.discriminator)
    scripted(trainer, [0.9, 0.8, 0.7, 0.6])
    result = trainer.run()
    assert (result.best_step, result.best.mrr) == (0, 0.9)
    assert same(start, weights(trainer.game.discriminator))


def test_patience_counts_epochs_without_a_better_mrr(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 1, 0, 9), plan={"patience": 2})
    seen = scripted(trainer, [0.1, 0.2, 0.1, 0.3, 0.3, 0.2, 0.9])
    result = trainer.run()
    assert (result.stopped_early, result.steps, result.best_step, len(seen)) == (True, 25, 15, 6)


def test_pretraining_is_never_cut_short_and_neither_is_a_resumed_one(toy: Toy, tmp_path: Path) -> None:
    schedule = make_schedule(toy, 4, 1, 3)
    scores = [0.9, *[0.1] * 9]
    straight = make_trainer(toy, tmp_path / "straight", schedule, plan={"patience": 2})
    scripted(straight, scores)
    assert straight.run().steps == 30  # the first adversarial epoch ends the third phase's patience

    class StopError(Exception):
        pass

    stopped = make_trainer(toy, tmp_path / "stopped", schedule, plan={"patience": 2})
    scripted(stopped, scores)
    learn = stopped._learn_discriminator

    def stop_in_step_27(*given: object) -> None:
        if stopped.step == 26:
            raise StopError
        learn(*given)

    stopped._learn_discriminator = stop_in_step_27
    with pytest.raises(StopError):
        stopped.run()
    resumed = make_trainer(toy, tmp_path / "stopped", schedule, plan={"patience": 2})
    scripted(resumed, scores[1:])
    result = resumed.run()
    assert (result.steps, result.stopped_early) == (30, True)


def test_a_run_that_stopped_early_stays_stopped(toy: Toy, tmp_path: Path) -> None:
    schedule = make_schedule(toy, 0, 0, 9)
    for _ in range(2):
        trainer = make_trainer(toy, tmp_path, schedule, plan={"patience": 1})
        scripted(trainer, [0.5, 0.4])
        result = trainer.run()
        assert (result.steps, result.stopped_early, result.best_step) == (5, True, 0)


@pytest.mark.parametrize("bound", [3, 5, 8, 10, 13])
def test_a_bound_on_steps_ends_with_an_evaluation_of_whatever_learned_last(toy: Toy, tmp_path: Path, bound: int) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, max_steps=bound))
    seen = scripted(trainer, [step / 100 for step in range(20)])
    result = trainer.run()
    assert result.steps == bound
    assert same(seen[-1], weights(trainer.game.discriminator))
    assert MetricsLog.read(tmp_path)[-1]["step"] == str(bound)
    # Steps 6 to 10 teach the generator only: the discriminator was last seen after step 5.
    assert result.best_step == (bound if bound <= 5 or bound > 10 else 5)


def test_a_schedule_without_steps_only_measures(toy: Toy, tmp_path: Path) -> None:
    result = make_trainer(toy, tmp_path, make_schedule(toy, 0, 0, 0)).run()
    assert (result.steps, result.best_step, result.best) == (0, 0, toy.score(make_discriminator()))


def test_each_phase_teaches_whom_it_should(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path)
    moved = []
    one_step = trainer._one_step

    def watch(*given: object) -> bool:
        before = weights(trainer.game.discriminator), weights(trainer.game.generator)
        stopped = one_step(*given)
        moved.append(
            tuple(
                not same(old, weights(new)) for old, new in zip(before, (trainer.game.discriminator, trainer.game.generator), strict=True)
            )
        )
        return stopped

    trainer._one_step = watch
    trainer.run()
    assert moved == [(True, False)] * 5 + [(False, True)] * 5 + [(True, True)] * 10


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - LEARNED))
def test_the_generator_rests_where_another_rule_picks(toy: Toy, tmp_path: Path, sampler: str) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 1, 0, 1), plan={"sampler": sampler})
    before = weights(trainer.game.generator)
    trainer.run()
    assert same(before, weights(trainer.game.generator))


def test_the_ratio_of_steps_is_kept(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 0, 0, 2), plan={"generator_steps": 3, "discriminator_steps": 2})
    calls = []
    learn, teach = trainer._learn_discriminator, trainer._learn_generator
    trainer._learn_discriminator = lambda *given: (calls.append("d"), learn(*given))
    trainer._learn_generator = lambda *given: (calls.append("g"), teach(*given))
    trainer.run()
    assert "".join(calls) == "ddggg" * 5


def test_the_table_is_refreshed_as_often_as_asked_for(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, plan={"refresh_every": 6})
    steps = []
    refresh = trainer.game.refresh_table
    trainer.game.refresh_table = lambda: (steps.append(trainer.step), refresh())
    trainer.run()
    assert steps == [0, 6, 12, 18]


@pytest.mark.parametrize(
    ("plan", "epochs", "pools", "lists"),
    [
        ({}, (1, 1, 2), [], []),
        ({"pools": "refreshed"}, (1, 1, 2), [5, 10, 15], []),
        ({"pools": "refreshed", "rebuild_every": 2}, (3, 1, 3), [10, 15, 20, 30], []),
        ({"sampler": "ance"}, (1, 0, 3), [], [5, 10, 15]),
        ({"sampler": "ance", "pretrain_sampler": "ance", "rebuild_every": 2}, (3, 0, 2), [], [0, 10, 15]),
        ({"pretrain_sampler": "ance", "pools": "refreshed"}, (1, 1, 1), [5, 10], [0]),
    ],
)
def test_pools_and_lists_are_rebuilt_at_the_start_of_epochs_that_use_them(
    toy: Toy, tmp_path: Path, plan: dict[str, object], epochs: tuple[int, int, int], pools: list[int], lists: list[int]
) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, *epochs), plan=plan)
    steps: dict[str, list[int]] = {"pools": [], "lists": []}
    rebuild, renew = trainer.game.rebuild_pools, trainer.game.rebuild_nearest
    trainer.game.rebuild_pools = lambda part: (steps["pools"].append(trainer.step), rebuild(part))
    trainer.game.rebuild_nearest = lambda size: (steps["lists"].append(trainer.step), renew(size))
    trainer.run()
    assert steps == {"pools": pools, "lists": lists}


def test_the_policys_temperature_runs_from_start_to_end_over_the_adversarial_phase(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, plan={"temperature_start": 2.0, "temperature_end": 0.2})
    seen = []
    learn = trainer._learn_generator
    trainer._learn_generator = lambda *given: (seen.append(trainer.game.policy.temperature), learn(*given))
    trainer.run()
    assert seen == pytest.approx([2.0] * 5 + [2.0 - 0.2 * step for step in range(10)])


def test_the_generators_own_phase_takes_as_many_steps_each_time_as_the_game(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 0, 1, 0), plan={"generator_steps": 3})
    calls = []
    learn = trainer._learn_generator
    trainer._learn_generator = lambda *given: (calls.append(given[2]), learn(*given))
    trainer.run()
    assert calls == [False, True, True] * 5


def test_runs_without_judgement_embed_no_table(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 1, 0, 1), plan={"sampler": "uniform", "pretrain_sampler": "in_batch"})
    trainer.run()
    assert trainer.game.table.numel() == 0


def test_weight_decay_pulls_towards_the_start_and_not_towards_zero(toy: Toy, tmp_path: Path) -> None:
    distances = []
    for decay in (0.0, 20.0):
        trainer = make_trainer(toy, tmp_path / str(decay), make_schedule(toy, 0, 0, 4), plan={"weight_decay": decay, "sampler": "uniform"})
        scripted(trainer, [step / 10 for step in range(9)])
        trainer.run()
        parameters = trainer.game.discriminator.named_parameters()
        distances.append(sum(float((parameter.detach() - trainer.start[name]).square().sum()) for name, parameter in parameters))
    assert distances[1] < 0.6 * distances[0]


def test_gradients_are_cut_to_the_norm(toy: Toy, tmp_path: Path) -> None:
    trainer = make_trainer(toy, tmp_path, make_schedule(toy, 0, 0, 1), plan={"clip_norm": 1e-3, "sampler": "uniform"})
    norms = []
    step = trainer.optimiser.step

    def watch() -> None:
        gradients = [parameter.grad for parameter in trainer.game.discriminator.parameters()]
        norms.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
        step()

    trainer.optimiser.step = watch
    trainer.run()
    assert norms == pytest.approx([1e-3] * 5, rel=1e-3)


def test_the_step_length_follows_its_schedule_and_ends_near_zero(toy: Toy, tmp_path: Path) -> None:
    make_trainer(toy, tmp_path, plan={"log_every": 1}).run()
    rates = [float(row["learning_rate"]) for row in MetricsLog.read(tmp_path)]
    assert max(rates) == pytest.approx(0.01)
    assert rates[5:10] == [rates[4]] * 5  # the generator's epoch
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.0005


def test_every_documented_metric_is_written_and_only_those(toy: Toy, tmp_path: Path) -> None:
    make_trainer(toy, tmp_path).run()
    rows = MetricsLog.read(tmp_path)
    assert list(rows[0]) == list(METRICS)
    written = {name for row in rows for name, value in row.items() if value}
    assert written == set(METRICS)


def test_rows_stand_at_every_nth_step_and_at_the_ends_of_epochs(toy: Toy, tmp_path: Path) -> None:
    make_trainer(toy, tmp_path, plan={"log_every": 4}).run()
    rows = MetricsLog.read(tmp_path)
    assert [int(row["step"]) for row in rows] == [4, 5, 8, 10, 12, 15, 16, 20]
    assert [row["step"] for row in rows if row["dev_mrr"]] == ["5", "15", "20"]
    assert [row["phase"] for row in rows] == ["pretrain_discriminator"] * 2 + ["pretrain_generator"] * 2 + ["adversarial"] * 4


def test_rows_hold_means_since_the_last_one(toy: Toy, tmp_path: Path) -> None:
    for every in (1, 5):
        make_trainer(toy, tmp_path / str(every), plan={"log_every": every}).run()
    single, mean = (MetricsLog.read(tmp_path / str(every)) for every in (1, 5))
    for number, row in enumerate(mean):
        for name in ("triplet_loss", "reward", "infonce_loss"):
            values = [float(one[name]) for one in single[5 * number : 5 * number + 5] if one[name]]
            assert (float(row[name]) == pytest.approx(sum(values) / len(values), rel=1e-4)) if values else not row[name]


def test_tensorboard_files_are_written_where_wanted(toy: Toy, tmp_path: Path) -> None:
    make_trainer(toy, tmp_path, make_schedule(toy, 1, 0, 0), plan={"tensorboard": True}).run()
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_batch_of_one_mention_and_a_kb_of_two_entities_train(tmp_path: Path) -> None:
    tiny = make_toy(entities=2, mentions=1, pool=3)
    for sampler in SAMPLERS:
        plan = {"sampler": sampler, "pools": "refreshed"}
        trainer = make_trainer(tiny, tmp_path / sampler, make_schedule(tiny, 1, int(sampler in LEARNED), 2), plan=plan)
        trainer.run()
        assert all(parameter.isfinite().all() for parameter in trainer.game.discriminator.parameters())


def test_one_process_needs_no_world(toy: Toy, tmp_path: Path) -> None:
    trainer = Trainer(
        make_discriminator(),
        make_generator(),
        toy.data,
        rules=RULES,
        schedule=make_schedule(toy, 1, 0, 0),
        plan=make_trainer(toy, tmp_path).plan,
        evaluate=toy.score,
        folder=tmp_path,
        show_progress=False,
    )
    assert trainer.world == World()
    assert trainer.run().steps == 5
