import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pgmel.errors import EncoderError
from pgmel.features.fingerprints import FileDigests
from pgmel.features.loading import EncoderLoader
from pgmel.features.protocols import ImageEncoder

PICTURES = [Image.new("RGB", size, colour) for size, colour in (((50, 40), (250, 0, 0)), ((30, 60), (0, 90, 0)))]


def load(folder: Path) -> ImageEncoder:
    encoder = EncoderLoader(None, "auto", 96, "cpu", FileDigests(None)).image(str(folder))
    assert encoder is not None
    return encoder


def vectors(encoder: ImageEncoder) -> np.ndarray:
    return encoder.encode([encoder.prepare(picture) for picture in PICTURES])


def reference(folder: Path, pooled: bool) -> np.ndarray:
    import torch
    from transformers import AutoImageProcessor, AutoModel

    processor, model = AutoImageProcessor.from_pretrained(folder, backend="pil"), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        output = model(**processor(images=PICTURES, return_tensors="pt"))
    return np.asarray((output.pooler_output if pooled else output.last_hidden_state[:, 0]).numpy())


def test_vit_gives_its_pooled_output(vit_folder: Path, quiet_transformers: None) -> None:
    np.testing.assert_allclose(vectors(load(vit_folder)), reference(vit_folder, pooled=True), atol=1e-5)


def test_without_weights_for_the_pooler_the_first_token_is_taken(vit_folder_without_pooler: Path, quiet_transformers: None) -> None:
    np.testing.assert_allclose(vectors(load(vit_folder_without_pooler)), reference(vit_folder_without_pooler, pooled=False), atol=1e-5)


def test_a_convolutional_model_gives_one_row_per_picture(tmp_path: Path, quiet_transformers: None) -> None:
    from transformers import ResNetConfig, ResNetModel
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    ResNetModel(config).save_pretrained(tmp_path)
    ConvNextImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(tmp_path)
    assert vectors(load(tmp_path)).shape == (2, 12)


def test_a_preprocessor_of_the_older_form_is_understood(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(clip_folder, folder)
    config = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 32, "crop_size": 32, "resample": 3, "do_resize": True}
    config |= {"do_center_crop": True, "do_normalize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073]}
    config |= {"image_std": [0.26862954, 0.26130258, 0.27577711]}
    (folder / "preprocessor_config.json").write_text(json.dumps(config), encoding="utf-8")
    np.testing.assert_allclose(vectors(load(folder)), vectors(load(clip_folder)), atol=1e-5)


def test_a_folder_without_preprocessing_is_an_error(vit_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "no-preprocessor"
    shutil.copytree(vit_folder, folder, ignore=shutil.ignore_patterns("preprocessor*"))
    with pytest.raises(EncoderError, match=f"{folder} lacks preprocessor_config.json"):
        load(folder)


def test_a_text_model_is_no_image_encoder(bert_folder: Path, vit_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"lacks preprocessor_config\.json"):
        load(bert_folder)
    folder = tmp_path / "mixed"
    shutil.copytree(bert_folder, folder)
    shutil.copy(vit_folder / "preprocessor_config.json", folder)
    with pytest.raises(EncoderError, match="holds a BertModel, which is no vision model"):
        vectors(load(folder))


def test_other_preprocessing_gives_another_identity(vit_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(vit_folder, folder)
    assert load(folder).identity == load(vit_folder).identity
    config = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    (folder / "preprocessor_config.json").write_text(json.dumps(config | {"image_mean": [0.1, 0.1, 0.1]}), encoding="utf-8")
    assert load(folder).identity != load(vit_folder).identity


def test_pictures_of_different_prepared_shapes_are_encoded_one_by_one(tmp_path: Path, quiet_transformers: None) -> None:
    from transformers import ResNetConfig, ResNetModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")).save_pretrained(tmp_path)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, do_center_crop=False).save_pretrained(tmp_path)
    encoder = load(tmp_path)
    alone = np.concatenate([encoder.encode([encoder.prepare(picture)]) for picture in PICTURES])
    np.testing.assert_allclose(vectors(encoder), alone, atol=1e-5)
