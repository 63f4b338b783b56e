"""Links as JSON-like values."""

import pytest

from pgmel.linking import LINK_COLUMNS, link_values
from pgmel.records import NIL, Candidate, Link, Mention


def test_link_as_values() -> None:
    candidates = (Candidate("Q1", "Congo", 0.123456789, 0.75), Candidate("Q2", "Kongo", 0.1, None))
    link = Link("m", "Q1", 0.75, candidates, ("a warning",))
    assert link_values(link, Mention("m", "congo")) == {
        "id": "m",
        "mention": "congo",
        "entity_id": "Q1",
        "decision": "linked",
        "name": "Congo",
        "probability": 0.75,
        "candidates": [
            {"entity_id": "Q1", "name": "Congo", "score": 0.123457, "probability": 0.75},
            {"entity_id": "Q2", "name": "Kongo", "score": 0.1, "probability": None},
        ],
        "warnings": ["a warning"],
    }


def test_nil_is_a_text_in_files_only() -> None:
    values = link_values(Link("m", NIL, None, (Candidate("Q1", "Congo", 0.1),)), Mention("m", "x"))
    assert (values["entity_id"], values["name"], values["probability"]) == ("NIL", None, None)


@pytest.mark.parametrize(("unsure", "decision"), [(False, "nil"), (True, "unsure")])
def test_what_is_not_linked_says_why(unsure: bool, decision: str) -> None:
    values = link_values(Link("m", NIL, 0.4, unsure=unsure), Mention("m", "x"))
    assert (values["entity_id"], values["decision"]) == ("NIL", decision)


def test_every_value_has_its_column() -> None:
    assert ["id", "mention", *LINK_COLUMNS] == list(link_values(Link("m", NIL, None), Mention("m", "x")))
