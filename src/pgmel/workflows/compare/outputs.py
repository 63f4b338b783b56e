"""Write a comparison's files."""

from pathlib import Path

import msgspec

from pgmel.evaluation import Comparison, render_comparison_page, render_csv, render_curves, render_markdown
from pgmel.files import write_json, write_text

__all__ = ["write_comparison"]


def write_comparison(out: Path, comparison: Comparison, stem: str = "comparison") -> list[Path]:
    """Write tables as Markdown, CSV, JSON and HTML, and the learning curves as SVG where there are any.

    Args:
        out: Folder of the comparison.
        comparison: What was found.
        stem: Name of the files without their ends.
    """
    texts = {".md": render_markdown(comparison), ".csv": render_csv(comparison), ".html": render_comparison_page(comparison)}
    if comparison.curves:
        texts[".svg"] = render_curves(comparison)
    for end, text in texts.items():
        write_text(out / f"{stem}{end}", text)
    write_json(out / f"{stem}.json", msgspec.to_builtins(comparison))
    return [out / f"{stem}{end}" for end in (*texts, ".json")]
