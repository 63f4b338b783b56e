"""One trained toy run for all tests of workflows; tests that change it take a copy."""

from pathlib import Path

import pytest
from toy_runs import ToyRun, quick_settings, write_toy

from pgmel.workflows.train import train


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("data") / "toy")


@pytest.fixture(scope="session")
def toy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def toy_run(toy_data: Path, toy_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> ToyRun:
    folder = tmp_path_factory.mktemp("runs") / "toy"
    settings = quick_settings(f"features.cache_dir={toy_cache}", "training.log_every=2")
    return ToyRun(toy_data, settings, folder, train(settings, folder, toy_data, show_progress=False))


@pytest.fixture(autouse=True)
def _own_cache(toy_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache."""
    monkeypatch.setenv("PGMEL_CACHE", str(toy_cache))
