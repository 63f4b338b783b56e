"""``report_run`` on toy runs: what is on the page, where it comes from, and what is said when something is missing."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import save_bert
from toy_bundle import make_decision
from toy_runs import ToyRun, quick_settings, read_lines, write_lines, write_toy

from pgmel.errors import BundleError, DataError, SettingError
from pgmel.evaluation import EvaluationResult, LinkExample, ReportData, measure_reliability
from pgmel.evaluation.report_curves import view_training
from pgmel.features.torch_models import quiet
from pgmel.files import read_json
from pgmel.linking import DevScores, Linker, fit_decision
from pgmel.records import NIL
from pgmel.training import MetricsFile
from pgmel.workflows.measuring import embed, measure_split
from pgmel.workflows.report import open_run, report_run
from pgmel.workflows.report.curves import training_curves
from pgmel.workflows.report.links import SplitLinks, link_split, share_out
from pgmel.workflows.report.trust import judge_probabilities
from pgmel.workflows.train import train


@pytest.fixture
def folder(toy_run: ToyRun, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(toy_run.folder, tmp_path / "run"))


def report(run: Path, **options: Any) -> ReportData:
    options.setdefault("show_progress", False)
    return report_run(run, run.parent / "page.html", **options).data


def edit(file: Path, **changes: Any) -> None:
    """Change values of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def section_ids(run: Path) -> set[str]:
    return set(re.findall(r'<section id="(\w+)"', (run.parent / "page.html").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def links(toy_run: ToyRun) -> SplitLinks:
    run = toy_run.result
    assert run.trained is not None
    return link_split(run.trained, run.material.splits["dev"], run.embedder, run.decision, answers_nil=True)


# A finished run


def test_the_page_lies_in_the_run_and_shows_all_there_is(toy_run: ToyRun, folder: Path) -> None:
    written = report_run(folder, show_progress=False)
    assert written.file == folder / "report.html"
    assert written.is_finished
    text = written.file.read_text(encoding="utf-8")
    sections = set(re.findall(r'<section id="(\w+)"', text))
    assert sections >= {"examples", "systems", "slices", "ranks", "reliability", "nil", "gates", "training", "pictures", "run"}
    assert written.data.notice == ""


def test_the_section_on_removed_entities_can_be_left_out(folder: Path) -> None:
    page = report(folder)
    assert page.removed is not None
    assert (page.removed.share, page.removed.num_folds) == (0.2, 5)
    assert page.removed_risk_curve is not None
    assert page.decision_note.startswith("NIL is")
    assert report(folder, remove_gold=0).removed is None


def test_figures_are_those_of_the_end_of_training(toy_run: ToyRun, folder: Path) -> None:
    page = report(folder)
    recorded = {name: EvaluationResult.from_dict(part) for name, part in read_json(folder / "results.json").items()}
    assert [system.name for system in page.systems] == ["zero-shot", "trained"]
    assert page.systems[0].metrics == recorded["zero_shot"].overall
    assert page.systems[1].metrics == recorded["trained"].overall
    assert page.nil == recorded["trained"].nil
    assert page.comparison is not None
    gain = recorded["trained"].overall.h_at_1.value - recorded["zero_shot"].overall.h_at_1.value
    assert page.comparison.difference.value == pytest.approx(gain)
    assert page.comparison.num_groups == recorded["trained"].overall.num_groups
    assert {one.name: one.metrics[1] for one in page.slices} == recorded["trained"].slices


def test_data_are_found_where_training_found_them(toy_run: ToyRun, folder: Path) -> None:
    assert open_run(folder).data == toy_run.data.absolute()
    assert report(folder).data["root"] == str(toy_run.data.absolute())


def test_other_data_may_be_named(folder: Path, tmp_path: Path) -> None:
    page = report(folder, data=write_toy(tmp_path / "other", seed=1))
    assert page.data["name"] == "other"
    assert re.search(r"trained had H@1 0\.\d{3} on 25 mentions; here it has .* no longer those of the training", page.notice)


def test_a_split_that_calibration_has_not_seen_is_judged_by_it_directly(toy_run: ToyRun, folder: Path) -> None:
    page = report(folder, split="test")
    assert page.data["split"] == "test"
    assert "has not seen these" in page.reliability_note
    assert page.training is not None
    recorded = EvaluationResult.from_dict(read_json(folder / "results.json")["zero_shot"])
    assert page.training.start["dev_h_at_1"] == recorded.overall.h_at_1.value  # of dev still, as the curves are
    assert not any("have read the split" in note for note in page.notes)


def test_dev_is_judged_by_cross_fitting(toy_run: ToyRun, folder: Path, links: SplitLinks) -> None:
    page = report(folder)
    assert "judged by cross-fitting" in page.reliability_note
    assert any("have read the split dev" in note for note in page.notes)
    run = toy_run.result
    assert run.decision is not None
    direct = judge_probabilities(links.top, run.material.splits["dev"], run.decision, False, toy_run.settings)
    assert page.reliability is not None
    assert page.reliability.num_mentions == 30
    assert page.reliability.share_right == direct.reliability.share_right
    assert page.reliability != direct.reliability


def test_cross_fitting_never_judges_a_mention_by_its_own_sentence(
    toy_run: ToyRun, links: SplitLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = toy_run.result.material.splits["dev"]
    scores = np.repeat(np.arange(30.0, dtype=np.float32)[:, None], links.top.scores.shape[1], axis=1)
    top = links.top._replace(scores=scores)  # scores by which a mention is known again
    sentence = {float(place): split.mentions[row].context for place, row in enumerate(top.rows)}
    seen: list[set[str]] = []

    class Spy:
        """A calibration that notes what it is asked, and of whom it was made."""

        def __init__(self, fitted: set[str]) -> None:
            self.fitted = fitted

        def probabilities(self, asked: np.ndarray, _: None) -> tuple[np.ndarray, np.ndarray]:
            judged = {sentence[float(score)] for score in asked[:, 0]}
            assert judged.isdisjoint(self.fitted)
            seen.append(judged)
            return np.full(asked.shape, 0.5), np.zeros(len(asked))

    def fit(dev: DevScores, *rest: Any) -> Spy:
        return Spy({sentence[float(score)] for score in dev.scores[:, 0]})

    monkeypatch.setattr("pgmel.linking.calibration._fit", fit)
    judge_probabilities(top, split, make_decision(), True, toy_run.settings)
    assert len(seen) == 5
    assert set.union(*seen) == set(sentence.values())


def test_too_few_sentences_are_judged_by_what_was_fitted_on_them_and_it_is_said(toy_run: ToyRun, links: SplitLinks) -> None:
    top = links.top
    few = type(top)(top.rows[:6], top.scores[:6], top.position[:6], top.is_nil[:6])
    decision = fit_decision(DevScores(few.scores, few.position, few.is_nil), np.random.default_rng(0))
    found = judge_probabilities(few, toy_run.result.material.splits["dev"], decision, True, toy_run.settings)
    assert "too good to be true" in found.note
    expected = decision.probabilities(few.scores)[0][:, 0]
    again = measure_reliability(expected, few.position == 0, np.random.default_rng(0), resamples=100)
    assert found.reliability.error == again.error


def test_gates_are_of_mentions_and_entities_with_both(toy_run: ToyRun, folder: Path) -> None:
    page = report(folder)
    assert list(page.gates) == ["mentions", "entities"]
    present = toy_run.result.material.splits["dev"].features.present
    assert len(page.gates["mentions"].means) == int((present["image"] & present["lexical"]).sum())


def test_what_training_encoded_is_not_encoded_again(toy_run: ToyRun, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGMEL_CACHE", str(tmp_path / "empty"))
    page = report(folder)
    assert [side.channels["image"].encoded for side in page.pictures.values()] == [0, 0]
    settings = read_json(folder / "bundle" / "card.json")["settings"]
    gone = settings | {"features": settings["features"] | {"cache_dir": str(tmp_path / "gone")}}
    edit(folder / "bundle" / "card.json", settings=gone)
    assert all(side.channels["image"].encoded > 0 for side in report(folder).pictures.values())


def test_dev_curves_start_where_training_did(folder: Path) -> None:
    page = report(folder)
    assert page.training is not None
    assert page.training.start["dev_h_at_1"] == page.systems[0].metrics.h_at_1.value


# Links and errors


def test_links_are_those_of_the_bundle(toy_run: ToyRun) -> None:
    run = toy_run.result
    material, split = run.material, run.material.splits["dev"]
    assert run.trained is not None
    assert run.decision is not None
    links = link_split(run.trained, split, run.embedder, run.decision.with_min_probability(0.3), answers_nil=True)
    with Linker.load(run.bundle) as linker:
        linker.require_probability(0.3)
        expected = linker.link(split.mentions)
    found = [example.link for example in links.examples(range(len(split.mentions)), material, split)]
    # The index holds float16: which of two that nearly tie comes first is open.
    clear = [one.candidates[0].score - one.candidates[1].score > 1e-3 for one in expected]
    assert sum(clear) > 20
    assert [link.entity_id for link, kept in zip(found, clear, strict=True) if kept] == [
        link.entity_id for link, kept in zip(expected, clear, strict=True) if kept
    ]
    assert {link.entity_id is NIL for link in found} == {True, False}
    for ours, theirs in zip(found, expected, strict=True):
        # The index holds float16, so what nearly ties may stand the other way round.
        assert ours.probability == pytest.approx(theirs.probability, abs=5e-3)
        assert [one.score for one in ours.candidates] == pytest.approx([one.score for one in theirs.candidates], abs=2e-3)
        known = {one.entity_id: one.score for one in theirs.candidates}
        assert {one.entity_id: one.score for one in ours.candidates[:5]} == pytest.approx(
            {one.entity_id: known.get(one.entity_id) for one in ours.candidates[:5]}, abs=2e-3
        )


def test_errors_are_all_wrong_answers_the_most_confident_first(toy_run: ToyRun, links: SplitLinks) -> None:
    material = toy_run.result.material
    split = material.splits["dev"]
    errors, sample = links.sample_errors(material, split, 1000)
    everything = links.examples(range(len(split.mentions)), material, split)
    assert {error.mention.id for error in errors} == {one.mention.id for one in everything if one.is_right is False}
    assert len(errors) == sample.num_errors == sum(sample.kinds.values()) > 1
    assert sample.num_mentions == 30
    sure = [error.link.probability for error in errors]
    assert sure == sorted(sure, reverse=True)
    assert "share of the places" not in sample.order


def test_too_many_errors_are_capped_and_counted(toy_run: ToyRun, folder: Path, links: SplitLinks) -> None:
    page = report(folder, num_errors=2)
    assert page.error_sample is not None
    assert len(page.errors) == 2 < page.error_sample.num_errors
    assert "share of the places" in page.error_sample.order
    text = (folder.parent / "page.html").read_text(encoding="utf-8")
    assert f"{page.error_sample.num_errors} of 30 mentions were answered wrongly; 2 of them are shown" in text
    assert report(folder, num_errors=0).errors == ()


def test_errors_of_one_kind_share_no_places(toy_run: ToyRun, links: SplitLinks) -> None:
    count = len(links.is_linked)
    alike = links._replace(top=links.top._replace(is_nil=np.zeros(count, bool)), is_linked=np.ones(count, bool))
    errors, sample = alike.sample_errors(toy_run.result.material, toy_run.result.material.splits["dev"], 1)
    assert len(errors) == 1 < sample.num_errors
    assert list(sample.kinds) == ["wrong_entity"]
    assert "share of the places" not in sample.order


@pytest.mark.parametrize(
    ("counts", "places", "shares"),
    [
        ([3, 2], 10, [3, 2]),
        ([60, 40], 10, [6, 4]),
        ([98, 1, 1], 10, [8, 1, 1]),
        ([5, 5, 5], 2, [1, 1, 0]),
        ([7, 0, 7], 7, [4, 0, 3]),
        ([9], 0, [0]),
        ([], 5, []),
    ],
)
def test_places_are_shared_out_in_proportion(counts: list[int], places: int, shares: list[int]) -> None:
    assert share_out(counts, places) == shares


def test_gold_rank_score_and_slices_come_with_each_error(toy_run: ToyRun, links: SplitLinks) -> None:
    material, trained = toy_run.result.material, toy_run.result.trained
    assert trained is not None
    split = material.splits["dev"]
    ranked = dict(zip(trained.rows.tolist(), range(len(trained.rows)), strict=True))
    for place, example in enumerate(links.examples(range(30), material, split)):
        if example.mention.entity_id is NIL:
            assert (example.gold_rank, example.gold_score) == (None, None)
            assert set(example.slices) <= {"with_picture", "without_picture"}
            continue
        one = ranked[int(links.top.rows[place])]
        assert example.gold_rank == trained.ranks.realistic[one]
        assert example.gold_score == pytest.approx(float(trained.ranks.gold_scores[one]))
        assert set(example.slices) == {name for name, mask in trained.slices.items() if mask[one]}


def test_entities_that_nothing_tells_apart_are_said_to_be(toy_run: ToyRun, links: SplitLinks) -> None:
    material = toy_run.result.material
    split = material.splits["dev"]
    place = int(np.flatnonzero(links.is_linked & (links.top.position == 0))[0])
    candidates = links.candidates.copy()
    candidates[place, :2] = candidates[place, 1::-1]  # the second best is linked now, and wrong
    swapped = links._replace(candidates=candidates)
    [error] = swapped.examples([place], material, split)
    assert error.is_right is False
    assert error.note == ""
    gold = next(entity for entity in material.dataset.entities if entity.id == error.mention.entity_id)
    twins = tuple(replace(gold, id=entity.id) if entity.id == error.link.entity_id else entity for entity in material.dataset.entities)
    [error] = swapped.examples([place], replace(material, dataset=replace(material.dataset, entities=twins)), split)
    assert "same name and description" in error.note


def test_a_bundle_without_calibration_is_sorted_by_score(toy_run: ToyRun, folder: Path) -> None:
    edit(folder / "bundle" / "card.json", decision=None)
    page = report(folder)
    assert page.reliability is None
    assert page.nil_curve is None
    assert {example.link.entity_id is NIL for example in page.errors} == {False}
    assert page.error_sample is not None
    assert "the lead of the answer's score" in page.error_sample.order

    def lead(error: LinkExample) -> float:
        return error.link.candidates[0].score - (error.gold_score or 0.0)

    leads = [lead(error) for error in page.errors]
    assert leads == sorted(leads, reverse=True)


def test_without_probabilities_the_lead_over_the_gold_entity_counts(toy_run: ToyRun, links: SplitLinks) -> None:
    material = toy_run.result.material
    places = np.flatnonzero(~links.top.is_nil)[:2]
    position = np.where(links.top.is_nil, -1, 0)
    position[places] = 1
    scores, gold = links.top.scores.copy(), links.gold_score.copy()
    scores[places, 0], gold[places] = [0.9, 0.8], [0.85, 0.1]
    changed = links._replace(
        top=links.top._replace(position=position, scores=scores),
        probabilities=None,
        nil_probability=None,
        is_linked=~links.top.is_nil,
        gold_score=gold,
    )
    errors, sample = changed.sample_errors(material, material.splits["dev"], 9)
    assert sample.kinds == {"wrong_entity": 2}
    assert [error.gold_score for error in errors] == pytest.approx([0.1, 0.85])


def test_candidate_lists_change_ranks_not_links(toy_run: ToyRun) -> None:
    material, run = toy_run.result.material, toy_run.result
    split = material.splits["dev"]
    lists = tuple(replace(mention, candidates=("E00", "E01")) for mention in split.mentions)
    listed = replace(material, splits={**material.splits, "dev": replace(split, mentions=lists)})
    measured = measure_split(embed(run.embedder, listed, "dev"), listed, "dev", toy_run.settings, "trained", "candidates")
    found = link_split(measured, listed.splits["dev"], run.embedder, run.decision, answers_nil=True)
    assert run.trained is not None
    expected = link_split(run.trained, split, run.embedder, run.decision, answers_nil=True)
    np.testing.assert_array_equal(found.gold_rank, expected.gold_rank)
    np.testing.assert_array_equal(found.is_linked, expected.is_linked)


# Other kinds of run


def test_a_run_without_pictures_says_nothing_about_them(toy_data: Path, toy_cache: Path, tmp_path: Path) -> None:
    settings = quick_settings("features.image_encoder=none", f"features.cache_dir={toy_cache}")
    train(settings, tmp_path / "run", toy_data, show_progress=False)
    page = report(tmp_path / "run")
    assert page.gates == {}
    assert not section_ids(tmp_path / "run") & {"gates", "pictures"}
    assert not any(name.endswith("_picture") for error in page.errors for name in error.slices)


def test_pictures_that_are_not_there_leave_no_frame_where_none_is_read(toy_data: Path, toy_cache: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(toy_data, tmp_path / "data"))
    for picture in data.rglob("*.png"):
        picture.unlink()
    settings = quick_settings("features.image_encoder=none", f"features.cache_dir={toy_cache}")
    train(settings, tmp_path / "run", data, show_progress=False)
    page = report(tmp_path / "run")
    assert {example.mention.image for example in page.examples} == {None}
    assert "picture missing" not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_data_without_nil_have_no_nil_section_and_say_what_the_calibration_did(toy_data: Path, toy_cache: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(toy_data, tmp_path / "data"))
    for name in ("train", "dev"):
        write_lines(data / f"{name}.jsonl", [row for row in read_lines(data / f"{name}.jsonl") if row["entity_id"] != "NIL"])
    train(quick_settings(f"features.cache_dir={toy_cache}"), tmp_path / "run", data, show_progress=False)
    page = report(tmp_path / "run")
    assert page.nil_curve is None
    assert "nil" not in section_ids(tmp_path / "run")
    assert "must look under-confident" in page.reliability_note


def test_a_trained_encoder_is_compared_with_the_one_that_training_began_with(toy_data: Path, toy_cache: Path, tmp_path: Path) -> None:
    with quiet():
        save_bert(tmp_path / "bert")
    changes = (f"features.text_encoder={tmp_path / 'bert'}", "features.train_encoder=full", f"features.cache_dir={toy_cache}")
    train(quick_settings(*changes), tmp_path / "run", toy_data, show_progress=False)
    recorded = {name: EvaluationResult.from_dict(part) for name, part in read_json(tmp_path / "run" / "results.json").items()}
    page = report(tmp_path / "run")
    assert [system.metrics for system in page.systems] == [recorded["zero_shot"].overall, recorded["trained"].overall]
    assert page.notice == ""
    shutil.rmtree(tmp_path / "bert")
    page = report(tmp_path / "run")
    assert [system.metrics for system in page.systems] == [recorded["trained"].overall]
    assert page.comparison is None
    assert "could not be measured" in page.notice


def test_one_row_of_metrics_is_enough(folder: Path) -> None:
    lines = (folder / "metrics.csv").read_text().splitlines()
    (folder / "metrics.csv").write_text("\n".join(lines[:2]) + "\n")
    page = report(folder)
    assert page.training is not None
    assert len(page.training.rows) == 1
    assert "training" in section_ids(folder)


def test_columns_that_this_version_does_not_know_are_drawn_among_the_further_ones(folder: Path) -> None:
    lines = (folder / "metrics.csv").read_text().splitlines()
    rows = [f"{line},novelty" if place == 0 else f"{line},{place}" for place, line in enumerate(lines)]
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    report(folder)
    text = (folder.parent / "page.html").read_text(encoding="utf-8")
    assert text.index("Further columns") < text.index("novelty")


@pytest.mark.parametrize(("value", "is_drawn"), [("0.25", True), ("", False)])
def test_likely_false_negatives_have_a_chart_where_they_were_counted(value: str, is_drawn: bool) -> None:
    metrics = MetricsFile(({"step": "1", "phase": "adversarial", "reward": "1", "likely_false_share": value},))
    view = view_training(training_curves(metrics, None, None))
    assert view is not None
    assert [chart.title for chart in view.charts if chart.title == "Likely false negatives"] == ["Likely false negatives"] * is_drawn
    assert [chart.title for chart in view.folded] == []


# What is missing or damaged


def test_an_unfinished_run_shows_its_curves_and_says_so(folder: Path) -> None:
    shutil.rmtree(folder / "bundle")
    (folder / "results.json").unlink()
    written = report_run(folder, folder.parent / "page.html", data=Path("nowhere"))
    assert not written.is_finished
    assert section_ids(folder) == {"training", "run"}
    assert re.match(r"This run is not finished: training logged its last row at step \d+\.", written.data.notice)


def test_an_unfinished_run_without_settings_still_has_curves(folder: Path) -> None:
    shutil.rmtree(folder / "bundle")
    (folder / "settings.json").unlink()
    page = report(folder)
    assert "settings.json: the file does not exist" in page.notice
    assert section_ids(folder) == {"training", "run"}


def test_training_begun_anew_is_noticed(folder: Path) -> None:
    values = read_json(folder / "settings.json")
    edit(folder / "settings.json", training=values["training"] | {"margin": 0.45})
    assert "training was begun anew and has not finished" in report(folder).notice


def test_faulty_metrics_are_left_out_and_counted(folder: Path) -> None:
    with (folder / "metrics.csv").open("a") as file:
        file.write("12,adversarial,0,0.\n")
    page = report(folder)
    assert page.training is not None
    assert len(page.training.faults) == 1
    assert "its cells are 4" in (folder.parent / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [None, b"\x00\x01", b""])
def test_a_finished_run_can_do_without_metrics(folder: Path, content: bytes | None) -> None:
    (folder / "metrics.csv").unlink()
    if content is not None:
        (folder / "metrics.csv").write_bytes(content)
    page = report(folder)
    assert "There are no curves" in page.notice
    assert "metrics.csv" in page.notice
    assert "training" not in section_ids(folder)


def test_results_that_cannot_be_read_are_said_to_be_missing(folder: Path) -> None:
    (folder / "results.json").write_text("{")
    assert "not at hand to compare with" in report(folder).notice


@pytest.mark.parametrize("content", [b"\x00\x01", b"step,loss\n", b"step,loss\nx,1\n"])
def test_an_unfinished_run_without_a_row_has_nothing_to_show(folder: Path, content: bytes) -> None:
    shutil.rmtree(folder / "bundle")
    (folder / "metrics.csv").write_bytes(content)
    with pytest.raises((BundleError, DataError), match=r"metrics\.csv"):
        report(folder)
    assert not (folder.parent / "page.html").exists()


def test_what_is_no_run_is_refused_with_a_hint(folder: Path, tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none", "does not exist"),
        (folder / "metrics.csv", "is a file"),
        (folder / "bundle", f"is a bundle, not the folder of a run; that is probably {folder}"),
        (tmp_path, "it holds the runs run: name one of them"),
        (folder / "checkpoints", "has no settings.json, no metrics.csv and no bundle; name the folder"),
    ):
        with pytest.raises(BundleError, match=re.escape(message)):
            report_run(path, tmp_path / "page.html")


def test_a_damaged_bundle_is_no_unfinished_run(folder: Path) -> None:
    (folder / "bundle" / "card.json").write_text("{")
    with pytest.raises(BundleError, match="damaged"):
        report(folder)


def test_data_that_nobody_names_are_asked_for(folder: Path) -> None:
    values = read_json(folder / "settings.json")
    edit(folder / "settings.json", data=values["data"] | {"path": None})
    with pytest.raises(SettingError, match=r"does not say where its data are; name them with --data"):
        report(folder)


def damage(file: Path, how: str) -> None:
    """Spoil a run's settings in such a way that the place of the data can still be read."""
    values = read_json(file)
    if how == "unknown key":
        edit(file, training=values["training"] | {"margins": 0.3})
    elif how == "cut off":
        text = file.read_text(encoding="utf-8")
        file.write_text(text[: len(text) // 2], encoding="utf-8")
    else:
        edit(file, seed="many")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            "unknown key",
            r"settings\.json is of another version, or was changed \(training\.margins is not a setting; .*margin",
        ),
        ("cut off", r"settings cannot be used: .*settings\.json.*not valid JSON"),
        ("wrong type", r"settings\.json is of another version, or was changed \(seed.*\), and is left aside\."),
    ],
)
def test_damaged_settings_are_told_and_the_data_still_found(toy_run: ToyRun, folder: Path, how: str, said: str) -> None:
    damage(folder / "settings.json", how)
    page = report(folder)
    assert re.search(said, page.notice)
    assert page.data["root"] == str(toy_run.data.absolute())


@pytest.mark.parametrize("content", ["", "{", "garbage", "[1]", '{"data": {"path": 3}}', '{"data": {"path": "\\ud800"}}'])
def test_settings_that_say_nothing_are_named_where_data_are_asked_for(folder: Path, content: str) -> None:
    (folder / "settings.json").write_text(content, encoding="utf-8")
    with pytest.raises(SettingError, match=r"(?s)name them with --data FOLDER.*settings\.json"):
        report(folder)


def test_an_unfinished_run_with_damaged_settings_still_has_curves(folder: Path) -> None:
    shutil.rmtree(folder / "bundle")
    damage(folder / "settings.json", "unknown key")
    page = report(folder)
    assert "training.margins is not a setting" in page.notice
    assert section_ids(folder) == {"training", "run"}


def test_a_metrics_file_without_rows_is_remarked_on(folder: Path) -> None:
    (folder / "metrics.csv").write_text((folder / "metrics.csv").read_text().splitlines()[0] + "\n")
    assert re.search(r"There are no curves: .*metrics\.csv holds no usable row\.", report(folder).notice)


def test_data_that_are_gone_are_named(folder: Path, tmp_path: Path) -> None:
    values = read_json(folder / "settings.json")
    edit(folder / "settings.json", data=values["data"] | {"path": str(tmp_path / "gone")})
    with pytest.raises(DataError, match=r"gone: the data .* no longer there\. Say where they are with --data"):
        report(folder)


def test_settings_that_do_not_fit_the_model_are_noticed(folder: Path) -> None:
    card = read_json(folder / "bundle" / "card.json")
    edit(folder / "bundle" / "card.json", settings=card["settings"] | {"model": card["settings"]["model"] | {"hidden": 3}})
    with pytest.raises(BundleError, match="does not have the shape that its settings ask for"):
        report(folder)
