"""One trained toy run for all tests of the command line; tests that change it take a copy."""

from pathlib import Path

import pytest
from toy_runs import ToyRun, quick_settings, write_toy


@pytest.fixture(scope="session")
def toy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def toy_run(toy_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> ToyRun:
    from pgmel.workflows.train import train

    data = write_toy(tmp_path_factory.mktemp("data") / "toy")
    folder = tmp_path_factory.mktemp("runs") / "toy"
    settings = quick_settings(f"features.cache_dir={toy_cache}")
    return ToyRun(data, settings, folder, train(settings, folder, data, show_progress=False))


@pytest.fixture(autouse=True)
def _own_cache(toy_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache."""
    monkeypatch.setenv("PGMEL_CACHE", str(toy_cache))
