"""A bundle that holds its own encoders, put to work on another knowledge base: the new bundle must be whole."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_models import save_bert, save_clip
from toy_bundle import draw_picture
from toy_runs import quick_settings, write_lines

from pgmel.files import read_json, write_json
from pgmel.linking import Linker, PublishOptions, check_bundle, load_reranker, read_card, save_pretrained
from pgmel.linking.bundle import RERANKER, describe_file
from pgmel.linking.reranking import FEATURES, Reranker
from pgmel.records import Mention
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.kb import KbOptions, build_kb
from pgmel.workflows.start_bundle import start_bundle

NAMES = ("Congo", "Georgia", "Samoa", "Alder")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kb") / "kb"
    draw_picture(folder / "samoa.png", "red")
    rows = [{"id": f"Q{number}", "name": name, "images": ["samoa.png"] if name == "Samoa" else []} for number, name in enumerate(NAMES)]
    write_lines(folder / "kb.jsonl", rows)
    return folder


@pytest.fixture(scope="module")
def published(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a text and an image encoder in it, and a second stage; where the encoders came from is gone."""
    folder = tmp_path_factory.mktemp("published")
    text, image = save_bert(folder / "bert"), save_clip(folder / "clip")
    settings = quick_settings(f"features.text_encoder={text}", f"features.image_encoder={image}", f"features.cache_dir={folder / 'cache'}")
    start_bundle(data, folder / "bundle", settings, show_progress=False, device="cpu")
    Reranker(np.zeros(len(FEATURES), np.float32)).save(folder / "bundle" / RERANKER)
    card = read_json(folder / "bundle" / "card.json")
    for file in (folder / "bundle" / RERANKER).iterdir():
        card["files"][f"{RERANKER}/{file.name}"] = describe_file(file)
    write_json(folder / "bundle" / "card.json", card)
    save_pretrained(folder / "bundle", folder / "out", PublishOptions(include_encoders=True))
    for gone in ("bert", "clip", "bundle"):
        shutil.rmtree(folder / gone)
    return folder / "out"


@pytest.mark.parametrize("keep_second_stage", [False, True])
@pytest.mark.parametrize("built_first", [False, True])
def test_the_new_bundle_opens_when_the_old_one_is_gone(
    published: Path, data: Path, tmp_path: Path, keep_second_stage: bool, built_first: bool
) -> None:
    model, kb = tmp_path / "model", data
    shutil.copytree(published, model)
    if built_first:
        kb = tmp_path / "kb"
        build_kb(data / "kb.jsonl", kb, KbOptions(), show_progress=False)
    build_bundle(model, kb, tmp_path / "new", device="cpu", show_progress=False, keep_second_stage=keep_second_stage)
    shutil.rmtree(model)
    assert check_bundle(tmp_path / "new") == []
    card = read_card(tmp_path / "new")
    assert {name.split("/")[0] for name in card["files"]} >= {"encoder", "image-encoder"}
    assert (load_reranker(card, tmp_path / "new") is not None) == keep_second_stage
    with Linker.load(tmp_path / "new") as linker:
        [link] = linker.link([Mention("m", "Samoa", "A picture of Samoa.", image=data / "samoa.png")])
    assert link.entity_id == "Q2"
    assert link.warnings == ()
