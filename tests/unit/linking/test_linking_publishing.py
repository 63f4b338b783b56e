"""Bundles for others: what is taken out, what the model card says, the way to the hub and back."""

import inspect
import json
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from tiny_models import save_bert
from toy_bundle import draw_picture, make_decision, write_toy_bundle

from pgmel import Linker, Mention
from pgmel.errors import BundleError, EncoderError
from pgmel.evaluation import EvaluationResult, measure, rank_against_kb
from pgmel.features import Encoders
from pgmel.kb import KnowledgeBase
from pgmel.linking import (
    ModelCardOptions,
    PublishOptions,
    StatedPrecision,
    check_bundle,
    clean_card,
    find_pretrained,
    push_to_hub,
    read_card,
    render_model_card,
    save_pretrained,
)
from pgmel.linking.pickles import find_pickles

MENTIONS = [Mention("1", "Congo", "Back from Congo."), Mention("2", "Georgja"), Mention("3", "Brazzaville")]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_toy_bundle(tmp_path / "secret-folder" / "bundle", make_decision())


def edit_card(bundle: Path, **changes: Any) -> None:
    card = json.loads((bundle / "card.json").read_text())
    (bundle / "card.json").write_text(json.dumps(card | changes))


class FakeHub(NamedTuple):
    """Repositories as folders: what the API and the download of the hub's client do, and what they were asked."""

    folder: Path
    asked: dict[str, Any]

    def download(self, repo: str, ignore_patterns: list[str], **asked: Any) -> str:
        self.asked.update(asked)
        if not (self.folder / repo).is_dir():
            raise ConnectionError("no such repository\nand more lines")
        names = [path.relative_to(self.folder / repo) for path in (self.folder / repo).rglob("*") if path.is_file()]
        for name in names:
            if not any(fnmatch(str(name), pattern) for pattern in ignore_patterns):
                (self.folder / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.folder / repo / name, self.folder / "cache" / name)
        return str(self.folder / "cache")


def as_the_client_takes_it(real: Callable[..., Any], stand_in: Callable[..., Any]) -> Callable[..., Any]:
    """Return the stand-in, which refuses arguments that the hub's client does not know."""
    signature = inspect.signature(real)

    def call(*arguments: Any, **options: Any) -> Any:
        signature.bind(*arguments, **options)
        return stand_in(*arguments, **options)

    return call


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(tmp_path / "hub", {})

    class Api:
        def __init__(self, **asked: Any) -> None:
            fake.asked.update(asked)

        def create_repo(self, repo: str, *, private: bool | None, exist_ok: bool, repo_type: str) -> None:
            if repo.startswith("forbidden/"):
                raise PermissionError("403 Forbidden: not yours")
            fake.asked["private"] = private
            (fake.folder / repo).mkdir(parents=True, exist_ok=exist_ok)

        def upload_folder(self, *, repo_id: str, folder_path: Path, delete_patterns: list[str], **asked: Any) -> Any:
            for path in [path for path in (fake.folder / repo_id).rglob("*") if path.is_file()]:
                if any(fnmatch(path.relative_to(fake.folder / repo_id).as_posix(), pattern) for pattern in delete_patterns):
                    path.unlink()
            shutil.copytree(folder_path, fake.folder / repo_id, dirs_exist_ok=True)
            return type("CommitInfo", (), {"commit_url": f"https://hub/{repo_id}/commit/1"})()

    for name in ("create_repo", "upload_folder"):
        setattr(Api, name, as_the_client_takes_it(getattr(huggingface_hub.HfApi, name), getattr(Api, name)))
    download = as_the_client_takes_it(huggingface_hub.snapshot_download, fake.download)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return fake


def test_the_published_bundle_links_as_the_original(bundle: Path, tmp_path: Path) -> None:
    with Linker.load(bundle) as linker:
        linker.save_pretrained(tmp_path / "out")
        expected = linker.link(MENTIONS)
    assert check_bundle(tmp_path / "out") == []
    with Linker.from_pretrained(tmp_path / "out") as published:
        assert published.link(MENTIONS) == expected


