from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pgmel.errors import EncoderError
from pgmel.features.fingerprints import FileDigests
from pgmel.features.loading import EncoderLoader

TEXTS = ["the red river", "a portrait on a canvas by the painter", "mayor"]
PICTURES = [Image.new("RGB", size, colour) for size, colour in (((50, 40), (250, 0, 0)), ((30, 60), (0, 90, 0)), ((32, 32), (9, 9, 200)))]


def loader(max_tokens: int = 96) -> EncoderLoader:
    return EncoderLoader(None, "auto", max_tokens, "cpu", FileDigests(None))


@pytest.fixture(params=["clip_folder", "siglip_folder"])
def dual_folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.getfixturevalue(request.param))


def test_texts_have_the_vectors_of_the_models_own_pipeline(dual_folder: Path, quiet_transformers: None) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(dual_folder), AutoModel.from_pretrained(dual_folder).eval()
    expected = []
    for text in TEXTS:
        siglip = model.config.model_type == "siglip"
        inputs = tokenizer([text], padding="max_length" if siglip else False, truncation=True, max_length=16, return_tensors="pt")
        with torch.no_grad():
            kept = {"input_ids": inputs["input_ids"]} if siglip else dict(inputs)
            expected.append(model.get_text_features(**kept).pooler_output[0].numpy())
    encoder = loader(max_tokens=16).text(str(dual_folder))
    assert encoder is not None
    np.testing.assert_allclose(encoder.encode(TEXTS), np.stack(expected), atol=1e-5)


def test_pictures_have_the_vectors_of_the_models_own_pipeline(dual_folder: Path, quiet_transformers: None) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoModel

    processor, model = AutoImageProcessor.from_pretrained(dual_folder, backend="pil"), AutoModel.from_pretrained(dual_folder).eval()
    with torch.no_grad():
        expected = model.get_image_features(**processor(images=PICTURES, return_tensors="pt")).pooler_output.numpy()
    encoder = loader().image(str(dual_folder))
    assert encoder is not None
    np.testing.assert_allclose(encoder.encode([encoder.prepare(picture) for picture in PICTURES]), expected, atol=1e-5)


def test_both_towers_end_in_one_space_and_share_their_weights(dual_folder: Path) -> None:
    shared = loader()
    text, image = shared.text(str(dual_folder)), shared.image(str(dual_folder))
    assert text is not None
    assert image is not None
    assert text.encode(TEXTS).shape[1] == image.encode([image.prepare(PICTURES[0])]).shape[1]
    assert text._dual is image._dual  # type: ignore[attr-defined]
    assert text.identity != image.identity


def test_a_long_text_is_cut_to_the_towers_length(dual_folder: Path) -> None:
    encoder = loader(max_tokens=4000).text(str(dual_folder))
    assert encoder is not None
    assert np.isfinite(encoder.encode(["river " * 300])).all()


def test_max_tokens_cuts_texts(dual_folder: Path) -> None:
    encoder = loader(max_tokens=6).text(str(dual_folder))
    assert encoder is not None
    start = "the red river and the blue river"
    np.testing.assert_allclose(encoder.encode([start + " with mayor"]), encoder.encode([start + " with portrait"]), atol=1e-6)
    assert np.abs(encoder.encode(["a b"]) - encoder.encode(["a c"])).max() > 1e-4


def test_a_model_without_two_towers_is_refused(vit_folder: Path, tmp_path: Path) -> None:
    import json
    import shutil

    folder = tmp_path / "both"
    shutil.copytree(vit_folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"text_config": {}, "vision_config": {}}), encoding="utf-8")
    encoder = loader().text(str(folder))
    assert encoder is not None
    with pytest.raises(EncoderError, match="has no text and image tower"):
        encoder.encode(["river"])
