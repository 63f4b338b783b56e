"""``pgmel quickstart``, the real one, once."""

import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from toy_runs import start_cli

from pgmel.linking import Linker, check_bundle
from pgmel.records import Mention

pytestmark = pytest.mark.slow


class Run(NamedTuple):
    """What the quickstart printed and how long it took."""

    found: Any
    said: str
    seconds: float


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("quickstart")
    began = time.monotonic()
    process = start_cli("quickstart", "--out", out, "--json", cwd=out)
    printed, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    return Run(json.loads(printed), said, time.monotonic() - began)


def h_at_1(run: Run, model: str, stage: str = "trained") -> dict[str, float]:
    found: dict[str, float] = run.found["modalities"][model][stage]["h_at_1"]
    return found


def test_three_models_are_measured_before_and_after(run: Run) -> None:
    assert list(run.found["modalities"]) == ["text only", "image only", "fused"]
    for pair in run.found["modalities"].values():
        assert list(pair) == ["zero_shot", "trained"]
        assert set(pair["trained"]) >= {"h_at_1", "mrr", "num_mentions"}


@pytest.mark.parametrize("other", ["text only", "image only"])
def test_fused_beats_one_modality_clearly(run: Run, other: str) -> None:
    fused, alone = h_at_1(run, "fused"), h_at_1(run, other)
    assert fused["value"] > alone["value"] + 0.1
    assert fused["low"] > alone["high"]


def test_training_gains(run: Run) -> None:
    assert h_at_1(run, "fused")["value"] > h_at_1(run, "fused", "zero_shot")["value"]
    assert run.found["comparison"]["difference"]["value"] > 0


def test_three_examples_are_linked_one_of_them_nil(run: Run) -> None:
    examples = run.found["examples"]
    assert len(examples) == 3
    assert sum(example["gold"] == "NIL" for example in examples) == 1
    assert all(example["mention"] in example["context"] for example in examples)
    assert sum(example["answer"] == example["gold"] for example in examples) >= 2


def test_the_bundle_can_be_used(run: Run) -> None:
    bundle = Path(run.found["bundle"])
    assert check_bundle(bundle) == []
    with Linker.load(bundle) as linker:
        [link] = linker.link([Mention("m", "Georgia", "Tbilisi is the capital of Georgia.")])
    assert "Georgia" in link.candidates[0].name


def test_the_report_needs_nothing_from_elsewhere(run: Run) -> None:
    page = Path(run.found["report"]).read_text(encoding="utf-8")
    assert "pgmel quickstart" in page
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:|#)[^"'\s>]+""", page)
    assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?!data:|#)\w", page)
    assert "<script" not in page
    assert page.count("data:image/") >= 3


def test_nothing_is_said_beside_the_result(run: Run) -> None:
    assert run.said == ""
