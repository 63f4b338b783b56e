import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgmel.errors import EncoderError
from pgmel.features.fingerprints import FileDigests
from pgmel.features.loading import EncoderLoader
from pgmel.features.pooling import pool_tokens
from pgmel.features.protocols import TextEncoder

TEXTS = ["the red river", "a painter . portrait , canvas", "mayor", "the town market by the river bridge"]


def load(folder: Path, pooling: Any = "auto", max_tokens: int = 96) -> TextEncoder:
    encoder = EncoderLoader(None, pooling, max_tokens, "cpu", FileDigests(None)).text(str(folder))
    assert encoder is not None
    return encoder


def slow_vectors(folder: Path, pooling: str, texts: list[str], limit: int = 32) -> np.ndarray:
    """One text at a time, without padding."""
    import torch
    from transformers import BertModel, BertTokenizer

    tokenizer, model = BertTokenizer.from_pretrained(folder), BertModel.from_pretrained(folder).eval()
    rows = []
    for text in texts:
        with torch.no_grad():
            tokens = model(**tokenizer(text, truncation=True, max_length=limit, return_tensors="pt")).last_hidden_state[0]
        rows.append((tokens[0] if pooling == "cls" else tokens.mean(0)).numpy())
    return np.stack(rows)


def as_sentence_transformer(folder: Path, target: Path, pooling: dict[str, Any], *modules: tuple[str, str], **limits: Any) -> Path:
    shutil.copytree(folder, target)
    steps = [("", "sentence_transformers.models.Transformer"), ("1_Pooling", "sentence_transformers.models.Pooling"), *modules]
    (target / "modules.json").write_text(json.dumps([{"path": path, "type": kind} for path, kind in steps]), encoding="utf-8")
    (target / "1_Pooling").mkdir()
    (target / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
    (target / "sentence_bert_config.json").write_text(json.dumps(limits), encoding="utf-8")
    return target


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_does_not_change_a_vector(bert_folder: Path, quiet_transformers: None, pooling: str) -> None:
    got = load(bert_folder, pooling).encode(TEXTS)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, slow_vectors(bert_folder, pooling, TEXTS), atol=1e-5)


def test_a_plain_folder_is_pooled_by_the_mean(bert_folder: Path) -> None:
    np.testing.assert_array_equal(load(bert_folder).encode(TEXTS), load(bert_folder, "mean").encode(TEXTS))


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "cls", "embedding_dimension": 16}, "cls"),
        ({"pooling_mode": ["mean"]}, "mean"),
        ({}, "mean"),
    ],
)
def test_auto_follows_the_folders_pooling(bert_folder: Path, tmp_path: Path, config: dict[str, Any], pooling: str) -> None:
    folder = as_sentence_transformer(bert_folder, tmp_path / "st", config)
    np.testing.assert_array_equal(load(folder).encode(TEXTS), load(bert_folder, pooling).encode(TEXTS))


def test_the_setting_overrules_the_folders_pooling(bert_folder: Path, tmp_path: Path) -> None:
    folder = as_sentence_transformer(bert_folder, tmp_path / "st", {"pooling_mode": "max"})
    np.testing.assert_array_equal(load(folder, "cls").encode(TEXTS), load(bert_folder, "cls").encode(TEXTS))


@pytest.mark.parametrize("config", [{"pooling_mode": "lasttoken"}, {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}])
def test_another_pooling_is_refused(bert_folder: Path, tmp_path: Path, config: dict[str, Any]) -> None:
    folder = as_sentence_transformer(bert_folder, tmp_path / "st", config)
    with pytest.raises(EncoderError, match=r"1_Pooling.*(lasttoken|cls\+max_tokens).*features\.pooling"):
        load(folder)


def test_an_unknown_step_is_refused(bert_folder: Path, tmp_path: Path) -> None:
    folder = as_sentence_transformer(bert_folder, tmp_path / "st", {}, ("2_X", "sentence_transformers.models.LayerNorm"))
    with pytest.raises(EncoderError, match="LayerNorm"):
        load(folder)


def test_the_clip_wrapper_of_sentence_transformers_names_the_folder_to_use(bert_folder: Path, tmp_path: Path) -> None:
    folder = as_sentence_transformer(bert_folder, tmp_path / "st", {}, ("0_CLIPModel", "sentence_transformers.models.CLIPModel"))
    with pytest.raises(EncoderError, match=r"name the CLIP folder itself.*0_CLIPModel"):
        load(folder)


@pytest.mark.parametrize("max_tokens", [5, 8])
def test_max_tokens_cuts_texts(bert_folder: Path, quiet_transformers: None, max_tokens: int) -> None:
    got = load(bert_folder, max_tokens=max_tokens).encode(TEXTS)
    np.testing.assert_allclose(got, slow_vectors(bert_folder, "mean", TEXTS, limit=max_tokens), atol=1e-5)


def test_the_folders_own_limit_holds_too(bert_folder: Path, tmp_path: Path, quiet_transformers: None) -> None:
    folder = as_sentence_transformer(bert_folder, tmp_path / "st", {}, max_seq_length=5)
    np.testing.assert_allclose(load(folder).encode(TEXTS), slow_vectors(bert_folder, "mean", TEXTS, limit=5), atol=1e-5)


