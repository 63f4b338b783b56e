"""``pgmel hub`` from the outside; the hub itself is a folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from toy_bundle import make_decision, write_toy_bundle
from toy_runs import ToyRun, run_cli

from pgmel.linking import check_bundle
from pgmel.linking.bundle import describe_file


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_toy_bundle(tmp_path / "made" / "bundle", make_decision())


def test_the_card_of_a_trained_bundle_is_printed_with_scores(toy_run: ToyRun) -> None:
    outcome = run_cli("hub", "card", toy_run.folder / "bundle", "--license", "mit", "--language", "en", "--title", "Toys")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("---\n")
    assert "license: mit" in outcome.out
    assert "\n# Toys\n" in outcome.out
    h = toy_run.result.trained.result.overall.h_at_1  # type: ignore[union-attr]
    assert f"| trained | {h.value:.3f} [{h.low:.3f}, {h.high:.3f}] |" in outcome.out
    assert str(toy_run.data) not in outcome.out


def test_what_is_exported_links(bundle: Path, tmp_path: Path) -> None:
    outcome = run_cli("hub", "export", bundle, tmp_path / "out")
    assert outcome.out == f"written: {tmp_path / 'out'}; look at {tmp_path / 'out' / 'README.md'} before you give it away\n"
    found = run_cli("link", "--bundle", tmp_path / "out", "--mention", "Georgia", "--json").json()
    assert found["candidates"][0]["name"] == "Georgia"


def test_a_bundle_is_pulled_into_a_folder_without_what_is_not_its_own(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_cli("hub", "export", bundle, tmp_path / "cache")
    (tmp_path / "cache" / "extra.txt").touch()
    asked: dict[str, Any] = {}

    def download(repo: str, **options: Any) -> str:
        asked.update(options, repo=repo)
        return str(tmp_path / "cache")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    outcome = run_cli("hub", "pull", "me/toy", tmp_path / "out", "--revision", "v2")
    assert outcome.out == f"bundle: {tmp_path / 'out'}\n", outcome.err
    assert (asked["repo"], asked["revision"]) == ("me/toy", "v2")
    assert check_bundle(tmp_path / "out") == []
    assert (tmp_path / "out" / "README.md").is_file()
    assert not (tmp_path / "out" / "extra.txt").exists()
    assert run_cli("hub", "pull", "me/toy", tmp_path / "out").code == 4


def test_a_folder_whose_card_names_files_outside_of_it_is_not_pulled(bundle: Path, tmp_path: Path) -> None:
    run_cli("hub", "export", bundle, tmp_path / "sent" / "bundle")
    card = tmp_path / "sent" / "bundle" / "card.json"
    values = json.loads(card.read_text())
    outside = tmp_path / "sent" / "evil.txt"
    outside.write_text("evil")
    values["files"]["../evil.txt"] = describe_file(outside)
    card.write_text(json.dumps(values))
    for command in ("pull", "export"):
        outcome = run_cli("hub", command, card.parent, tmp_path / command / "out")
        assert outcome.code == 4
        assert "outside of it" in outcome.err
        assert not (tmp_path / command / "evil.txt").exists()


def test_a_push_says_where_it_went(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Api:
        def __init__(self, **_: Any) -> None: ...

        def create_repo(self, repo: str, **options: Any) -> None:
            assert options["private"] is True

        def upload_folder(self, folder_path: Path, **options: Any) -> Any:
            shutil.copytree(folder_path, tmp_path / "pushed")
            return type("CommitInfo", (), {"commit_url": "https://hub/me/toy/commit/1"})()

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    outcome = run_cli("hub", "push", bundle, "me/toy", "--license", "mit", "--private")
    assert outcome.out == "published: https://hub/me/toy/commit/1\n", outcome.err
    assert json.loads((tmp_path / "pushed" / "card.json").read_text())["format"] == "pgmel-bundle"


def test_a_folder_that_is_no_bundle_is_told_clearly(tmp_path: Path) -> None:
    outcome = run_cli("hub", "export", tmp_path, tmp_path / "out")
    assert outcome.code == 4
    assert "is not a bundle" in outcome.err
