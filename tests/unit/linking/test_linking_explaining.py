"""Explanations of links, over real parts without weights and over a constructed world."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toy_bundle import COLOURS, NAMES, draw_picture, write_toy_bundle

from pgmel.errors import SettingError
from pgmel.features import Encoders, Features
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking import Linker
from pgmel.linking.explaining import MAX_GATES, MAX_WORDS
from pgmel.linking.reranking import FEATURES, GROUPS, Reranker
from pgmel.models import Embedder, fit_projection, start_discriminator
from pgmel.records import Candidate, Entity, Explanation, Link, Mention
from pgmel.testing import FakeImageEncoder, FakeTextEncoder

PLACES = ("top left", "top", "top right", "left", "middle", "right", "bottom left", "bottom", "bottom right")


@pytest.fixture(scope="module")
def linker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linker]:
    with Linker.load(write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", None)) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("seen")
    return {colour: draw_picture(folder / f"{colour}.png", colour, size=60) for colour in COLOURS.values()}


def draw_grid(path: Path, cells: dict[int, str]) -> Path:
    """Draw nine cells, black but for those named."""
    picture = Image.new("RGB", (30, 30), "black")
    for cell, colour in cells.items():
        picture.paste(Image.new("RGB", (10, 10), colour), (10 * (cell % 3), 10 * (cell // 3)))
    picture.save(path)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Linker]:
    """Two entities of the same name, told apart by one word, and by one cell of their pictures; and others."""
    folder = tmp_path_factory.mktemp("world")
    entities = [
        Entity("river", "Alder", ("The Alder",), "water", (draw_grid(folder / "river.png", {8: "white"}),)),
        Entity("painter", "Alder", (), "canvas", (draw_grid(folder / "painter.png", {2: "white"}),)),
        Entity("none", "Brook", (), "nothing", (folder / "missing.png",)),
        *(Entity(f"E{n}", f"Other {n}", (), f"word{n}", (draw_grid(folder / f"{n}.png", {n: "red"}),)) for n in range(9)),
    ]
    encoders = Encoders(FakeTextEncoder(), FakeImageEncoder(), lexical_dim=64, more_image={"image_layout": FakeImageEncoder()})
    features = encoders.encode_entities(entities, show_progress=False)
    weights = {"name": 1.0, "context": 1.0, "lexical": 0.5, "image": 1.0, "image_layout": 1.0}
    projection = fit_projection([features], weights, 64, 32, 16, 0.0, 0)
    embedder = Embedder(projection, start_discriminator(projection, dim=64, image_dim=None))
    with KnowledgeBase.create(folder / "kb.sqlite", entities) as kb:
        yield Linker(kb, EntityIndex.build(embedder.embed_entities(features)), embedder, encoders)


def explained(linker: Linker, mention: Mention, top_k: int = 12) -> dict[str, Explanation]:
    (link,) = linker.link([mention], top_k, explain=True)
    found = {candidate.entity_id: candidate.explanation for candidate in link.candidates}
    return {key: explanation for key, explanation in found.items() if explanation is not None}


def figures(link: Link) -> list[float]:
    told = [candidate.explanation for candidate in link.candidates]
    return [
        value
        for why in told
        if why is not None
        for value in (*(p.value for p in why.parts), *(w.effect for w in why.words), *(why.picture.effects if why.picture else ()))
    ]


@settings(max_examples=30)
@given(st.sampled_from([*COLOURS, *NAMES, "Gorgea", "x y", ""]), st.text(max_size=30), st.sampled_from([None, *COLOURS.values()]))
def test_parts_add_up_to_the_score(linker: Linker, pictures: dict[str, Path], surface: str, context: str, colour: str | None) -> None:
    mention = Mention("m", surface, context, image=None if colour is None else pictures[colour])
    (link,) = linker.link([mention], 5, explain=True)
    assert (len(link.candidates) == 0) == (surface == "" and colour is None)
    for candidate in link.candidates:
        assert candidate.explanation is not None
        assert sum(part.value for part in candidate.explanation.parts) == pytest.approx(candidate.score, abs=1e-5)
        assert sum(candidate.explanation.by_kind.values()) == pytest.approx(candidate.score, abs=1e-5)


def test_links_are_the_same_with_and_without(linker: Linker, pictures: dict[str, Path]) -> None:
    mentions = [Mention("a", "Congo", "The Congo."), Mention("b", "Samoa", image=pictures["red"]), Mention("c", "Xq"), Mention("d", "")]
    plain, told = linker.link(mentions), linker.link(mentions, explain=True)
    bare = [
        Link(
            link.mention_id,
            link.entity_id,
            link.probability,
            tuple(Candidate(c.entity_id, c.name, c.score, c.probability) for c in link.candidates),
            link.warnings,
            link.unsure,
        )
        for link in told
    ]
    assert bare == plain
    assert all(candidate.explanation is None for link in plain for candidate in link.candidates)
    assert all(candidate.explanation is not None for link in told for candidate in link.candidates)


def test_mentions_of_a_batch_are_explained_as_if_alone(linker: Linker, pictures: dict[str, Path]) -> None:
    mentions = [Mention("a", "Congo", "The Congo."), Mention("b", "Samoa", image=pictures["red"]), Mention("c", "Niger", "on the Niger")]
    together = list(linker.stream(mentions, 3, batch_size=2, explain=True))
    alone = [linker.link([mention], 3, explain=True)[0] for mention in mentions]
    assert [figures(link) for link in together] == [pytest.approx(figures(link), abs=1e-5) for link in alone]
    assert [len(figures(link)) for link in together] == [3 * 3, 3 * (3 + 9), 3 * 4], "one or two channels, the words, nine parts"


def test_kinds_are_text_lexical_and_image(world: Linker, tmp_path: Path) -> None:
    mention = Mention("m", "Alder", "Alder on canvas", image=draw_grid(tmp_path / "seen.png", {2: "white"}))
    painter = explained(world, mention)["painter"]
    kinds = {part.name: part.kind for part in painter.parts}
    assert kinds == {"name": "text", "context": "text", "lexical": "lexical", "image": "image", "image_layout": "image"}
    assert painter.by_kind["image"] == pytest.approx(sum(part.value for part in painter.parts if part.kind == "image"))


def test_two_channels_that_see_the_same_have_equal_parts(world: Linker, tmp_path: Path) -> None:
    mention = Mention("m", "Alder", image=draw_grid(tmp_path / "seen.png", {2: "white"}))
    values = {part.name: part.value for part in explained(world, mention)["painter"].parts}
    assert values["image"] == pytest.approx(values["image_layout"], abs=1e-5)
    assert values["image"] > 0.1


@pytest.mark.parametrize("image", [None, "missing.png"])
def test_a_missing_picture_has_no_part(world: Linker, tmp_path: Path, image: str | None) -> None:
    mention = Mention("m", "Alder", "on canvas", image=None if image is None else tmp_path / image)
    for explanation in explained(world, mention).values():
        assert "image" not in explanation.by_kind
        assert explanation.picture is None
        assert explanation.mention_gate == 1


def test_the_decisive_word_is_found(world: Linker) -> None:
    context = "Yesterday people spoke of Alder and canvas with interest"
    found = explained(world, Mention("m", "Alder", context))
    effects = {word.word: word.effect for word in found["painter"].words if word.place == "context"}
    assert max(effects, key=lambda word: effects[word]) == "canvas"
    assert effects.pop("canvas") > 3 * max(effects.values())
    assert {word.word: word.effect for word in found["river"].words}["canvas"] < 0
    for word in found["painter"].words:
        assert context[word.start : word.end] == word.word
    assert [word.word for word in found["painter"].words if word.place == "mention"] == ["Alder"]


def test_an_effect_is_the_fall_of_the_score(world: Linker) -> None:
    whole, less = (world.link([Mention("m", "Alder", text)], 12)[0].candidates for text in ("Alder on canvas", "Alder on"))
    words = {word.word: word.effect for word in explained(world, Mention("m", "Alder", "Alder on canvas"))["painter"].words}
    scores = [next(candidate.score for candidate in found if candidate.entity_id == "painter") for found in (whole, less)]
    assert words["canvas"] == pytest.approx(scores[0] - scores[1], abs=1e-4)


def test_the_picture_counts_while_words_are_left_out(world: Linker, tmp_path: Path) -> None:
    seen = draw_grid(tmp_path / "seen.png", {2: "white"})
    whole, less = (world.link([Mention("m", "Alder", text, image=seen)], 12)[0].candidates for text in ("Alder on canvas", "Alder on"))
    words = {word.word: word.effect for word in explained(world, Mention("m", "Alder", "Alder on canvas", image=seen))["painter"].words}
    scores = [next(candidate.score for candidate in found if candidate.entity_id == "painter") for found in (whole, less)]
    assert words["canvas"] == pytest.approx(scores[0] - scores[1], abs=1e-4)


@pytest.mark.parametrize("cell", range(9), ids=PLACES)
def test_the_decisive_part_of_the_picture_is_found(world: Linker, tmp_path: Path, cell: int) -> None:
    mention = Mention("m", "", image=draw_grid(tmp_path / "seen.png", {cell: "red"}))
    found = explained(world, mention)
    effect, other = found[f"E{cell}"].picture, found[f"E{(cell + 4) % 9}"].picture
    assert effect is not None
    assert other is not None
    assert other.effects[cell] < effect.effects[cell] / 2, "each candidate has effects of its own"
    assert (effect.rows, effect.columns) == (3, 3)
    assert int(np.argmax(effect.effects)) == cell
    assert effect.effects[cell] > 0.1


def test_gates_tell_text_from_picture(world: Linker, tmp_path: Path) -> None:
    seen = draw_grid(tmp_path / "seen.png", {2: "white"})
    both, text, shown = (
        explained(world, mention)["river"]
        for mention in (Mention("m", "Alder", image=seen), Mention("m", "Alder"), Mention("m", "", image=seen))
    )
    assert (both.mention_gate, text.mention_gate, shown.mention_gate) == (0.5, 1.0, 0.0)
    assert both.entity_gate == 0.5


def test_an_entity_whose_picture_is_gone_has_no_known_gate(world: Linker) -> None:
    assert explained(world, Mention("m", "Brook"))["none"].entity_gate is None


def test_gates_are_told_for_the_first_candidates(world: Linker) -> None:
    gates = [explanation.entity_gate for key, explanation in explained(world, Mention("m", "Alder")).items() if key != "none"]
    assert len(gates) == 11
    assert gates[MAX_GATES:] == [None] * (11 - MAX_GATES)
    assert gates.count(0.5) >= MAX_GATES - 1


def test_the_match_of_names_is_told(world: Linker) -> None:
    found = explained(world, Mention("m", "the alder"))
    assert [found[key].name_match for key in ("river", "painter", "none")] == ["alias", "part", None]


def test_long_sentences_are_tried_to_a_limit(world: Linker) -> None:
    words = explained(world, Mention("m", "Alder", "Alder " + "so " * 500))["river"].words
    assert len(words) == 1 + MAX_WORDS


def test_a_model_of_pictures_alone_has_nothing_to_say_of_words(world: Linker, tmp_path: Path) -> None:
    encoders = Encoders(FakeTextEncoder(), FakeImageEncoder(), lexical_dim=64)
    features = encoders.encode_entities(world.kb.iter_entities(), show_progress=False)
    projection = fit_projection([features], {"image": 1.0}, 64, 32, 16, 0.0, 0)
    embedder = Embedder(projection, start_discriminator(projection, dim=64, image_dim=None))
    linker = Linker(world.kb, EntityIndex.build(embedder.embed_entities(features)), embedder, encoders)
    found = explained(linker, Mention("m", "Alder", "on canvas", image=draw_grid(tmp_path / "seen.png", {2: "white"})), 2)
    for explanation in found.values():
        assert (explanation.words, explanation.mention_gate, list(explanation.by_kind)) == ((), None, ["image"])
        assert explanation.picture is not None
    assert len(found) == 2


def test_a_mention_with_nothing_to_link_by_has_nothing_to_explain(world: Linker) -> None:
    assert explained(world, Mention("m", "")) == {}


@pytest.fixture
def reranker() -> Reranker:
    weights = np.random.default_rng(0).normal(0, 0.1, len(FEATURES)).astype(np.float32)
    return Reranker(weights, depth=4)


def ranking_again(linker: Linker, reranker: Reranker) -> Linker:
    return Linker(linker.kb, linker.index, linker._embedder, linker._encoders, reranker=reranker)


def test_parts_add_up_where_candidates_were_ranked_again(world: Linker, reranker: Reranker) -> None:
    mention = Mention("m", "Alder", "The Alder on canvas, with Other 3", 4, 9)
    (link,) = ranking_again(world, reranker).link([mention], 12, explain=True)
    assert len(link.candidates) == 12
    for place, candidate in enumerate(link.candidates):
        assert candidate.explanation is not None
        assert sum(part.value for part in candidate.explanation.parts) == pytest.approx(candidate.score, abs=1e-5)
        added = [(part.name, part.kind) for part in candidate.explanation.parts if part.stage == "reranker"]
        if place < 4:
            assert [name for name, _ in added] == list(GROUPS)
            assert added[0] == ("name match", "lexical")
            assert {kind for _, kind in added[1:]} == {"text"}
        else:
            assert added == [("not ranked again", "order")]


def test_a_word_counts_for_the_re_ranker_too(world: Linker) -> None:
    weights = np.zeros(len(FEATURES), np.float32)
    weights[FEATURES.index("described_count")] = 0.5
    again = ranking_again(world, Reranker(weights, depth=4))
    whole, less = (again.link([Mention("m", "Alder", text)], 12)[0].candidates for text in ("Alder on canvas", "Alder on"))
    scores = [next(candidate.score for candidate in found if candidate.entity_id == "painter") for found in (whole, less)]
    found = explained(again, Mention("m", "Alder", "Alder on canvas"))
    effects = {key: {word.word: word.effect for word in found[key].words} for key in ("painter", "river")}
    assert effects["painter"]["canvas"] == pytest.approx(scores[0] - scores[1], abs=1e-4)
    assert effects["painter"]["canvas"] > 0.5
    assert effects["river"]["canvas"] < 0.1


def test_models_of_another_kind_are_not_explained(tmp_path: Path) -> None:
    class Other:
        dim = 4

        def encode_mentions(self, mentions: list[Mention], show_progress: bool = True) -> Features:
            raise NotImplementedError

        def reads(self, features: Features) -> np.ndarray:
            raise NotImplementedError

        def embed_mentions(self, features: Features) -> np.ndarray:
            raise NotImplementedError

    with KnowledgeBase.create(tmp_path / "kb.sqlite", [Entity("Q1", "one")]) as kb:
        linker = Linker(kb, EntityIndex.build(np.eye(4)[:1]), Other(), Other())  # type: ignore[arg-type]
        with pytest.raises(SettingError, match="leave explain out"):
            linker.link([Mention("m", "one")], explain=True)
