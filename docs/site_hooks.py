"""A hook of the site's build: figures are put into the page itself, where they can follow the light or dark scheme of the site.

The pages name them as pictures, so that they are seen wherever else the Markdown is shown.
"""

import re
from pathlib import Path
from typing import Any

FIGURE = re.compile(r'<p><img alt="[^"]*" src="(?:\.\./)*(figures/[\w-]+\.svg)"\s*/?></p>')


def on_page_content(html: str, config: Any, **_: Any) -> str:
    """Replace pictures out of ``figures/`` by what is in them."""
    return FIGURE.sub(lambda match: (Path(config["docs_dir"]) / match[1]).read_text(encoding="utf-8"), html)
