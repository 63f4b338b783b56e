"""Tiny models with random weights, saved as real ones are."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SENTENCE = "the a red blue green river painter town water canvas mayor flows bridge portrait market alder brook"
WORDS = [*SENTENCE.split(), ",", "."]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests out of the user's cache."""
    monkeypatch.setenv("PGMEL_CACHE", str(tmp_path / "default-cache"))


@pytest.fixture(scope="session")
def quiet_transformers() -> Iterator[None]:
    from pgmel.features.torch_models import quiet

    with quiet():
        yield


def _save_bert_tokenizer(folder: Path) -> None:
    from transformers import BertTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *("##" + letter for letter in letters)]
    vocabulary = list(dict.fromkeys(vocabulary))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizer.from_pretrained(folder, do_lower_case=True, model_max_length=32).save_pretrained(folder)


def _save_bert(folder: Path, seed: int = 0) -> Path:
    import torch
    from transformers import BertConfig, BertModel

    _save_bert_tokenizer(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=100, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=32
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory, quiet_transformers: None) -> Path:
    return _save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def make_bert(tmp_path: Path, quiet_transformers: None) -> Callable[[str, int], Path]:
    return lambda name, seed: _save_bert(tmp_path / name, seed)


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory, quiet_transformers: None) -> Path:
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder = tmp_path_factory.mktemp("clip")
    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, "re", *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(vocabulary)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nr e\n", encoding="utf-8")
    CLIPTokenizer.from_pretrained(folder, model_max_length=20).save_pretrained(folder)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    start, end = len(vocabulary) - 2, len(vocabulary) - 1
    text: dict[str, Any] = size | {"vocab_size": len(vocabulary), "max_position_embeddings": 20}
    text |= {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config=size | {"image_size": 32, "patch_size": 8}, projection_dim=12)).save_pretrained(
        folder
    )
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


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
