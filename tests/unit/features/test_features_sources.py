import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from pgmel.errors import EncoderError
from pgmel.features import Encoders
from pgmel.features.sources import model_files, resolve_model


class Response:
    """As much of an HTTP response as the hub's errors look at."""

    headers: dict[str, str] = {}  # noqa: RUF012
    request = None
    status_code = 404


def make_error(kind: type[Exception]) -> Exception:
    try:
        return kind("so it is")
    except TypeError:
        return kind("so it is", response=Response())  # type: ignore[call-arg]


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def download(*args: Any, **kwargs: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)


def test_a_name_that_is_nothing_says_what_was_tried_and_that_the_hub_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    fail_with(monkeypatch, errors.LocalEntryNotFoundError("not here"))
    with pytest.raises(EncoderError) as caught:
        Encoders.load(text_encoder="someone/some-model")
    message = str(caught.value)
    for part in ("features.text_encoder", "'someone/some-model' is no folder", "HF_HUB_OFFLINE is set", "minilm"):
        assert part in message


def test_an_unreachable_hub_is_told_from_a_switched_off_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    fail_with(monkeypatch, errors.LocalEntryNotFoundError("no route to host\nand more"))
    with pytest.raises(EncoderError, match=r"the hub could not be reached.*\(no route to host\)"):
        Encoders.load(image_encoder="someone/some-model")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (errors.RepositoryNotFoundError, "the hub has no model of that name"),
        (errors.GatedRepoError, "accept its terms"),
        (errors.RevisionNotFoundError, "not its revision 'v9'"),
    ],
)
def test_what_the_hub_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, kind: type[Exception], said: str) -> None:
    fail_with(monkeypatch, make_error(kind))
    with pytest.raises(EncoderError, match=said):
        Encoders.load(text_encoder="someone/some-model", revision="v9")


def test_an_impossible_hub_name_is_named() -> None:
    with pytest.raises(EncoderError, match="no valid name of a hub model"):
        Encoders.load(text_encoder="what ever?")


@pytest.mark.parametrize("name", ["./models/none", "/no/such/folder", "~/no-such-folder-here", "a/b/c"])
def test_a_path_that_does_not_exist_is_not_asked_of_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, AssertionError("asked the hub"))
    with pytest.raises(EncoderError, match=r"the folder .* does not exist"):
        Encoders.load(text_encoder=name)


def test_a_mistyped_built_in_name_gets_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, errors.LocalEntryNotFoundError("not here"))
    with pytest.raises(EncoderError, match=r"Did you mean 'minilm'\?"):
        Encoders.load(text_encoder="minlm")
    with pytest.raises(EncoderError, match=r"Did you mean 'descriptor'\?"):
        Encoders.load(image_encoder="descripter")


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=rf"features\.text_encoder: the folder {tmp_path} holds no model.*config\.json"):
        Encoders.load(text_encoder=str(tmp_path))


@pytest.mark.parametrize(("content", "said"), [("{", "not valid JSON"), ("[]", "must hold a JSON object")])
def test_a_damaged_config_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(EncoderError, match=said):
        Encoders.load(text_encoder=str(tmp_path))


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(EncoderError, match="name the folder"):
        Encoders.load(image_encoder=str(tmp_path / "model.onnx"))


def test_an_unknown_architecture_is_an_encoder_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "never-heard-of"}', encoding="utf-8")
    encoders = Encoders.load(text_encoder=str(tmp_path), use_cache=False)
    with pytest.raises(EncoderError, match="cannot be loaded"):
        encoders.describe()


def test_foreign_code_is_not_run(tmp_path: Path, bert_folder: Path) -> None:
    folder = tmp_path / "custom"
    shutil.copytree(bert_folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "own.py").write_text("raise SystemExit('ran')", encoding="utf-8")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        Encoders.load(text_encoder=str(folder), use_cache=False).describe()


def test_a_hub_model_is_used_from_its_snapshot(bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "snapshots" / "0123abcd"
    shutil.copytree(bert_folder, snapshot)
    asked: dict[str, Any] = {}

    def download(name: str, revision: str | None, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        asked.update(name=name, revision=revision)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    described = Encoders.load(text_encoder="someone/bert", revision="main", use_cache=False).describe()["text"]
    assert asked == {"name": "someone/bert", "revision": "main"}
    assert (described["name"], described["revision"], described["dim"]) == ("someone/bert", "0123abcd", 16)


def test_pickled_weights_are_fetched_only_where_there_are_no_others(
    bert_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[bool] = []
    for name, weights in (("new", "model.safetensors"), ("old", "pytorch_model.bin")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}", encoding="utf-8")
        (tmp_path / name / weights).write_bytes(b"x")

    def download(name: str, allow_patterns: list[str], **kwargs: Any) -> str:
        asked.append("*.bin" in allow_patterns)
        return str(tmp_path / name.partition("/")[2])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    resolve_model("someone/new", None, "x")
    resolve_model("someone/old", None, "x")
    assert asked == [False, False, True]


def test_only_files_that_decide_vectors_count_as_the_model(tmp_path: Path) -> None:
    for name in (
        "config.json",
        "model.safetensors",
        "pytorch_model.bin",
        "model.onnx",
        "README.md",
        "vocab.txt",
        "1_Pooling/config.json",
        "onnx/model.onnx",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    files = model_files(resolve_model(str(tmp_path), None, "x"))
    assert files == ["1_Pooling/config.json", "config.json", "model.safetensors", "vocab.txt"]
