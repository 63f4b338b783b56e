"""Tiny models with random weights, saved as real ones are."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_models import WORDS, save_bert, save_clip


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache."""
    monkeypatch.setenv("PGMEL_CACHE", str(tmp_path / "default-cache"))


@pytest.fixture(scope="session")
def quiet_transformers() -> Iterator[None]:
    from pgmel.features.torch_models import quiet

    with quiet():
        yield


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory, quiet_transformers: None) -> Path:
    return save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def make_bert(tmp_path: Path, quiet_transformers: None) -> Callable[[str, int], Path]:
    return lambda name, seed: save_bert(tmp_path / name, seed)


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory, quiet_transformers: None) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory, quiet_transformers: None) -> Path:
    import sentencepiece
    import torch
    from transformers import SiglipConfig, SiglipModel, SiglipTokenizer
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    folder = tmp_path_factory.mktemp("siglip")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS)] * 20),
        model_writer=model,
        vocab_size=36,
        pad_id=2,
        eos_id=1,
        unk_id=0,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    SiglipTokenizer(str(folder / "spiece.model"), model_max_length=16).save_pretrained(folder)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = SiglipConfig(
        text_config=size | {"vocab_size": 36, "max_position_embeddings": 16}, vision_config=size | {"image_size": 32, "patch_size": 8}
    )
    SiglipModel(config).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory: pytest.TempPathFactory, quiet_transformers: None) -> Path:
    return _save_vit(tmp_path_factory.mktemp("vit"), pooler=True)


@pytest.fixture(scope="session")
def vit_folder_without_pooler(tmp_path_factory: pytest.TempPathFactory, quiet_transformers: None) -> Path:
    return _save_vit(tmp_path_factory.mktemp("vit-without-pooler"), pooler=False)


def _save_vit(folder: Path, pooler: bool) -> Path:
    import torch
    from transformers import ViTConfig, ViTModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(0)
    config = ViTConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8)
    ViTModel(config, add_pooling_layer=pooler).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
