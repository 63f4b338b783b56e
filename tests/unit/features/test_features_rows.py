from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from pgmel.features import ChannelReport, FeatureReport, Features, PictureProblem
from pgmel.features.rows import MAX_LISTED


def features(ids: str = "abcd") -> Features:
    number = len(ids)
    return Features(
        tuple(ids),
        {
            "name": np.arange(number * 2, dtype=np.float16).reshape(number, 2),
            "lexical": sparse.csr_matrix(np.diag(np.arange(1, number + 1, dtype=np.float32))[:, :2]),
        },
        {"name": np.array([True] * number), "lexical": np.arange(number) < 2},
        FeatureReport({"name": ChannelReport(number, number, number, 0)}),
    )


@pytest.mark.parametrize("rows", [[2, 0], np.array([2, 0]), np.array([2, 0], dtype=np.int32)])
def test_take_gives_the_rows_in_the_order_asked_for(rows: np.ndarray) -> None:
    taken = features().take(rows)
    assert taken.ids == ("c", "a")
    np.testing.assert_array_equal(taken.channels["name"], [[4, 5], [0, 1]])
    np.testing.assert_array_equal(taken.channels["lexical"].toarray(), [[0, 0], [1, 0]])
    np.testing.assert_array_equal(taken.present["lexical"], [False, True])


def test_take_understands_a_mask() -> None:
    assert features().take(np.array([False, True, False, True])).ids == ("b", "d")


def test_take_of_nothing_is_empty() -> None:
    taken = features().take([])
    assert len(taken) == 0
    assert taken.channels["name"].shape == (0, 2)


def test_join_lays_parts_one_under_another() -> None:
    whole = Features.join([features("ab"), features("cde")])
    assert whole.ids == tuple("abcde")
    assert whole.channels["lexical"].shape == (5, 2)
    assert sparse.isspmatrix_csr(whole.channels["lexical"])
    assert whole.report.channels["name"] == ChannelReport(5, 5, 5, 0)
    np.testing.assert_array_equal(whole.present["lexical"], [True, True, True, True, False])


def problem(kind: str, number: int = 0) -> PictureProblem:
    return PictureProblem(f"m{number}", Path("a.png"), kind, "because")  # type: ignore[arg-type]


def test_report_tells_missing_from_broken() -> None:
    report = FeatureReport.of_pictures(9, [problem("missing"), problem("empty"), problem("broken"), problem("missing")])
    assert (report.pictures_named, report.pictures_missing, report.pictures_broken) == (9, 2, 2)


def test_report_caps_its_list_and_counts_on() -> None:
    assert len(FeatureReport.of_pictures(500, [problem("broken", n) for n in range(300)]).problems) == MAX_LISTED
    report = FeatureReport.of_pictures(500, [problem("broken", n) for n in range(300)]) + FeatureReport.of_pictures(1, [problem("missing")])
    assert len(report.problems) == MAX_LISTED
    assert (report.pictures_named, report.pictures_missing, report.pictures_broken) == (501, 1, 300)


def test_report_as_json_holds_everything() -> None:
    report = FeatureReport({"name": ChannelReport(4, 3, 2, 1)}) + FeatureReport.of_pictures(2, [problem("empty")])
    assert report.as_dict() == {
        "channels": {"name": {"rows": 4, "present": 3, "encoded": 2, "cached": 1}},
        "pictures": {"named": 2, "missing": 0, "broken": 1},
        "problems": [{"id": "m0", "path": "a.png", "kind": "empty", "reason": "because"}],
    }


def test_report_lines_say_what_was_encoded_and_what_was_cached() -> None:
    report = FeatureReport({"name": ChannelReport(4000, 3000, 2000, 1000)}) + FeatureReport.of_pictures(2, [problem("empty")])
    assert report.lines() == [
        "name: 3,000 of 4,000 rows have it; 2,000 encoded, 1,000 from the cache",
        "pictures: 2 named, 0 missing, 1 unusable",
    ]
