"""Three mentions to try the demo's linker on: the picture decides, the text decides, and nothing in the knowledge base is meant."""

from pathlib import Path
from typing import Final

from pgmel.records import NIL, Mention

__all__ = ["EXAMPLES", "EXAMPLE_FLAGS"]


def _mention(number: int, surface: str, context: str, entity_id: str | None, with_image: bool) -> Mention:
    start = context.index(surface)
    return Mention(
        id=f"example-{number}",
        surface=surface,
        context=context,
        start=start,
        end=start + len(surface),
        image=Path("images", "example", f"{number}.jpg") if with_image else None,
        entity_id=NIL if entity_id is None else entity_id,
    )


EXAMPLES: Final[tuple[Mention, ...]] = (
    _mention(1, "Congo", "My cousin is back from Congo and sent me this photograph.", "democratic-republic-of-the-congo", True),
    _mention(2, "Georgia", "We landed in Atlanta, the capital of Georgia, on our tour of the southern United States.", "georgia-us", False),
    _mention(3, "Aruba", "Whoever glued this into the album wrote Aruba underneath.", None, True),
)
"""The examples; their images are relative to the folder that ``write_demo`` wrote, and their golds are given."""

EXAMPLE_FLAGS: Final[dict[str, str]] = {"example-1": "democratic-republic-of-the-congo", "example-3": "aruba"}
"""Whose flag an example's picture shows."""
