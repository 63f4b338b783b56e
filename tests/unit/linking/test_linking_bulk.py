"""A file of mentions is linked in order, and an interrupted job is continued without a line lost or doubled."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from echo_linker import Echo

from pgmel.errors import DataError
from pgmel.linking import BulkJob, BulkOptions, Counts
from pgmel.linking import bulk as bulk_module
from pgmel.linking.bulk import LinksMentions
from pgmel.records import Link, Mention


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """1,000 lines; every tenth is faulty, every seventh is NIL, every 50th is blank."""
    path = tmp_path / "mentions.jsonl"
    lines = []
    for number in range(1000):
        if number % 50 == 3:
            lines.append("")
        elif number % 10 == 5:
            lines.append('{"mention": ')
        else:
            lines.append(json.dumps({"id": f"m{number}", "mention": ("x" if number % 7 == 0 else "") + str(number)}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "links.jsonl"


def run(
    source: Path,
    output: Path,
    linker: LinksMentions | None = None,
    batch_size: int = 7,
    restart: bool = False,
    overwrite: bool = False,
    **options: Any,
) -> BulkJob:
    job = BulkJob(source, output, "bundle", BulkOptions(**options), restart, overwrite)
    job.run(linker or Echo(), batch_size, show_progress=False)
    return job


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_line_has_its_link_in_order(source: Path, output: Path) -> None:
    job = run(source, output)
    expected = [f"m{number}" for number in range(1000) if number % 50 != 3 and number % 10 != 5]
    assert [link["id"] for link in read(output)] == expected
    assert job.counts == Counts(rows=980, linked=len(expected) - job.counts.nil, nil=job.counts.nil, bad=100)
    assert job.counts.nil == sum(link["entity_id"] == "NIL" for link in read(output)) > 100
    assert names(output.parent) == {"mentions.jsonl", "links.jsonl", "links.bad.jsonl"}


def test_bad_lines_are_kept_aside_with_number_and_reason(source: Path, output: Path) -> None:
    run(source, output)
    bad = read(output.with_name("links.bad.jsonl"))
    assert [fault["line"] for fault in bad] == list(range(6, 1000, 10))
    assert [fault["row"] for fault in bad[:7]] == [5, 15, 25, 35, 45, 55 - 1, 65 - 1]  # blank lines are no rows
    assert bad[0]["text"] == '{"mention": '
    assert "not valid JSON" in str(bad[0]["reason"])


def test_pictures_are_counted(tmp_path: Path, output: Path) -> None:
    source = tmp_path / "mentions.jsonl"
    source.write_text(
        "".join(json.dumps({"mention": "a", "image": f"{name}.png"}) + "\n" for name in ("missing", "broken", "broken", "fine"))
    )
    assert run(source, output).counts == Counts(rows=4, linked=4, pictures_missing=1, pictures_broken=2)


def test_without_bad_lines_there_is_no_file_of_them(tmp_path: Path, output: Path) -> None:
    source = tmp_path / "mentions.jsonl"
    source.write_text('{"mention": "a"}\n{"mention": "b"}')
    job = run(source, output)
    assert job.counts == Counts(rows=2, linked=2)
    assert job.facts.rows == 2
    assert names(tmp_path) == {"mentions.jsonl", "links.jsonl"}


def test_empty_input_gives_an_empty_output(tmp_path: Path, output: Path) -> None:
    source = tmp_path / "mentions.jsonl"
    source.write_bytes(b"")
    assert run(source, output).counts == Counts()
    assert output.read_bytes() == b""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), DataError("broken")])
@pytest.mark.parametrize("fail_at", ["0", "1", "500", "999"])
def test_interrupted_job_continues_where_it_stopped(source: Path, output: Path, fail_at: str, error: BaseException) -> None:
    fail_at = "x" + fail_at if int(fail_at) % 7 == 0 else fail_at
    expected = run(source, output.with_name("whole.jsonl"))
    first = Echo(fail_at, error)
    with pytest.raises(type(error)):
        run(source, output, first)
    assert not output.exists()
    second = Echo()
    job = run(source, output, second)
    assert output.read_bytes() == expected.files.output.read_bytes()
    assert job.files.bad.read_bytes() == expected.files.bad.read_bytes()
    assert job.counts == expected.counts
    redone = set(first.linked) & set(second.linked)
    assert len(redone) < 7
    assert names(output.parent) == {"mentions.jsonl"} | {f"{stem}.{end}" for stem in ("links", "whole") for end in ("jsonl", "bad.jsonl")}


def test_what_a_kill_amid_the_journal_left_behind_goes(source: Path, output: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(source, output, Echo("20", KeyboardInterrupt()))
    leftover, other = output.with_name(".links.jsonl.journal.a1b2c3d4.part"), output.with_name(".mine.jsonl.journal.a1b2c3d4.part")
    for file in (leftover, other):
        file.write_text("{")
    run(source, output)
    assert not leftover.exists()
    assert other.exists()


def test_job_interrupted_again_and_again_still_ends_right(source: Path, output: Path) -> None:
    expected = run(source, output.with_name("whole.jsonl"))
    for number in range(1, 1000, 90):
        with pytest.raises(KeyboardInterrupt):
            run(source, output, Echo(("x" if number % 7 == 0 else "") + str(number)))
    run(source, output)
    assert output.read_bytes() == expected.files.output.read_bytes()


@pytest.mark.parametrize("written", [0, 1, 3, 4, 6])
def test_sudden_death_while_writing_loses_and_doubles_nothing(
    source: Path, output: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(source, output.with_name("whole.jsonl"))

    class Death(BaseException):
        pass

    save, saved = bulk_module.BulkJob._save, 0

    def save_some_times(job: BulkJob, *files: object) -> None:
        nonlocal saved
        if saved == written:
            for file in files:
                file.flush()  # type: ignore[attr-defined]  # what was written reaches the disk, the journal does not
            raise Death
        saved += 1
        save(job, *files)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(bulk_module, "_FLUSH_S", -1.0)
        patch.setattr(bulk_module.BulkJob, "_save", save_some_times)
        with pytest.raises(Death):
            run(source, output)
    job = run(source, output)
    assert output.read_bytes() == expected.files.output.read_bytes()
    assert job.files.bad.read_bytes() == expected.files.bad.read_bytes()
    assert job.counts == expected.counts


def test_work_is_saved_every_few_seconds(source: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "_FLUSH_S", -1.0)
    seen: list[int] = []

    class Watching(Echo):
        def link(self, mentions: list[Mention], top_k: int = 10, explain: bool = False) -> list[Link]:
            on_disk = output.with_name("links.jsonl.part").stat().st_size
            assert json.loads(output.with_name("links.jsonl.journal").read_text())["output_bytes"] == on_disk
            seen.append(on_disk)
            return super().link(mentions, top_k, explain)

    run(source, output, Watching(), batch_size=100)
    assert sorted(set(seen)) == seen
    assert len(seen) == 10


@pytest.mark.parametrize("step", ["bad_part", "output_part", "journal"])
def test_death_while_the_files_get_their_names(source: Path, output: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = run(source, output.with_name("whole.jsonl"))
    job = BulkJob(source, output, "bundle")
    doomed = getattr(job.files, step)
    replace, unlink = Path.replace, Path.unlink

    def die(action: Callable[..., object]) -> Callable[..., object]:
        def act(path: Path, *arguments: object, **options: object) -> object:
            if path == doomed and job.state.finished:
                raise KeyboardInterrupt
            return action(path, *arguments, **options)

        return act

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die(replace))
        patch.setattr(Path, "unlink", die(unlink))
        with pytest.raises(KeyboardInterrupt):
            job.run(Echo(), show_progress=False)
    again = Echo()
    run(source, output, again)
    assert again.linked == []
    assert output.read_bytes() == expected.files.output.read_bytes()
    assert job.files.bad.read_bytes() == expected.files.bad.read_bytes()
    assert not job.files.journal.exists()


def interrupted(source: Path, output: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(source, output, Echo("500"))


def test_changed_input_is_not_continued(source: Path, output: Path) -> None:
    interrupted(source, output)
    source.write_text(source.read_text().replace("m900", "n900"))
    with pytest.raises(DataError, match=r"another input, bundle or options, or its input has changed.*--restart"):
        run(source, output)
    assert run(source, output, restart=True).counts.rows == 980
    assert "n900" in output.read_text()


def test_other_bundle_or_top_k_is_not_continued(source: Path, output: Path) -> None:
    interrupted(source, output)
    with pytest.raises(DataError, match="another input, bundle or options"):
        BulkJob(source, output, "other bundle")
    with pytest.raises(DataError, match="another input, bundle or options"):
        run(source, output, top_k=3)


def test_restart_begins_anew(source: Path, output: Path) -> None:
    interrupted(source, output)
    linker = Echo()
    run(source, output, linker, restart=True)
    assert len(linker.linked) == len(read(output)) == 880


def test_nothing_of_a_longer_job_stays_after_a_restart(source: Path, output: Path) -> None:
    interrupted(source, output)
    source.write_text('{"mention": "a"}\n')
    assert run(source, output, restart=True).counts == Counts(rows=1, linked=1)
    assert len(read(output)) == 1


@pytest.mark.parametrize("damage", ["", "{", '{"identity": 3}', '{"identity": "a", "version": 1}'])
def test_damaged_journal_is_named_with_the_cure(source: Path, output: Path, damage: str) -> None:
    interrupted(source, output)
    output.with_name("links.jsonl.journal").write_text(damage)
    with pytest.raises(DataError, match=r"links\.jsonl\.journal"):
        run(source, output)
    run(source, output, restart=True)


def test_part_that_lost_bytes_is_not_continued(source: Path, output: Path) -> None:
    interrupted(source, output)
    os.truncate(output.with_name("links.jsonl.part"), 10)
    with pytest.raises(DataError, match="has lost bytes"):
        run(source, output)


def test_finished_output_is_not_overwritten_unasked(source: Path, output: Path) -> None:
    output.write_text("precious")
    with pytest.raises(DataError, match=r"links\.jsonl: the file exists already.*--overwrite"):
        run(source, output)
    assert output.read_text() == "precious"
    assert run(source, output, overwrite=True).counts.rows == 980


def test_a_part_that_nobody_owns_is_left_alone(source: Path, output: Path) -> None:
    part = output.with_name("links.jsonl.part")
    part.write_text("precious")
    with pytest.raises(DataError, match="in the way"):
        run(source, output)
    assert part.read_text() == "precious"


@pytest.mark.parametrize("name", ["mentions.jsonl", "sub/../mentions.jsonl", "alias.jsonl"])
def test_output_must_not_be_the_input(source: Path, name: str) -> None:
    (source.parent / "sub").mkdir()
    (source.parent / "alias.jsonl").symlink_to(source)
    before = source.read_bytes()
    with pytest.raises(DataError, match="would overwrite the input"):
        run(source, source.parent / name, overwrite=True)
    assert source.read_bytes() == before


def test_side_files_must_not_be_the_input(tmp_path: Path) -> None:
    source = tmp_path / "links.bad.jsonl"
    source.write_text('{"mention": "a"}\n')
    with pytest.raises(DataError, match="would overwrite the input"):
        run(source, tmp_path / "links.jsonl", overwrite=True)


def test_input_that_is_no_file(tmp_path: Path, output: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        run(tmp_path / "none.jsonl", output)
    with pytest.raises(DataError, match="no regular file"):
        run(tmp_path, output)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no regular file"):
        run(tmp_path / "pipe", output)
    assert not output.exists()


def test_output_that_cannot_be_written(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        run(source, tmp_path)
    with pytest.raises(DataError, match=rf"the output cannot be written: {source} is a file"):  # before a linker is loaded
        BulkJob(source, source / "links.jsonl", "bundle")


def test_full_disk_leaves_a_job_to_continue(source: Path, output: Path) -> None:
    with pytest.raises(DataError, match="No space left"):
        run(source, output, Echo("500", OSError(28, "No space left on device")))
    linker = Echo()
    assert run(source, output, linker).counts.rows == 980
    assert "10" not in linker.linked


def test_two_processes_do_not_write_one_output(source: Path, output: Path) -> None:
    class Rival(Echo):
        def link(self, mentions: list[Mention], top_k: int = 10, explain: bool = False) -> list[Link]:
            if not self.linked:
                with pytest.raises(DataError, match="another process is writing"):
                    run(source, output, restart=True)
            return super().link(mentions, top_k, explain)

    assert run(source, output, Rival()).counts.rows == 980
    assert len(read(output)) == 880


def test_input_that_grows_meanwhile_is_read_as_it_was(source: Path, output: Path) -> None:
    class Growing(Echo):
        def link(self, mentions: list[Mention], top_k: int = 10, explain: bool = False) -> list[Link]:
            with source.open("a") as file:
                file.write('{"mention": "later"}\n')
            return super().link(mentions, top_k, explain)

    assert run(source, output, Growing()).counts.rows == 980
    assert "later" not in output.read_text()


def test_output_folder_is_made(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "new" / "folder" / "links.jsonl")
    assert len(read(tmp_path / "new" / "folder" / "links.jsonl")) == 880