def test_no_file_tells_of_a_folder_or_a_picture_of_this_machine(bundle: Path, tmp_path: Path) -> None:
    features = read_card(bundle)["settings"]["features"] | {"cache_dir": str(tmp_path / "secret-folder" / "cache")}
    settings = {"features": features, "data": {"path": str(tmp_path / "secret-folder")}, "linking": {"nil": True}}
    named = {"features": {"cache_dir": "/home/secret-folder", "text_encoder": "secret-folder/encoder"}}
    scores = {"trained": {"settings": named, "single_vector": {"settings": named}}}
    edit_card(bundle, settings=settings, scores=scores, note="~/secret-folder/notes")
    (bundle / "leftover-secret-folder.txt").write_text("secret-folder")
    draw_picture(bundle / "pictures" / "secret-folder.png", "red")
    save_pretrained(bundle, tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in files if b"secret-folder" in path.read_bytes() or str(tmp_path).encode() in path.read_bytes()]
    assert not [path for path in files if path.suffix in (".png", ".txt")]
    with KnowledgeBase.open(tmp_path / "out" / "kb" / "kb.sqlite") as kb:
        assert [entity.images for entity in kb.iter_entities() if entity.images] == []
        assert kb.image_root is None


def test_pictures_of_entities_that_were_removed_are_gone_too(bundle: Path, tmp_path: Path) -> None:
    with sqlite3.connect(bundle / "kb" / "kb.sqlite", isolation_level=None) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("UPDATE entities SET images = ? WHERE id = 'Q0'", (json.dumps(["/removed/" + "x" * 9000]),))
        connection.execute("UPDATE entities SET images = NULL WHERE id = 'Q0'")
    connection.close()
    assert b"/removed/" in (bundle / "kb" / "kb.sqlite").read_bytes()
    from pgmel.kb import copy_without_pictures

    copy_without_pictures(bundle / "kb" / "kb.sqlite", tmp_path / "copy.sqlite")
    assert b"/removed/" not in (tmp_path / "copy.sqlite").read_bytes()


def write_with_encoder(tmp_path: Path) -> Path:
    """Write a bundle whose text encoder is a folder, which the toy model does not read."""
    folder = write_toy_bundle(tmp_path / "made" / "bundle", None, image_encoder="none")
    encoder = save_bert(tmp_path / "made" / "tiny-encoder")
    encoders = Encoders.load(text_encoder=str(encoder), lexical_dim=256, use_cache=False)
    named = {"text_encoder": str(encoder), "image_encoder": "none", "lexical_dim": 256}
    edit_card(folder, settings={"features": named}, encoders=encoders.describe())
    return folder


def test_an_encoder_that_is_not_published_has_to_be_supplied(tmp_path: Path) -> None:
    bundle = write_with_encoder(tmp_path)
    save_pretrained(bundle, tmp_path / "out")
    assert "you have to supply it" in (tmp_path / "out" / "README.md").read_text()
    assert 'text_encoder="FOLDER"' in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(EncoderError, match=r"without its text encoder 'tiny-encoder'.*--text-encoder FOLDER"):
        Linker.from_pretrained(tmp_path / "out")
    with Linker.from_pretrained(tmp_path / "out", text_encoder=str(tmp_path / "made" / "tiny-encoder")) as linker:
        assert linker.link(MENTIONS[:1])[0].entity_id == "Q0"


def test_an_encoder_is_copied_along_on_request(tmp_path: Path) -> None:
    bundle = write_with_encoder(tmp_path)
    save_pretrained(bundle, tmp_path / "out", PublishOptions(include_encoders=True))
    shutil.rmtree(tmp_path / "made")
    assert "in this repository" in (tmp_path / "out" / "README.md").read_text()
    with Linker.from_pretrained(tmp_path / "out") as linker:
        assert linker.link(MENTIONS[:1])[0].entity_id == "Q0"


