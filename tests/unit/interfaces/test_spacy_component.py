"""The spaCy component in real pipelines."""

import json
import multiprocessing
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
from toy_bundle import draw_picture, make_decision, write_toy_bundle

spacy = pytest.importorskip("spacy")

from spacy.tokens import Doc, DocBin, Span  # noqa: E402 - after the check that it is there

from pgmel.errors import BundleError, SettingError  # noqa: E402
from pgmel.linking import Linker  # noqa: E402
from pgmel.records import NIL, Link, Mention  # noqa: E402

PLACES = ("Congo", "Samoa", "Georgia", "Xqzwk")
TEXTS = [f"Back from {PLACES[n % 4]}. Nothing of {PLACES[(n + 1) % 4]} seen." for n in range(12)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", make_decision())


def make(bundle: Path, **config: Any) -> Any:
    """Return a pipeline: sentences, a recogniser, the linker."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "ORG" if place == "Samoa" else "GPE", "pattern": place} for place in PLACES])
    nlp.add_pipe("pgmel", config={"bundle": str(bundle), **config})
    return nlp


def ids(doc: Any) -> list[tuple[str, str]]:
    return [(ent.text, ent.kb_id_) for ent in doc.ents]


def links_of(docs: Any) -> list[list[Link | None]]:
    return [[ent._.pgmel for ent in doc.ents] for doc in docs]


def test_entities_are_linked(bundle: Path) -> None:
    doc = make(bundle, top_k=3)("Back from Congo. Nothing of Xqzwk seen.")
    assert ids(doc) == [("Congo", "Q0"), ("Xqzwk", "NIL")]
    linked, nil = (ent._.pgmel for ent in doc.ents)
    assert isinstance(linked, Link)
    assert (linked.entity_id, linked.candidates[0].name, len(linked.candidates)) == ("Q0", "Congo", 3)
    assert nil.is_nil
    assert nil.entity_id is NIL
    assert [linked.decision, nil.decision] == ["linked", "unsure"]
    assert doc[2].ent_kb_id_ == "Q0"
    assert doc[0:2]._.pgmel is None


def test_links_are_those_of_the_linker(bundle: Path) -> None:
    doc = make(bundle)("Back from Congo.  Nothing of Samoa seen.")
    with Linker.load(bundle) as linker:
        expected = linker.link(
            [Mention("10-15", "Congo", "Back from Congo.", 10, 15), Mention("29-34", "Samoa", "Nothing of Samoa seen.", 11, 16)]
        )
    assert [ent._.pgmel for ent in doc.ents] == expected


@pytest.mark.parametrize(("context", "expected"), [("sentence", "Nothing of Samoa seen."), ("document", "Back. Nothing of Samoa seen.")])
def test_the_context_is_the_sentence_or_the_document(bundle: Path, context: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Mention] = []
    stream = Linker.stream
    monkeypatch.setattr(Linker, "stream", lambda self, mentions, *rest: stream(self, [seen.append(m) or m for m in mentions], *rest))
    nlp = make(bundle, context=context)
    nlp("Back. Nothing of Samoa seen.")
    nlp.remove_pipe("sentencizer")
    nlp("Back. Nothing of Samoa seen.")
    assert [mention.context for mention in seen] == [expected, "Back. Nothing of Samoa seen."]
    assert all(mention.context[mention.start : mention.end] == "Samoa" for mention in seen)


def test_only_some_labels_and_another_name_for_nil(bundle: Path) -> None:
    nlp = make(bundle, labels=["GPE"], nil_label="none")
    assert ids(nlp("Congo, Samoa, Xqzwk")) == [("Congo", "Q0"), ("Samoa", ""), ("Xqzwk", "none")]


def test_links_may_be_asked_to_be_sure(bundle: Path) -> None:
    assert ids(make(bundle, min_probability=0.0)("Xqzwk"))[0][1] != "NIL"
    assert ids(make(bundle, min_probability=1.0)("Congo")) == [("Congo", "NIL")]


def test_documents_are_linked_in_batches(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    batch = Linker._link_batch

    def count(self: Linker, mentions: Any, *rest: Any) -> Any:
        sizes.append(len(mentions))
        return batch(self, mentions, *rest)

    monkeypatch.setattr(Linker, "_link_batch", count)
    nlp = make(bundle, batch_size=5)
    one_by_one = [ids(nlp(text)) for text in TEXTS]
    sizes.clear()
    assert [ids(doc) for doc in nlp.pipe(TEXTS, batch_size=6)] == one_by_one
    assert sizes == [5, 5, 2, 5, 5, 2]


def test_documents_without_entities_open_nothing(tmp_path: Path) -> None:
    nlp = make(tmp_path / "none")
    assert ids(nlp("Nothing here.")) == []
    with pytest.raises(BundleError, match=r"none does not exist"):
        nlp("Back from Congo.")


def test_pictures_of_documents_and_entities_are_used(bundle: Path, tmp_path: Path) -> None:
    nlp = make(bundle)
    red, green = draw_picture(tmp_path / "red.png", "red"), draw_picture(tmp_path / "green.png", "green")

    def score(doc: Any) -> float:
        [ent] = nlp(doc).ents
        return float(ent._.pgmel.candidates[0].score)

    def seen(picture: object) -> Doc:
        doc = nlp.make_doc("Samoa")
        doc._.image = picture
        return doc

    plain, right, wrong = score("Samoa"), score(seen(red)), score(seen(str(green)))
    assert right > plain
    assert right > wrong
    with pytest.raises(SettingError, match="'image' must hold the path of a picture, got int"):
        nlp(seen(3))
    [ent] = nlp(seen(tmp_path / "none.png")).ents
    assert "picture missing" in ent._.pgmel.warnings[0]
    Span.set_extension("image", getter=lambda span: red if span.text == "Samoa" else None, force=True)
    try:
        assert score("Samoa") == right
    finally:
        Span.remove_extension("image")


def test_pipelines_survive_the_disk(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.parent)
    nlp = make(Path(bundle.name), top_k=2)
    expected = ids(nlp(TEXTS[0]))
    nlp.to_disk(tmp_path / "pipeline")
    monkeypatch.chdir(tmp_path)
    again = spacy.load(tmp_path / "pipeline")
    doc = again(TEXTS[0])
    assert ids(doc) == expected
    assert len(doc.ents[0]._.pgmel.candidates) == 2
    assert not (tmp_path / "pipeline" / "pgmel" / "bundle").exists()


def test_pipelines_survive_as_bytes(bundle: Path, tmp_path: Path) -> None:
    nlp = make(bundle)
    again = make(bundle).from_bytes(nlp.to_bytes())
    assert again.get_pipe("pgmel").folder == bundle
    with pytest.raises(BundleError, match="does not exist"):
        make(tmp_path / "none").from_bytes(nlp.to_bytes())


def test_a_bundle_that_is_gone_or_changed_is_told(bundle: Path, tmp_path: Path) -> None:
    moving = tmp_path / "moving"
    shutil.copytree(bundle, moving)
    make(moving).to_disk(tmp_path / "pipeline")
    moved = moving.rename(tmp_path / "moved")
    with pytest.raises(BundleError, match=r"moving of the pipeline does not exist; say where it is: spacy.load\(.*\"bundle\""):
        spacy.load(tmp_path / "pipeline")
    there = {"components": {"pgmel": {"bundle": str(moved)}}}
    assert ids(spacy.load(tmp_path / "pipeline", config=there)("Congo")) == [("Congo", "Q0")]
    other = write_toy_bundle(tmp_path / "other", make_decision(threshold=0.4))
    there["components"]["pgmel"]["bundle"] = str(other)
    with pytest.raises(BundleError, match=r"other is another bundle than the pipeline was saved with.*\"verify\": False"):
        spacy.load(tmp_path / "pipeline", config=there)
    there["components"]["pgmel"]["verify"] = False  # type: ignore[assignment]
    assert ids(spacy.load(tmp_path / "pipeline", config=there)("Congo")) == [("Congo", "Q0")]


def test_the_bundle_is_copied_on_request(bundle: Path, tmp_path: Path) -> None:
    original = tmp_path / "original"
    shutil.copytree(bundle, original)
    nlp = make(original, copy_bundle=True)
    nlp.to_disk(tmp_path / "pipeline")
    nlp.to_disk(tmp_path / "pipeline")  # over itself
    shutil.rmtree(original)
    moved = (tmp_path / "pipeline").rename(tmp_path / "elsewhere")
    again = spacy.load(moved)
    assert ids(again("Congo")) == [("Congo", "Q0")]
    again.to_disk(moved)
    again.to_disk(tmp_path / "third")
    assert ids(spacy.load(tmp_path / "third")("Congo")) == [("Congo", "Q0")]


def test_links_survive_with_their_documents(bundle: Path) -> None:
    nlp = make(bundle)
    docs = list(nlp.pipe(TEXTS[:3]))
    again = list(DocBin(docs=docs, store_user_data=True).get_docs(nlp.vocab))
    together = Doc.from_docs(docs)
    assert together is not None
    links = [ent._.pgmel for doc in docs for ent in doc.ents]
    assert [ent._.pgmel for doc in again for ent in doc.ents] == links
    assert [ent._.pgmel for ent in together.ents] == links
    assert [ids(doc) for doc in again] == [ids(doc) for doc in docs]


def test_several_processes_give_the_same_links(bundle: Path) -> None:
    nlp = make(bundle)
    expected = [ids(doc) for doc in nlp.pipe(TEXTS)]  # the parent has the bundle open when it forks
    found = list(nlp.pipe(TEXTS, n_process=2, batch_size=3))
    assert [ids(doc) for doc in found] == expected
    assert [ent._.pgmel.entity_id for ent in found[0].ents] == ["Q0", "Q3"]
    assert links_of(found) == links_of(nlp(text) for text in TEXTS), "nothing of a link is lost, and none depends on its batch"


def test_documents_without_entities_pass_through_several_processes(bundle: Path) -> None:
    nlp, texts = make(bundle), ["Nothing here.", "", "Back from Congo.", "Nothing here."]
    found = list(nlp.pipe(texts, n_process=2, batch_size=1))
    assert [doc.text for doc in found] == texts
    assert [ids(doc) for doc in found] == [[], [], [("Congo", "Q0")], []]


def spawned(bundle: Path, results: Any) -> None:
    """Link in processes that were not forked, as on macOS and Windows."""
    multiprocessing.set_start_method("spawn", force=True)
    results.put([[ent._.pgmel.entity_id for ent in doc.ents] for doc in make(bundle).pipe(TEXTS[:2], n_process=2, batch_size=1)])


@pytest.mark.slow
def test_processes_that_are_not_forked_link_too(bundle: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=spawned, args=(bundle, results))
    process.start()
    try:
        assert results.get(timeout=300) == [["Q0", "Q3"], ["Q3", "Q1"]]
    finally:
        process.join(60)


@pytest.mark.parametrize("vocab", ["same", "new"])
def test_links_survive_with_a_document_as_bytes_and_on_disk(bundle: Path, tmp_path: Path, vocab: str) -> None:
    nlp = make(bundle)
    doc = nlp(TEXTS[2])
    words = nlp.vocab if vocab == "same" else spacy.blank("en").vocab
    doc.to_disk(tmp_path / "doc")
    for again in (Doc(words).from_bytes(doc.to_bytes()), Doc(words).from_disk(tmp_path / "doc"), doc.copy()):
        assert ids(again) == ids(doc) == [("Georgia", "Q1"), ("Xqzwk", "NIL")]
        assert links_of([again]) == links_of([doc])
    [ent] = list(doc.sents)[1].as_doc(copy_user_data=True).ents
    assert ent._.pgmel == doc.ents[1]._.pgmel


def test_links_survive_as_json_under_their_plain_name(bundle: Path) -> None:
    nlp = make(bundle)
    doc = nlp(TEXTS[2])
    values = json.loads(json.dumps(doc.to_json(underscore=["pgmel_values"])))
    assert links_of([Doc(nlp.vocab).from_json(values)]) == links_of([doc])


def test_a_component_that_is_switched_off_links_nothing(bundle: Path) -> None:
    nlp = make(bundle)
    with nlp.select_pipes(disable=["pgmel"]):
        off = nlp(TEXTS[0])
    with nlp.select_pipes(enable=["entity_ruler", "pgmel"]):
        on = nlp(TEXTS[0])
    assert ids(off) == [("Congo", ""), ("Samoa", "")]
    assert links_of([off]) == [[None, None]]
    assert ids(on) == ids(nlp(TEXTS[0])) == [("Congo", "Q0"), ("Samoa", "Q3")]


def test_entities_of_several_words_and_rulers_that_overlap(bundle: Path) -> None:
    nlp = make(bundle)
    late = nlp.add_pipe("entity_ruler", name="late", before="pgmel", config={"overwrite_ents": True})
    late.add_patterns([{"label": "GPE", "pattern": "Virgin Islands"}, {"label": "GPE", "pattern": "Saint Martin"}])
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Virgin"}])
    nlp.add_pipe("merge_entities")
    doc = nlp("From the Virgin Islands to Saint Martin.")
    assert ids(doc) == [("Virgin Islands", "R3"), ("Saint Martin", "R4")]
    assert [link.entity_id for [*links] in links_of([doc]) for link in links] == ["R3", "R4"]


def test_a_component_leaves_the_links_of_labels_that_are_not_its_own(bundle: Path) -> None:
    doc = make(bundle)("Back from Congo.")
    linked = links_of([doc])
    label = doc.ents[0].label_
    make(bundle, labels=["NONE"]).get_pipe("pgmel")(doc)
    assert label != "NONE"
    assert (links_of([doc]), ids(doc)) == (linked, [("Congo", "Q0")])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here")
def test_a_forked_process_opens_the_bundle_itself_and_uses_one_thread(bundle: Path) -> None:
    component = make(bundle).get_pipe("pgmel")
    opened = component.linker
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def look() -> None:
        import torch

        torch.set_num_threads(2)
        sender.send((component.linker is opened, torch.get_num_threads()))

    process = context.Process(target=look)
    process.start()
    try:
        assert receiver.poll(60)
        assert receiver.recv() == (False, 1)
    finally:
        process.join(60)
    assert component.linker is opened


def test_a_copy_opens_the_bundle_itself(bundle: Path) -> None:
    nlp = make(bundle)
    nlp("Congo")
    component = pickle.loads(pickle.dumps(nlp.get_pipe("pgmel")))
    assert component._linker is None
    assert component.linker is not nlp.get_pipe("pgmel").linker


@pytest.mark.parametrize("config", [{"batch_size": 0}, {"top_k": 0}])
def test_wrong_numbers_are_told(bundle: Path, config: dict[str, int]) -> None:
    with pytest.raises(SettingError, match="must be at least 1"):
        make(bundle, **config)


def test_unknown_contexts_are_told(bundle: Path) -> None:
    with pytest.raises(ValueError, match="context"):
        make(bundle, context="page")
