"""What ``pgmel link --explain`` shows of one mention."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pgmel.records import Candidate, Explanation, Link, PictureEffect

__all__ = ["show_explanations"]

_KINDS: Final = {"text": "text", "lexical": "spelling", "image": "picture", "order": "order"}
_MATCHES: Final = {"name": "name", "alias": "alias", "part": "in part", None: ""}
_ROWS: Final = {1: ("",), 3: ("top ", "", "bottom ")}
_COLUMNS: Final = {1: ("",), 3: ("left", "", "right")}
_SHOWN: Final = 4
_NOTABLE: Final = 0.0005


def show_explanations(console: Console, found: Link) -> None:
    """Show what the scores are made of, and what speaks for and against the first candidate."""
    told = [(candidate, candidate.explanation) for candidate in found.candidates if candidate.explanation is not None]
    if not told:
        return
    console.print(_parts_table(told))
    best, why = told[0]
    lines = [
        ("parts", ", ".join(f"{part.name} {part.value:+.3f}" for part in why.parts if part.stage == "model")),
        ("ranked again", _notable([(part.name, part.value) for part in why.parts if part.stage == "reranker"])),
        ("words for it", _strongest([(word.word, word.effect) for word in why.words])),
        ("words against it", _strongest([(word.word, -word.effect) for word in why.words], sign=-1)),
        *([] if why.picture is None else _picture_lines(why.picture)),
        ("share of text in the gates", _gates(why)),
    ]
    console.print(Text(f"Why {best.name} has {best.score:.3f}:"))
    for name, text in lines:
        if text:
            console.print(Text(f"  {name}: {text}"))


def _parts_table(told: Sequence[tuple[Candidate, Explanation]]) -> Table:
    kinds = [kind for kind in _KINDS if any(kind in why.by_kind for _, why in told)]
    table = Table("", "name", "score", *(f"= {_KINDS[kind]}" if kind == kinds[0] else f"+ {_KINDS[kind]}" for kind in kinds), "name match")
    for place, (candidate, why) in enumerate(told, start=1):
        sums = why.by_kind
        cells = [f"{sums[kind]:.3f}" if kind in sums else "" for kind in kinds]
        table.add_row(*map(Text, (str(place), candidate.name, f"{candidate.score:.3f}", *cells, _MATCHES.get(why.name_match, ""))))
    return table


def _picture_lines(picture: PictureEffect) -> Iterable[tuple[str, str]]:
    names = [
        f"{row}{column}".strip() or "middle"
        for row in _ROWS.get(picture.rows, tuple(f"row {n + 1} " for n in range(picture.rows)))
        for column in _COLUMNS.get(picture.columns, tuple(f"column {n + 1}" for n in range(picture.columns)))
    ]
    yield "parts of the picture for it", _strongest(list(zip(names, picture.effects, strict=True)))
    yield "parts of the picture against it", _strongest([(name, -effect) for name, effect in zip(names, picture.effects, strict=True)], -1)


def _strongest(effects: Sequence[tuple[str, float]], sign: int = 1) -> str:
    largest = sorted((effect for effect in effects if effect[1] >= _NOTABLE), key=lambda effect: -effect[1])[:_SHOWN]
    return ", ".join(f"{name} {sign * effect:+.3f}" for name, effect in largest)


def _notable(effects: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {effect:+.3f}" for name, effect in effects if abs(effect) >= _NOTABLE)


def _gates(why: Explanation) -> str:
    gates = {"mention": why.mention_gate, "entity": why.entity_gate}
    return ", ".join(f"{side} {gate:.0%}" for side, gate in gates.items() if gate is not None)
