"""Texts under a network that changes: as the frozen encoder has them at first, each encoded once, in any order and number of parts."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pgmel.errors import EncoderError
from pgmel.features import Encoders
from pgmel.features.fingerprints import FileDigests
from pgmel.features.live_text import LiveText, TextNumbers
from pgmel.features.loading import EncoderLoader
from pgmel.features.transformer_text import TransformerText

TEXTS = ["the red river", "mayor", "a painter . portrait , canvas by the river", "town", "the town market by the river bridge", "blue"]


def load(folder: Path) -> TransformerText:
    encoder = EncoderLoader(None, "auto", 96, "cpu", FileDigests(None)).text(str(folder))
    assert isinstance(encoder, TransformerText)
    return encoder


def make_live(folder: Path, texts: list[str] = TEXTS, batch_size: int = 2, dim: int = 16) -> LiveText:
    return LiveText(load(folder).open_network(), texts, dim, batch_size, show_progress=False)


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_texts_are_numbered_once_and_the_empty_one_is_absent() -> None:
    numbers = TextNumbers()
    assert numbers.add(["b", "a", "", "b"]).tolist() == [0, 1, -1, 0]
    assert numbers.add(["a", "c"]).tolist() == [1, 2]
    assert numbers.texts == ["b", "a", "c"]


def test_vectors_are_those_of_the_frozen_encoder(bert_folder: Path) -> None:
    found = make_live(bert_folder).encode(torch.tensor([3, 0, 5, 2]))
    expected = unit(load(bert_folder).encode([TEXTS[number] for number in (3, 0, 5, 2)]))
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-6)


def test_the_table_is_that_of_the_frozen_encoder(bert_folder: Path) -> None:
    table = make_live(bert_folder).encode_all()
    assert table.dtype == torch.float16
    assert not table.requires_grad
    np.testing.assert_allclose(table.float().numpy(), unit(load(bert_folder).encode(TEXTS)), atol=1e-3)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_parts_add_up_to_the_whole_to_the_bit(bert_folder: Path, parts: int) -> None:
    live = make_live(bert_folder)
    shares = [live.encode_all(part, parts) for part in range(parts)]
    assert torch.equal(torch.stack(shares).sum(0), live.encode_all())
    assert torch.equal(torch.stack([share.any(1) for share in shares]).sum(0), torch.ones(len(TEXTS)))


def test_texts_of_like_length_share_a_pass(bert_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = make_live(bert_folder)
    shapes: list[tuple[int, ...]] = []
    forward = type(live.network).forward

    def watched(self: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        shapes.append(tuple(batch["input_ids"].shape))
        return forward(self, batch)

    monkeypatch.setattr(type(live.network), "forward", watched)
    live.encode(torch.arange(len(TEXTS)))
    longest = sorted(live.lengths.tolist(), reverse=True)
    assert shapes == [(2, longest[0]), (2, longest[2]), (2, longest[4])]


def test_gradients_flow_where_the_network_learns(bert_folder: Path) -> None:
    live = make_live(bert_folder)
    last = live.network.transformer.encoder.layer[1].output.dense.weight.requires_grad_(True)
    (live.encode(torch.tensor([1, 4])) @ torch.randn(16)).sum().backward()
    assert last.grad is not None
    assert last.grad.any()


def test_no_texts_give_no_rows(bert_folder: Path) -> None:
    assert make_live(bert_folder).encode(torch.zeros(0, dtype=torch.int64)).shape == (0, 16)


def test_values_that_are_not_finite_are_an_error(bert_folder: Path) -> None:
    live = make_live(bert_folder)
    with torch.no_grad():
        live.network.transformer.encoder.layer[1].output.dense.weight[:] = torch.inf
    with pytest.raises(EncoderError, match=r"not finite; lower features\.encoder_learning_rate"):
        live.encode_all()


# A network of one's own, and as a folder


def test_a_network_that_learns_does_not_touch_the_encoder_it_came_from(bert_folder: Path) -> None:
    encoder = load(bert_folder)
    before = encoder.encode(TEXTS)
    network = encoder.open_network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(0.5)
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)


def with_dense(folder: Path, target: Path) -> Path:
    """Make a sentence-transformers folder with first-token pooling, a dense layer, a prompt and lower case."""
    shutil.copytree(folder, target)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Dense": "Dense"}
    modules = [{"name": kind, "path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    values: dict[str, object] = {
        "modules.json": modules,
        "1_Pooling/config.json": {"pooling_mode": "cls", "embedding_dimension": 16},
        "2_Dense/config.json": {"in_features": 16, "out_features": 12, "bias": True, "activation_function": "torch.nn.modules.Tanh"},
        "sentence_bert_config.json": {"max_seq_length": 9, "do_lower_case": True},
        "config_sentence_transformers.json": {"prompts": {"query": "the "}, "default_prompt_name": "query"},
    }
    for name, value in values.items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(json.dumps(value), encoding="utf-8")
    torch.manual_seed(4)
    save_file({"linear.weight": torch.randn(12, 16), "linear.bias": torch.randn(12)}, target / "2_Dense" / "model.safetensors")
    return target


def save_t5(folder: Path, tokenizer: Path) -> Path:
    """Save a whole T5 (its encoder alone is read) with the tokenizer of another folder."""
    from transformers import T5Config, T5Model

    shutil.copytree(tokenizer, folder, ignore=shutil.ignore_patterns("config.json", "*.safetensors"))
    torch.manual_seed(2)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    T5Model(T5Config(vocab_size=100, decoder_start_token_id=0, **sizes)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["plain", "dense", "t5", "without pooler"])
def test_a_saved_network_loads_as_the_same_encoder(bert_folder: Path, tmp_path: Path, kind: str) -> None:
    folder = bert_folder
    if kind == "dense":
        folder = with_dense(bert_folder, tmp_path / "dense")
    elif kind == "t5":
        folder = save_t5(tmp_path / "t5", bert_folder)
    elif kind == "without pooler":
        from transformers import BertModel

        folder = Path(shutil.copytree(bert_folder, tmp_path / "bare"))
        BertModel.from_pretrained(bert_folder, add_pooling_layer=False).save_pretrained(folder)
    network = load(folder).open_network()
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    (tmp_path / "saved").mkdir()
    network.save(tmp_path / "saved")
    with torch.no_grad():
        expected = network(network.tokenise_and_pad(TEXTS)).numpy()
    np.testing.assert_array_equal(load(tmp_path / "saved").encode(TEXTS), expected)
    assert not np.allclose(load(folder).encode(TEXTS), expected)


def test_a_saved_network_has_an_identity_of_its_own(bert_folder: Path, tmp_path: Path) -> None:
    network = load(bert_folder).open_network()
    with torch.no_grad():
        network.transformer.encoder.layer[1].output.dense.weight.add_(0.1)
    (tmp_path / "saved").mkdir()
    network.save(tmp_path / "saved")
    assert load(tmp_path / "saved").identity != load(bert_folder).identity


def test_sentence_transformers_reads_a_saved_network(bert_folder: Path, tmp_path: Path) -> None:
    package = pytest.importorskip("sentence_transformers")
    folder = with_dense(bert_folder, tmp_path / "dense")
    (tmp_path / "saved").mkdir()
    load(folder).open_network().save(tmp_path / "saved")
    theirs = package.SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(TEXTS, prompt_name="query")
    np.testing.assert_allclose(theirs, load(folder).encode(TEXTS), atol=1e-5)


# Encoders that cannot be trained


def test_encoders_open_their_text_network(bert_folder: Path) -> None:
    network = Encoders.load(text_encoder=str(bert_folder), use_cache=False).open_text_network()
    with torch.no_grad():
        vectors = network(network.tokenise_and_pad(TEXTS)).numpy()
    np.testing.assert_array_equal(vectors, load(bert_folder).encode(TEXTS))


def test_without_a_text_encoder_there_is_no_network() -> None:
    from pgmel.errors import SettingError

    with pytest.raises(SettingError, match=r"features\.train_encoder .* there is none"):
        Encoders.load(text_encoder="none", use_cache=False).open_text_network()


def test_the_tower_of_a_clip_model_cannot_be_trained(clip_folder: Path) -> None:
    from pgmel.errors import SettingError

    with pytest.raises(SettingError, match="is a text-tower; the towers of CLIP and SigLIP stay frozen"):
        Encoders.load(text_encoder=str(clip_folder), use_cache=False).open_text_network()
