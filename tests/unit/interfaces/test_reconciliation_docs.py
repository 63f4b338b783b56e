"""What the guide to reconciliation shows is what the service answers."""

import json
import re
from pathlib import Path

from reconciliation_schemas import validate
from reconciling import post_form
from serving import serving
from toy_bundle import make_decision, write_toy_bundle

from pgmel.interfaces.http import create_app
from pgmel.linking import Linker

TEXT = (Path(__file__).parents[3] / "docs" / "reconciliation.md").read_text(encoding="utf-8")


def test_the_answer_shown_has_the_fields_that_are_sent(tmp_path: Path) -> None:
    shown = json.loads(re.findall(r"^```json title=\"answer\"\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0])
    query = re.findall(r"--data-urlencode 'queries=(.*?)'", TEXT)[0]
    with Linker.load(write_toy_bundle(tmp_path / "bundle", make_decision())) as linker, serving(create_app(linker)) as client:
        sent = post_form(client, queries=query).json
    validate("0.2", "reconciliation-result-batch", shown)
    (before,), (after,) = shown["q0"]["result"], sent["q0"]["result"]
    assert before.keys() == after.keys()
    assert {**before, "score": 0, "features": []} == {**after, "score": 0, "features": []}
    assert [one["id"] for one in before["features"]] == [one["id"] for one in after["features"]]
