"""Tiny models with random weights, saved as real ones are, for tests that go through the code that loads the real ones."""

import json
from pathlib import Path
from typing import Any

__all__ = ["WORDS", "save_bert", "save_bert_tokenizer", "save_clip"]

SENTENCE = "the a red blue green river painter town water canvas mayor flows bridge portrait market alder brook"
WORDS = [*SENTENCE.split(), ",", "."]


def save_bert_tokenizer(folder: Path) -> None:
    from transformers import BertTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *("##" + letter for letter in letters)]
    vocabulary = list(dict.fromkeys(vocabulary))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    BertTokenizer.from_pretrained(folder, do_lower_case=True, model_max_length=32).save_pretrained(folder)


def save_bert(folder: Path, seed: int = 0) -> Path:
    import torch
    from transformers import BertConfig, BertModel

    save_bert_tokenizer(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=100, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=32
    )
    BertModel(config).save_pretrained(folder)
    return folder


def save_clip(folder: Path) -> Path:
    import torch
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    folder.mkdir(parents=True, exist_ok=True)
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
