"""Write ``settings.md``, and the table of columns in ``metrics.md``, from the code.

Run it after a change of a setting or of a logged metric: ``python docs/make_settings.py``. ``tests/test_docs.py`` holds both up to date.
"""

import inspect
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pgmel.settings import Settings
from pgmel.training.log import METRICS

DOCS = Path(__file__).parent
BEGIN, END = "<!-- columns: begin, written by make_settings.py -->", "<!-- columns: end -->"
NAMES = {bool: "`true` or `false`", int: "whole number", float: "number", str: "text", Path: "path"}
SIGNS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}

HEAD = """# Settings

<!-- Written by docs/make_settings.py from pgmel.settings: change the descriptions there and run the script again. -->

Every setting of a run, with its type, default and meaning. `pgmel settings` prints the same list in the terminal, and
`pgmel settings training` one group of it. [concepts.md](concepts.md) explains the parts that the settings belong to.

## Where settings come from

A TOML file holds one table per group. Only what differs from the default needs to be written.

```toml title="run.toml"
seed = 1

[features]
text_encoder = "minilm"
image_encoder = "descriptor"

[training]
margin = 0.3
epochs = 20
```

The command line overrides the file, key by key. A value is read as TOML, and as plain text where it is none.

```sh
pgmel train --config run.toml --data my-data --set training.margin=0.25 --set negatives.sampler=hardest
```

All faults of the file and of the overrides are reported together, each with the nearest valid name, before any work begins:

```text
Error: 2 faults in the command line:
  - model.dim must be greater than or equal to 4, got 0
  - training.marginn is not a setting; did you mean training.margin?
```

A run writes all its settings, defaults included, to `settings.json` in its folder and into the card of its bundle. `pgmel evaluate`,
`pgmel index` and `pgmel link` take them from the card.

"none" in the column of defaults means that the setting is left out; TOML has no word for that.
"""

TAIL = """
## Rules between settings

- `training.pretrain_sampler` cannot be `generator`, `kbgan` or `irgan`, whose policies have learned nothing at that point.
- `features.train_encoder` needs a text encoder, and `features.name_weight` or `features.context_weight` above 0.
- `generator.baseline` = `leave_one_out`, and `generator.estimator` = `max_likelihood`, need `generator.draws` of 2 or more.
- `generator.*`, and `training.pretrain_generator_epochs`, matter only where `negatives.sampler` is `generator`, `kbgan` or `irgan`. For the
  latter two, reward, penalty, baseline, estimator, entropy, prior and temperatures are as published, and `kbgan` learns from
  `negatives.num` draws.
- At least one channel with a weight above 0 must be left: of the text encoder (`features.name_weight`, `features.context_weight`), of the
  image encoder (`features.image_weight`), or the lexical one (`features.lexical_weight`).

The first three are checked with all other settings, and so are the names of rules, baselines and layouts; their faults are reported
together. The last one is found out once the data are encoded.

## What the descriptions leave out

- The text weights (`features.name_weight`, `features.context_weight`, `features.lexical_weight`, `features.years_weight`)
  are relative to one another. All text together has weight 1, and `features.image_weight` is relative to that: with 1.0 text and picture
  count alike, with 0.5 the picture counts a third.
- A weight of 0 leaves its channel out of the model.
- `model.dim` is an upper bound. Vectors are shorter where the inputs have fewer columns; `model.text_input` and `model.image_input` bound
  those.
- `generator.steps` holds in the generator's own phase too.
- `negatives.pools` = `refreshed`: the pools of the untrained model serve the first epoch. Every phase counts its epochs from 0 for
  `negatives.rebuild_every`, and is begun with a rebuild. Rebuilding compares all training mentions with the whole KB, some seconds per
  20,000 of each, and adds the pools to every checkpoint.
- `seed` does not touch the projection and the candidate pools, so that runs that differ in it alone share them.
- `training.max_steps` counts the steps of all three phases, the generator's own phase included.
- `training.patience` ends the run in the adversarial phase only. Epochs without a better dev MRR are counted in the first phase too, and
  the untrained model is the first to beat.
- `training.keep_checkpoints`: every checkpoint holds the best weights so far beside the current ones, so none is kept apart.
- `training.batch_size` is cut to the number of training mentions.
- `linking.top_k` is the number of candidates that share the probability (see [nil.md](nil.md)). How many
  candidates are returned is said at the call: `--top-k`, or `top_k` in Python.
- `evaluation.protocol` decides how `pgmel train` measures the untrained and the trained model, and what `pgmel evaluate` does without
  `--protocol`. Early stopping ranks against the whole KB in any case.
- `training.threads` is shared out among the processes of one machine only where it is left to its default.
"""


def render_settings() -> str:
    """Return the text of ``settings.md``."""
    parts = [HEAD, "## All groups\n", "`seed` stands outside the groups.\n", render_table(Settings, "", ("seed",))]
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            parts += [f"### {name}\n", f"{inspect.getdoc(group)}\n", render_table(group, f"{name}.", tuple(group.model_fields))]
    return "\n".join(parts) + TAIL


def render_table(group: type[BaseModel], prefix: str, names: Iterable[str]) -> str:
    """Return the table of some fields of a group."""
    lines = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for name in names:
        field = group.model_fields[name]
        kind = ", ".join(describe_type(field.annotation, field.metadata))
        lines.append(f"| `{prefix}{name}` | {kind} | {describe_value(field.default)} | {escape(field.description or '')} |")
    return "\n".join(lines) + "\n"


def describe_type(kind: Any, metadata: Iterable[Any] = ()) -> Iterator[str]:
    """Yield a type's name, or its choices, and its bounds."""
    origin = get_origin(kind)
    if origin is Annotated:
        inner, *rules = get_args(kind)
        yield from describe_type(inner, rules)
    elif origin in (Union, types.UnionType):
        for part in get_args(kind):
            if part is not type(None):
                yield from describe_type(part)
    elif origin is Literal:
        yield ", ".join(f"`{choice}`" for choice in get_args(kind))
    else:
        yield NAMES[kind]
    for rule in metadata:
        for bound in rule.metadata if isinstance(rule, FieldInfo) else (rule,):
            if type(bound) in SIGNS:
                key, sign = SIGNS[type(bound)]
                yield f"{sign} {getattr(bound, key):,}"


def describe_value(value: Any) -> str:
    """Return a default as TOML writes it."""
    if value is None:
        return "none"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def escape(text: str) -> str:
    """Keep a text from ending its cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def render_columns() -> str:
    """Return the table of the columns of ``metrics.csv``."""
    return "\n".join(["| column | meaning |", "|---|---|", *(f"| `{name}` | {escape(meaning)} |" for name, meaning in METRICS.items())])


def renew_columns(text: str) -> str:
    """Return the text of ``metrics.md`` with a fresh table of columns."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"metrics.md lacks the line {END if begin else BEGIN}")
    return f"{before}{BEGIN}\n{render_columns()}\n{END}{after}"


def main() -> None:
    """Write both files."""
    metrics = DOCS / "metrics.md"
    (DOCS / "settings.md").write_text(render_settings(), encoding="utf-8")
    metrics.write_text(renew_columns(metrics.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