def test_a_text_longer_than_the_model_is_cut(bert_folder: Path) -> None:
    assert np.isfinite(load(bert_folder, max_tokens=4096).encode(["river " * 500])).all()


def test_cls_skips_padding_on_the_left() -> None:
    import torch

    tokens = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[0, 1, 1], [1, 1, 0]])
    assert pool_tokens(tokens, mask, "cls").tolist() == [[2, 3], [6, 7]]
    assert pool_tokens(tokens, mask, "mean").tolist() == [[3, 4], [7, 8]]


def test_the_folders_lower_case_is_applied(bert_folder: Path, tmp_path: Path) -> None:
    from transformers import BertTokenizer

    folder = as_sentence_transformer(bert_folder, tmp_path / "st", {})
    (folder / "tokenizer.json").unlink()
    BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    assert np.abs(load(folder).encode(["RIVER"]) - load(folder).encode(["river"])).max() > 1e-3
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}', encoding="utf-8")
    np.testing.assert_array_equal(load(folder).encode(["RIVER"]), load(folder).encode(["river"]))


def test_the_folders_prompt_is_put_before_each_text(bert_folder: Path, tmp_path: Path) -> None:
    folder = as_sentence_transformer(bert_folder, tmp_path / "st", {})
    prompts = {"prompts": {"query": "the town "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts), encoding="utf-8")
    np.testing.assert_array_equal(load(folder).encode(["river"]), load(bert_folder).encode(["the town river"]))


@pytest.mark.parametrize("activation", ["Tanh", "Identity"])
def test_dense_layers_behind_the_pooling_are_applied(bert_folder: Path, tmp_path: Path, activation: str) -> None:
    import torch
    from safetensors.torch import save_file

    folder = as_sentence_transformer(bert_folder, tmp_path / "st", {}, ("2_Dense", "sentence_transformers.models.Dense"))
    weight, bias = torch.randn(4, 16, generator=torch.Generator().manual_seed(0)), torch.arange(4.0)
    (folder / "2_Dense").mkdir()
    config = {"in_features": 16, "out_features": 4, "bias": True, "activation_function": f"torch.nn.modules.activation.{activation}"}
    (folder / "2_Dense" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({"linear.weight": weight, "linear.bias": bias}, folder / "2_Dense" / "model.safetensors")
    raw = load(bert_folder).encode(TEXTS) @ weight.numpy().T + bias.numpy()
    np.testing.assert_allclose(load(folder).encode(TEXTS), np.tanh(raw) if activation == "Tanh" else raw, atol=1e-5)


def test_other_weights_give_another_identity(make_bert: Callable[[str, int], Path]) -> None:
    same, again, other = make_bert("a", 0), make_bert("b", 0), make_bert("c", 1)
    assert load(same).identity == load(again).identity
    assert load(same).identity != load(other).identity


def test_settings_are_part_of_the_identity(bert_folder: Path) -> None:
    identities = [load(bert_folder, *rest).identity for rest in (("mean", 96), ("cls", 96), ("mean", 50))]
    assert identities[0] != identities[1] != identities[2] != identities[0]


def test_making_an_encoder_loads_no_weights(bert_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(bert_folder, folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    encoder = load(folder)
    with pytest.raises(EncoderError, match=f"cannot be loaded from {folder}"):
        encoder.encode(["river"])


def test_missing_weights_are_an_error_not_noise(bert_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "half"
    shutil.copytree(bert_folder, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"1 are missing or of another shape, such as encoder\.layer\.1\.output\.dense\.weight"):
        load(folder).encode(["river"])


def test_weights_of_another_shape_are_an_error(bert_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other-shape"
    shutil.copytree(bert_folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 24}), encoding="utf-8")
    with pytest.raises(EncoderError, match=r"missing or of another shape, such as encoder\.layer"):
        load(folder).encode(["river"])


def test_a_folder_without_tokenizer_is_an_error(bert_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "no-tokenizer"
    shutil.copytree(bert_folder, folder, ignore=shutil.ignore_patterns("tokenizer*", "vocab*"))
    with pytest.raises(EncoderError, match=f"{folder} holds no vocabulary"):
        load(folder).encode(["river"])


def test_a_vision_model_is_no_text_encoder(vit_folder: Path) -> None:
    with pytest.raises(EncoderError):
        load(vit_folder).encode(["river"])


def test_an_unknown_device_is_an_error(bert_folder: Path) -> None:
    encoder = EncoderLoader(None, "auto", 96, "warp", FileDigests(None)).text(str(bert_folder))
    assert encoder is not None
    with pytest.raises(EncoderError, match="the device 'warp' cannot be used"):
        encoder.encode(["river"])


def test_threads_share_one_encoder(bert_folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    encoder = load(bert_folder)
    texts = [" ".join(TEXTS[:count]) for count in (1, 2, 3, 4)] * 5
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda text: encoder.encode([text]), texts))
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(vector, encoder.encode([text]), atol=1e-6)
