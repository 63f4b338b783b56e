"""The benchmark of explanations measures what it says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from toy_bundle import draw_picture, make_decision, write_toy_bundle

from pgmel.records import Mention

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "bench_explain.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_explain", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_words_and_pictures_of_each_mention_are_told_and_the_first_ones_left_out(script: ModuleType, tmp_path: Path) -> None:
    bundle = write_toy_bundle(tmp_path / "bundle", make_decision())
    picture = draw_picture(tmp_path / "seen.png", "red")
    warm = [Mention(f"w{n}", "Congo") for n in range(script.WARM_UP)]
    costs = script.measure(bundle, [*warm, Mention("a", "Virgin Islands"), Mention("b", "Samoa", image=picture)], 3)
    assert [(one.words, one.pictured) for one in costs] == [(2, False), (1, True)]
    assert all(one.plain > 0 and one.explained > 0 and one.together > 0 for one in costs)


def test_ratios_are_the_mentions_own(script: ModuleType) -> None:
    costs = [script.Cost(2.0, 10.0, 20.0, 1, False), script.Cost(2.0, 1.0, 9.0, 3, False), script.Cost(2.0, 4.0, 12.0, 2, False)]
    assert script.show(costs) == ["3", "2", "4.0", "12", "3.0 [2.0, 9.0]", "2.0"]
