import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pgmel.errors import EncoderError, MissingExtraError
from pgmel.features import Encoders
from pgmel.features.fingerprints import FileDigests
from pgmel.features.loading import EncoderLoader
from pgmel.features.protocols import ImageEncoder
from pgmel.records import Entity, Mention

CONFIG = {"size": {"height": 8, "width": 8}, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def field(number: int, content: bytes | str | int) -> bytes:
    """One protobuf field (all numbers here are below 128)."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    content = content.encode() if isinstance(content, str) else content
    return (
        bytes([number << 3 | 2])
        + (bytes([len(content)]) if len(content) < 128 else bytes([len(content) & 127 | 128, len(content) >> 7]))
        + content
    )


def tensor(name: str, *axes: str | int) -> bytes:
    shape = b"".join(field(1, field(2, axis) if isinstance(axis, str) else field(1, axis)) for axis in axes)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def mean_model(source: str = "pixel_values", batch: str | int = "batch", extra: str = "") -> bytes:
    """An ONNX model whose output is the mean of each channel: (batch, 3, 1, 1)."""
    node = field(1, source) + field(2, "features") + field(4, "GlobalAveragePool")
    graph = field(1, node) + field(2, "graph") + field(11, tensor(source, batch, 3, "height", "width"))
    graph += field(11, tensor(extra, batch)) if extra else b""
    graph += field(12, tensor("features", batch, 3, 1, 1))
    return field(1, 8) + field(7, graph) + field(8, field(2, 17))


def onnx_folder(folder: Path, model: bytes = mean_model(), config: dict[str, object] | None = CONFIG) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    if config is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def load(folder: Path) -> ImageEncoder:
    encoder = EncoderLoader(None, "auto", 96, "cpu", FileDigests(None)).image(str(folder))
    assert encoder is not None
    return encoder


@pytest.fixture(autouse=True)
def _needs_onnxruntime() -> None:
    pytest.importorskip("onnxruntime")


PICTURES = [Image.new("RGB", (20, 10), colour) for colour in ((255, 0, 127), (0, 0, 0), (10, 20, 30))]
EXPECTED = np.array([picture.getpixel((0, 0)) for picture in PICTURES]) / 127.5 - 1


@pytest.mark.parametrize(
    "model", [mean_model(), mean_model(source="any"), mean_model(batch=1)], ids=["usual", "other-name", "batch-of-one"]
)
def test_model_gets_normalised_pixels_and_a_map_is_averaged(tmp_path: Path, model: bytes) -> None:
    encoder = load(onnx_folder(tmp_path, model))
    got = encoder.encode([encoder.prepare(picture) for picture in PICTURES])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, EXPECTED, atol=1e-5)
    assert encoder.target == 8


def test_two_inputs_of_other_names_are_refused(tmp_path: Path) -> None:
    encoder = load(onnx_folder(tmp_path, mean_model(source="left", extra="right")))
    with pytest.raises(EncoderError, match="has the inputs left, right"):
        encoder.encode([encoder.prepare(PICTURES[0])])


def test_missing_preprocessor_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"preprocessor_config\.json: the file does not exist"):
        load(onnx_folder(tmp_path, config=None))


def test_damaged_model_is_an_error(tmp_path: Path) -> None:
    encoder = load(onnx_folder(tmp_path, model=b"no model"))
    with pytest.raises(EncoderError, match=f"cannot be loaded from {tmp_path}"):
        encoder.encode([encoder.prepare(PICTURES[0])])


def test_input_that_the_model_refuses_is_an_error(tmp_path: Path) -> None:
    encoder = load(onnx_folder(tmp_path))
    with pytest.raises(EncoderError, match="refuses its input"):
        encoder.encode([np.zeros((4, 8, 8), dtype=np.float32)])


def test_without_onnxruntime_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pgmel\[onnx\]"):
        load(onnx_folder(tmp_path))


def test_onnx_is_no_text_encoder(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="ONNX is read for pictures only"):
        Encoders.load(text_encoder=str(onnx_folder(tmp_path)))


@pytest.mark.shared_data
def test_mobilenet_finds_emoji_of_another_artist(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "emoji"
    kb = [json.loads(line) for line in (root / "kb.jsonl").read_text(encoding="utf-8").splitlines()]
    dev = [json.loads(line) for line in (root / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    wanted = list(dict.fromkeys(record["entity_id"] for record in dev))[:60]
    entities = [Entity(e["id"], e["name"], images=tuple(root / image for image in e["images"])) for e in kb if e["id"] in wanted]
    mentions = list(
        {
            m["image"]: Mention(m["id"], m["mention"], image=root / m["image"], entity_id=m["entity_id"])
            for m in dev
            if m["entity_id"] in wanted
        }.values()
    )
    encoders = Encoders.load(text_encoder="none", image_encoder=str(shared_data / "vision"), cache_dir=tmp_path)
    left, right = encoders.encode_mentions(mentions, show_progress=False), encoders.encode_entities(entities, show_progress=False)
    assert left.present["image"].all()
    assert right.channels["image"].shape == (60, 1280)
    a, b = (side.channels["image"].astype(np.float32) for side in (left, right))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a - b.mean(0), b - b.mean(0)))
    best = [right.ids[row] for row in (a @ b.T).argmax(axis=1)]
    hits = np.mean([key == mention.entity_id for key, mention in zip(best, mentions, strict=True)])
    assert hits > 0.3  # chance is 0.017
