"""The script that measures bundles on a split and on its clean part."""

import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from toy_runs import ToyRun, read_lines, write_lines

from pgmel.workflows.evaluate import evaluate_bundle

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "clean.py"


@pytest.fixture
def data(toy_run: ToyRun, tmp_path: Path) -> Path:
    """The toy data, of which one dev mention stands in train too, on a sentence that counts."""
    folder = Path(shutil.copytree(toy_run.data, tmp_path / "toy"))
    dev, train = read_lines(folder / "dev.jsonl"), read_lines(folder / "train.jsonl")
    sentence = " ".join([train[0]["mention"], "is where we spent the whole of last summer, rain or shine."])
    train[0] |= {"context": sentence}
    dev[0] |= {"mention": train[0]["mention"], "context": sentence, "entity_id": train[0]["entity_id"], "image": None}
    write_lines(folder / "train.jsonl", [{key: value for key, value in row.items() if key not in ("start", "end")} for row in train])
    write_lines(folder / "dev.jsonl", [{key: value for key, value in row.items() if key not in ("start", "end")} for row in dev])
    return folder


def figures(bundle: Path, data: Path, split: str) -> list[str]:
    found = evaluate_bundle(bundle, data, split, show_progress=False).overall
    return [f"{found.num_mentions:,}", f"{found.h_at_1.value:.3f}", f"{found.mrr.value:.3f}"]


def test_the_row_holds_both_splits_and_the_audit_is_made_once(
    toy_run: ToyRun, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in ("seed-0", "seed-1"):
        shutil.copytree(toy_run.folder / "bundle", tmp_path / "runs" / seed / "bundle")
    script: dict[str, Any] = runpy.run_path(str(SCRIPT))
    audit = tmp_path / "audit"
    script["main"](runs=tmp_path / "runs", data=data, audit=audit)
    made = (audit / "clean-splits.json").stat().st_mtime_ns
    *_, row = capsys.readouterr().out.strip().splitlines()
    bundle = toy_run.folder / "bundle"
    whole, clean = figures(bundle, data, "dev"), figures(bundle, audit, "dev-clean")
    cells = [cell.strip().partition(" [")[0] for cell in row.strip("| ").split(" | ")]
    assert cells == ["runs", *whole, *clean]
    assert int(clean[0]) < int(whole[0])
    script["main"](runs=tmp_path / "runs", data=data, audit=audit)
    assert capsys.readouterr().out.strip().splitlines()[-1] == row
    assert (audit / "clean-splits.json").stat().st_mtime_ns == made


def test_a_folder_without_bundles_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no seed-N/bundle"):
        runpy.run_path(str(SCRIPT))["main"](runs=tmp_path, data=tmp_path, audit=tmp_path / "audit")