def test_an_encoder_with_pickled_weights_is_not_copied(tmp_path: Path) -> None:
    bundle = write_with_encoder(tmp_path)
    encoder = tmp_path / "made" / "tiny-encoder"
    for file in encoder.glob("*.safetensors"):
        file.unlink()
    torch.save({}, encoder / "pytorch_model.bin")
    with pytest.raises(BundleError, match=r"pytorch_model\.bin is a pickle"):
        save_pretrained(bundle, tmp_path / "out", PublishOptions(include_encoders=True))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["model/extra.pkl", "model/extra.dat", "model/extra.zip", "model/extra.npy", "model/extra.npz"])
def test_a_pickle_is_not_published_whatever_it_is_called(bundle: Path, tmp_path: Path, name: str) -> None:
    if name.endswith("zip"):
        torch.save({"a": 1}, bundle / name)
    elif name.endswith("npy"):
        np.save(bundle / name, np.array([(1, [])], dtype=[("number", int), ("thing", object)]), allow_pickle=True)
    elif name.endswith("npz"):
        np.savez_compressed(bundle / name, numbers=np.arange(3), things=np.array([{}], dtype=object))
    else:
        (bundle / name).write_bytes(pickle.dumps([1]))
    files = read_card(bundle)["files"]
    from pgmel.linking.bundle import describe_file

    edit_card(bundle, files=files | {name: describe_file(bundle / name)})
    with pytest.raises(BundleError, match="published as pickles"):
        save_pretrained(bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_plain_arrays_are_no_pickles(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", numbers=np.arange(3), records=np.zeros(2, dtype=[("number", int), ("text", "U3")]))
    np.save(tmp_path / "a.npy", np.zeros((2, 3), np.float16))
    assert find_pickles(tmp_path.iterdir()) == []


def test_a_damaged_bundle_is_not_published(bundle: Path, tmp_path: Path) -> None:
    (bundle / "model" / "model.json").write_text("{}")
    with pytest.raises(BundleError, match="not published, because it is damaged"):
        save_pretrained(bundle, tmp_path / "out")


def test_a_folder_that_is_no_bundle_is_not_replaced(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (bundle / "model" / "model.json").write_text("{}")  # nobody looks that far
    with pytest.raises(BundleError, match="will not be replaced"):
        save_pretrained(bundle, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def result() -> EvaluationResult:
    vectors = np.eye(4, dtype=np.float32)
    ranks = rank_against_kb(vectors, vectors, np.array([0, 1, 2, 0]))
    overall = measure(ranks, 50, 0.95, np.random.default_rng(0))
    return EvaluationResult("trained", "kb", overall, 4, slices={"unseen": overall}, data={"name": "toy", "split": "dev"})


def test_the_model_card_gives_scores_with_their_intervals(bundle: Path) -> None:
    found = result()
    edit_card(bundle, scores={"trained": found.to_dict() | {"single_vector": found.to_dict()}})
    text = render_model_card(clean_card(read_card(bundle)), ModelCardOptions("Toy", "cc-by-4.0", ("en", "de")))
    h = found.overall.metrics["h_at_1"] if hasattr(found.overall, "metrics") else found.overall.h_at_1
    assert f"{h.value:.3f} [{h.low:.3f}, {h.high:.3f}]" in text
    assert text.count("| trained, before the second stage | ") == 1
    card = ModelCard(text)
    assert card.data.license == "cc-by-4.0"
    assert card.data.language == ["en", "de"]
    assert card.data.library_name == "pgmel"
    assert "entity-linking" in card.data.tags
    assert card.data.eval_results[0].metric_value == round(h.value, 4)
    for heading in ("Use", "Data", "Scores", "How it was made", "Limits and intended use", "Licence"):
        assert f"\n## {heading}\n" in text


def test_the_model_card_leads_with_the_second_stage_where_there_is_one(bundle: Path) -> None:
    found = result()
    better = found.to_dict()
    better["overall"]["h_at_1"] = {"value": 0.9, "low": 0.8, "high": 0.95}
    edit_card(bundle, scores={"trained": found.to_dict(), "reranked": better})
    text = render_model_card(read_card(bundle), ModelCardOptions("Toy"))
    assert "| trained, with the second stage | 0.900 [0.800, 0.950] |" in text
    assert ModelCard(text).data.eval_results[0].metric_value == 0.9


def stated(**changes: Any) -> dict[str, Any]:
    """Return a decision as a card holds it, with the precisions that it promises."""
    nil, links = StatedPrecision(0.8, 0.8123, 0.771, 0.847, 1328, 0.96), StatedPrecision(None, 0.833, 0.819, 0.846, 2299)
    measured: dict[str, Any] = {"num_mentions": 2627, "simulated_nil": True, "nil_share": 0.2, "num_folds": 5, "accuracy": 0.83}
    measured |= {"threshold": 0.0, "nil_threshold": 0.7, "nil_precision": nil, "link_precision": links}
    return make_decision(**{**measured, **changes}).to_dict()


def test_the_model_card_prints_the_stated_precisions(bundle: Path) -> None:
    text = render_model_card(read_card(bundle) | {"decision": stated()}, ModelCardOptions("Toy"))
    assert "| `nil` | the knowledge base lacks the entity | 0.8 | 0.812 [0.771, 0.847] | 1,328 |" in text
    assert "| `linked` | this entity is meant | nothing | 0.833 [0.819, 0.846] | 2,299 |" in text
    assert "2,627 mentions, by cross-fitting over 5 parts" in text
    assert "NIL is simulated by leaving the gold entity out, and weighs 20%" in text
    assert "or that none is (NIL)" in text
    assert "never answered" not in text


def test_the_model_card_says_which_precision_is_out_of_reach(bundle: Path) -> None:
    asked = StatedPrecision(0.8, None, None, None, 0, 0.34)
    card = read_card(bundle)
    text = render_model_card(card | {"decision": stated(nil_threshold=None, nil_precision=asked, num_folds=1)}, ModelCardOptions("Toy"))
    assert "| `nil` | the knowledge base lacks the entity | 0.8 | no such answers | 0 |" in text
    assert "No threshold promises 0.8 for `nil` (the best one 0.340)" in text
    assert "the same that the thresholds were chosen on" in text
    assert "or that none is (NIL)" not in text
    text = render_model_card(card | {"decision": stated(threshold=None, link_precision=asked)}, ModelCardOptions("Toy"))
    assert "No threshold promises 0.8 for `linked` (the best one 0.340), so nothing is linked" in text
    text = render_model_card(card | {"decision": stated(threshold=0.55, num_nil=9, simulated_nil=False)}, ModelCardOptions("Toy"))
    assert "below 0.55 the decision is `unsure`" in text
    assert "20% of them NIL" in text


def test_the_model_card_names_the_data_of_a_later_calibration(bundle: Path) -> None:
    card = read_card(bundle) | {"decision": stated(), "calibrated": {"data": {"name": "posts", "split": "mine"}}}
    assert "2,627 mentions of the split `mine` of `posts`" in render_model_card(card, ModelCardOptions("Toy"))


@pytest.mark.parametrize("nil", [True, False])
def test_the_model_card_is_silent_of_decisions_that_were_not_measured(bundle: Path, nil: bool) -> None:
    decision = make_decision().to_dict() if nil else stated()
    card = read_card(bundle)
    card = card | {"decision": decision, "settings": {**card["settings"], "linking": {"nil": nil}}}
    assert "## Decisions" not in render_model_card(card, ModelCardOptions("Toy"))


def test_the_model_card_says_what_is_not_known(bundle: Path) -> None:
    text = render_model_card(read_card(bundle) | {"scores": {}, "decision": None}, ModelCardOptions("Toy"))
    assert ModelCard(text).data.license == "unknown"
    assert "nothing was measured" in text
    assert "No probabilities were fitted" in text
    assert "has named none" in text


def test_to_the_hub_and_back(bundle: Path, hub: FakeHub) -> None:
    with Linker.load(bundle) as linker:
        address = linker.push_to_hub("me/toy", PublishOptions(license="mit"), private=True, token="hf_x")
        expected = linker.link(MENTIONS)
    assert address == "https://hub/me/toy/commit/1"
    assert hub.asked["private"] is True
    assert hub.asked["token"] == "hf_x"
    assert 'from_pretrained("me/toy")' in (hub.folder / "me" / "toy" / "README.md").read_text()
    with Linker.from_pretrained("me/toy", revision="v1") as fetched:
        assert fetched.link(MENTIONS) == expected
    assert hub.asked["revision"] == "v1"


def test_a_new_version_leaves_nothing_of_the_old_one(bundle: Path, hub: FakeHub) -> None:
    for name in ("index/compressed.faiss", "notes.md"):
        (hub.folder / "me" / "toy" / name).parent.mkdir(parents=True, exist_ok=True)
        (hub.folder / "me" / "toy" / name).touch()
    push_to_hub(bundle, "me/toy")
    assert not (hub.folder / "me" / "toy" / "index" / "compressed.faiss").exists()
    assert (hub.folder / "me" / "toy" / "notes.md").exists()


def test_pickles_beside_a_bundle_are_not_even_downloaded(bundle: Path, hub: FakeHub) -> None:
    push_to_hub(bundle, "me/toy")
    (hub.folder / "me" / "toy" / "weights.pkl").write_bytes(pickle.dumps([1]))
    assert not (find_pretrained("me/toy") / "weights.pkl").exists()


@pytest.mark.parametrize("name", ["model/weights.pt", "model/weights.dat", "../outside.json"])
def test_a_download_whose_card_names_what_it_must_not_is_refused(bundle: Path, hub: FakeHub, name: str) -> None:
    push_to_hub(bundle, "me/toy")
    repo = hub.folder / "me" / "toy"
    edit_card(repo, files=read_card(repo)["files"] | {name: {"bytes": 1, "digest": ""}})
    (repo / name).write_bytes(pickle.dumps([1]))
    with pytest.raises(BundleError, match="me/toy is refused"):
        find_pretrained("me/toy")


def test_a_download_that_was_changed_is_refused(bundle: Path, hub: FakeHub) -> None:
    push_to_hub(bundle, "me/toy")
    file = hub.folder / "me" / "toy" / "index" / "vectors.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"no whole bundle:\n.*vectors\.npy"):
        find_pretrained("me/toy")


@pytest.mark.parametrize(
    ("name", "message"),
    [("me/none", "cannot be had from the hub: no such repository. Check the network"), ("./none", "the folder ./none does not exist")],
)
def test_a_name_that_leads_nowhere_is_told_clearly(hub: FakeHub, name: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Linker.from_pretrained(name)


def test_a_name_that_was_never_downloaded_is_told_clearly_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BundleError, match=r"me/none is no folder here, and cannot be had from the hub.*HF_HUB_OFFLINE=1 only what"):
        find_pretrained("me/none", cache_dir=tmp_path)


def test_a_refusal_of_the_hub_is_told_clearly(bundle: Path, hub: FakeHub) -> None:
    with pytest.raises(BundleError, match="cannot be pushed to forbidden/x: 403 Forbidden: not yours"):
        push_to_hub(bundle, "forbidden/x")


def test_a_linker_made_of_parts_is_not_published(bundle: Path, tmp_path: Path) -> None:
    with Linker.load(bundle) as whole:
        parts = Linker(whole.kb, whole.index, whole._embedder, whole._encoders)
        with pytest.raises(BundleError, match="put together from parts"):
            parts.save_pretrained(tmp_path / "out")
