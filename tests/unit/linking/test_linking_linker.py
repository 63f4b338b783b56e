"""The linker: mentions in, links out."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from toy_bundle import draw_picture, make_decision, write_toy_bundle

from pgmel import Linker as PublicLinker
from pgmel.errors import BundleError, EncoderError, IndexFileError, KnowledgeBaseError, SettingError
from pgmel.features import Features
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking import Decision, Linker
from pgmel.records import NIL, Entity, Mention


class OneHot:
    """Encodes the mention "3" as the third unit vector; "" has no text."""

    dim = 4

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode_mentions(self, mentions: Sequence[Mention], show_progress: bool = True) -> Features:
        assert not show_progress
        self.batches.append(len(mentions))
        present = np.array([bool(mention.surface) for mention in mentions])
        rows = np.array([np.eye(4)[int(mention.surface)] if mention.surface else np.zeros(4) for mention in mentions])
        return Features(tuple(mention.id for mention in mentions), {"name": rows.reshape(-1, 4)}, {"name": present})

    def reads(self, features: Features) -> np.ndarray:
        present: np.ndarray = features.present["name"]
        return present

    def embed_mentions(self, features: Features) -> np.ndarray:
        vectors: np.ndarray = np.asarray(features.channels["name"], dtype=np.float32)
        return vectors


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[KnowledgeBase]:
    with KnowledgeBase.create(tmp_path / "kb.sqlite", [Entity(f"Q{n}", f"name {n}") for n in range(4)]) as opened:
        yield opened


def one_hot_linker(kb: KnowledgeBase, decision: Decision | None = None, nil: bool = True) -> tuple[Linker, OneHot]:
    parts = OneHot()
    return Linker(kb, EntityIndex.build(np.eye(4)[: len(kb)]), parts, parts, decision, nil), parts


def test_public_name_is_the_linker() -> None:
    assert PublicLinker is Linker


def test_name_is_linked_with_candidates_best_first(linker: Linker) -> None:
    (link,) = linker.link([Mention("m", "Congo", "The flag of Congo.")], top_k=3)
    assert (link.mention_id, link.entity_id, link.warnings) == ("m", "Q0", ())
    assert (link.candidates[0].entity_id, link.candidates[0].name) == ("Q0", "Congo")
    assert len(link.candidates) == 3
    scores = [candidate.score for candidate in link.candidates]
    assert scores == sorted(scores, reverse=True)
    assert link.probability == link.candidates[0].probability > 0.9


def test_strange_name_is_nil(linker: Linker) -> None:
    (link,) = linker.link([Mention("m", "Xqzwk")])
    assert link.is_nil
    assert link.entity_id is NIL
    assert len(link.candidates) == 10
    assert link.probability is not None
    assert 0 < link.probability < 1


def test_nil_and_unsure_are_told_apart(kb: KnowledgeBase) -> None:
    """A half-way mention has the best candidate at 0.5 and NIL at 0.5."""
    half = {"threshold": 0.9, "nil_score": 1.0, "num_candidates": 1}

    def decide(**changes: float) -> tuple[str, bool]:
        (link,) = one_hot_linker(kb, make_decision(**{**half, **changes}))[0].link([Mention("m", "2")])
        return link.decision, link.is_nil

    assert decide() == ("unsure", True)
    assert decide(nil_threshold=0.6) == ("unsure", True)
    assert decide(nil_threshold=0.4) == ("nil", True)
    assert decide(threshold=0.1) == ("linked", False)


def test_a_least_probability_leaves_the_bundles_threshold_of_nil_its_say(kb: KnowledgeBase) -> None:
    decisions = []
    for nil_threshold in (0.4, None):
        linker, _ = one_hot_linker(kb, make_decision(nil_score=1.0, num_candidates=1, nil_threshold=nil_threshold))
        linker.require_probability(0.9)
        decisions.append(linker.link([Mention("m", "2")])[0].decision)
        linker.require_probability(0.1)
        decisions.append(linker.link([Mention("m", "2")])[0].decision)
    assert decisions == ["nil", "linked", "unsure", "linked"]


@pytest.mark.parametrize("nil_threshold", [None, 0.4])
def test_what_cannot_be_read_says_nothing_about_the_kb(kb: KnowledgeBase, nil_threshold: float | None) -> None:
    for decision in (None, make_decision(nil_threshold=nil_threshold)):
        assert one_hot_linker(kb, decision)[0].link([Mention("m", "")])[0].decision == "unsure"


def test_the_picture_counts(linker: Linker, tmp_path: Path) -> None:
    picture = draw_picture(tmp_path / "seen.png", "red", size=60)
    plain, seen = linker.link([Mention("a", "Samoa"), Mention("b", "Samoa", image=picture)])
    assert plain.entity_id == seen.entity_id == "Q3"
    assert seen.candidates[0].score > plain.candidates[0].score + 0.1
    assert seen.warnings == ()


@pytest.mark.parametrize(
    ("content", "warning"), [(None, "picture missing: {}"), (b"", "picture broken: {} ("), (b"<html>", "picture broken: {} (")]
)
def test_picture_that_cannot_be_used_is_a_warning(linker: Linker, tmp_path: Path, content: bytes | None, warning: str) -> None:
    picture = tmp_path / "picture.png"
    if content is not None:
        picture.write_bytes(content)
    plain, seen = linker.link([Mention("m", "Samoa"), Mention("m", "Samoa", image=picture)])
    assert seen.warnings[0].startswith(warning.format(picture))
    assert len(seen.warnings) == 1
    assert plain.warnings == ()
    assert seen.candidates == plain.candidates


def test_many_broken_pictures_have_a_warning_each(linker: Linker, tmp_path: Path) -> None:
    mentions = [Mention(f"m{n}", "Samoa", image=tmp_path / f"{n}.png") for n in range(250)]
    expected = [(f"picture missing: {tmp_path / f'{n}.png'}",) for n in range(250)]
    assert [link.warnings for link in linker.stream(mentions, batch_size=250)] == expected


def test_mention_with_nothing_to_link_by_is_nil(linker: Linker, tmp_path: Path) -> None:
    empty, broken = linker.link([Mention("a", ""), Mention("b", "", image=tmp_path / "none.png")])
    for link in (empty, broken):
        assert link.is_nil
        assert link.candidates == ()
        assert any("there is nothing to link by" in warning for warning in link.warnings)


def test_picture_alone_is_enough(bundle: Path) -> None:
    with Linker.load(bundle) as loaded:
        loaded.nil = False
        (link,) = loaded.link([Mention("m", "", image=bundle.parent / "pictures" / "3.png")])
    assert link.entity_id == "Q3"


def test_mention_not_in_its_text_is_a_warning(linker: Linker) -> None:
    mentions = [
        Mention("a", "Congo", "A flag."),
        Mention("b", "congo", "The CONGO river."),
        Mention("c", "Congo", "The Congo.", 4, 9),
        Mention("d", "Congo", "The Congo.", 3, 9),
        Mention("e", "Congo", "The Congo.", -5, 900),
    ]
    warnings = [link.warnings for link in linker.link(mentions)]
    assert warnings[0] == ("the mention 'Congo' does not occur in its text",)
    assert warnings[1] == warnings[2] == ()
    assert warnings[3] == ("start 3 and end 9 mark ' Congo', not the mention 'Congo'",)
    assert len(warnings[4]) == 1


def test_links_come_in_order_and_do_not_depend_on_the_batch(linker: Linker) -> None:
    names = ["Congo", "Georgia", "Xqzwk", "Samoa", "Korea", "Niger", "Sudan"]
    mentions = [Mention(str(number), names[number % 7]) for number in range(100)]
    together = linker.link(mentions, top_k=4)
    streamed = list(linker.stream(iter(mentions), top_k=4, batch_size=3))
    assert [link.mention_id for link in together] == [mention.id for mention in mentions]
    assert [link.entity_id for link in streamed] == [link.entity_id for link in together]
    np.testing.assert_allclose([link.candidates[0].score for link in streamed], [link.candidates[0].score for link in together], atol=1e-6)


def test_stream_reads_no_further_than_one_batch(kb: KnowledgeBase) -> None:
    linker, parts = one_hot_linker(kb)
    read = 0

    def mentions() -> Iterator[Mention]:
        nonlocal read
        while True:
            read += 1
            yield Mention(str(read), "1")

    links = linker.stream(mentions(), batch_size=5)
    for _ in range(12):
        next(links)
    assert read == 15
    assert parts.batches == [5, 5, 5]


def test_no_mentions_give_no_links(linker: Linker) -> None:
    assert linker.link([]) == []


def test_top_k_changes_neither_probability_nor_decision(linker: Linker) -> None:
    mentions = [Mention("a", "Congo"), Mention("b", "Conga rat"), Mention("c", "Xqzwk")]
    by_k = [linker.link(mentions, top_k=k) for k in (1, 5, 14, 50)]
    assert [len(links[0].candidates) for links in by_k] == [1, 5, 14, 14]
    for links in by_k[1:]:
        assert [(link.entity_id, link.probability) for link in links] == [(link.entity_id, link.probability) for link in by_k[0]]


def test_empty_kb_answers_nil(tmp_path: Path) -> None:
    parts = OneHot()
    with KnowledgeBase.create(tmp_path / "kb.sqlite", []) as kb:
        for decision in (None, make_decision()):
            linker = Linker(kb, EntityIndex.build(np.zeros((0, 4))), parts, parts, decision)
            (link,) = linker.link([Mention("m", "2")])
            assert link.is_nil
            assert link.candidates == ()
            assert link.decision == "nil"
            assert link.probability == (None if decision is None else 1.0)


def test_lone_candidate_must_pass_the_threshold(tmp_path: Path) -> None:
    with KnowledgeBase.create(tmp_path / "kb.sqlite", [Entity("Q0", "name 0")]) as kb:
        linker, _ = one_hot_linker(kb, make_decision())
        near, far = linker.link([Mention("a", "0"), Mention("b", "1")])
    assert near.entity_id == "Q0"
    assert far.is_nil
    assert [candidate.entity_id for candidate in far.candidates] == ["Q0"]


def test_without_a_decision_the_best_candidate_is_linked(kb: KnowledgeBase) -> None:
    linker, _ = one_hot_linker(kb)
    (link,) = linker.link([Mention("m", "2")], top_k=2)
    assert (link.entity_id, link.probability) == ("Q2", None)
    assert [(c.entity_id, c.score, c.probability) for c in link.candidates] == [("Q2", 1.0, None), ("Q0", 0.0, None)]


def test_nil_can_be_switched_off(kb: KnowledgeBase) -> None:
    never = make_decision(threshold=1.0, nil_score=2.0)
    assert one_hot_linker(kb, never)[0].link([Mention("m", "2")])[0].is_nil
    assert one_hot_linker(kb, never, nil=False)[0].link([Mention("m", "2")])[0].entity_id == "Q2"


@pytest.mark.parametrize(("top_k", "batch_size"), [(0, 5), (5, 0)])
def test_counts_below_one_are_refused(linker: Linker, top_k: int, batch_size: int) -> None:
    with pytest.raises(SettingError, match=f"must be at least 1, got {top_k} and {batch_size}"):
        linker.stream([], top_k=top_k, batch_size=batch_size)


def test_parts_that_do_not_fit_are_refused(kb: KnowledgeBase) -> None:
    parts = OneHot()
    with pytest.raises(IndexFileError, match="3 rows, the knowledge base 4"):
        Linker(kb, EntityIndex.build(np.eye(4)[:3]), parts, parts)


def test_setting_of_the_bundle_switches_nil_off(tmp_path: Path) -> None:
    with Linker.load(write_toy_bundle(tmp_path / "bundle", make_decision(), nil=False)) as loaded:
        assert not loaded.link([Mention("m", "Xqzwk")])[0].is_nil


def test_bundle_without_a_decision_is_linked_without_probabilities(tmp_path: Path) -> None:
    with Linker.load(write_toy_bundle(tmp_path / "bundle", None)) as loaded:
        (link,) = loaded.link([Mention("m", "Congo")])
    assert (link.entity_id, link.probability) == ("Q0", None)


def test_bundle_without_image_encoder_ignores_pictures_and_says_so(tmp_path: Path) -> None:
    with Linker.load(write_toy_bundle(tmp_path / "bundle", make_decision(), image_encoder="none")) as loaded:
        (link,) = loaded.link([Mention("m", "Congo", image=tmp_path / "none.png")])
    assert link.entity_id == "Q0"
    assert link.warnings == ("picture ignored: the bundle was made without an image encoder",)


def test_nothing_is_written_to_the_cache(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGMEL_CACHE", str(tmp_path / "cache"))
    picture = draw_picture(tmp_path / "seen.png", "red")
    with Linker.load(bundle) as loaded:
        loaded.link([Mention("m", "Congo", image=picture)])
    assert not (tmp_path / "cache").exists()


def test_damaged_parts_are_named(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="does not exist"):
        Linker.load(tmp_path / "none")
    for name, error in (("kb/kb.sqlite", KnowledgeBaseError), ("index/vectors.npy", IndexFileError), ("model/model.json", BundleError)):
        broken = Path(shutil.copytree(bundle, tmp_path / name.replace("/", "-")))
        (broken / name).unlink()
        with pytest.raises(error, match=str(broken)):
            Linker.load(broken)


def test_kb_of_another_bundle_is_noticed(bundle: Path, tmp_path: Path) -> None:
    mixed = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    KnowledgeBase.create(mixed / "kb" / "kb.sqlite", [Entity(f"Q{n}", f"name {n}") for n in range(14)]).close()
    with pytest.raises(IndexFileError, match="another knowledge base of the same size"):
        Linker.load(mixed)


def change_card(bundle: Path, target: Path, **values: object) -> Path:
    shutil.copytree(bundle, target)
    card = json.loads((target / "card.json").read_text())
    (target / "card.json").write_text(json.dumps({**card, **values}))
    return target


def test_encoder_folder_that_is_gone_is_named_with_the_cure(bundle: Path, tmp_path: Path) -> None:
    settings = {"features": {"text_encoder": "/gone/model", "image_encoder": "descriptor", "lexical_dim": 256}}
    moved = change_card(bundle, tmp_path / "bundle", settings=settings)
    with pytest.raises(EncoderError, match=r"needs the encoders it was made with: .*/gone/model.*--text-encoder"):
        Linker.load(moved)
    with Linker.load(moved, text_encoder="none") as loaded:
        assert loaded.link([Mention("m", "Congo")])[0].entity_id == "Q0"


def test_other_encoders_than_those_of_the_bundle_are_refused(bundle: Path, tmp_path: Path) -> None:
    other = change_card(bundle, tmp_path / "bundle", settings={"features": {"text_encoder": "none", "image_encoder": "descriptor"}})
    with pytest.raises(EncoderError, match=r"not those the bundle .* was made with:\n  - lexical"):
        Linker.load(other)


@pytest.mark.parametrize("settings", [{}, {"features": {}}, {"features": {"text_encoder": 3, "image_encoder": "none"}}])
def test_card_that_names_no_encoders(bundle: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="card of the bundle"):
        Linker.load(change_card(bundle, tmp_path / "bundle", settings=settings))


def test_card_with_an_impossible_decision(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="temperature must be > 0"):
        Linker.load(change_card(bundle, tmp_path / "bundle", decision={**make_decision().to_dict(), "temperature": -1.0}))


def test_mention_without_what_an_image_model_reads_is_nil_and_says_so(tmp_path: Path) -> None:
    folder = write_toy_bundle(tmp_path / "bundle", make_decision(), lexical_weight=0.0)
    with Linker.load(folder) as loaded:
        (link,) = loaded.link([Mention("m", "Congo")])
    assert link.is_nil
    assert link.candidates == ()
    assert any("there is nothing to link by" in warning for warning in link.warnings)
