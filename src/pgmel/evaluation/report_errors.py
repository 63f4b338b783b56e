"""Turn wrong links into the report's error browser, whose filters work without any script.

Each filter is a group of radio buttons; a rule of the style sheet hides the errors that lack the class of the checked button
(``:has``). The groups work together: an error is shown if it fits all of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pgmel.evaluation.report_cases import VERDICTS, CaseView, judge, view_case
from pgmel.evaluation.report_data import ErrorSample, LinkExample
from pgmel.evaluation.report_pictures import Thumbnails
from pgmel.evaluation.slices import SLICES

__all__ = ["ErrorBrowser", "ErrorFilter", "ErrorView", "FilterOption", "view_errors"]

_DEPTHS = ((1, "first"), (3, "2 to 3"), (10, "4 to 10"), (float("inf"), "beyond 10"))


@dataclass(frozen=True, slots=True)
class FilterOption:
    """One button: its id, which is also the class of the errors that it keeps, its text, and how many those are."""

    id: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class ErrorFilter:
    """One group of buttons."""

    name: str
    legend: str
    options: tuple[FilterOption, ...]


@dataclass(frozen=True, slots=True)
class ErrorView:
    """One wrong link, and the classes by which filters find it."""

    case: CaseView
    classes: str


@dataclass(frozen=True, slots=True)
class ErrorBrowser:
    """All errors to show, the filters, and their rules as a style sheet."""

    errors: tuple[ErrorView, ...]
    filters: tuple[ErrorFilter, ...]
    style: Markup
    sample: ErrorSample | None


def view_errors(examples: Sequence[LinkExample], sample: ErrorSample | None, thumbnails: Thumbnails) -> ErrorBrowser | None:
    """Prepare the error browser; None if nobody looked for errors.

    A filter with a single button that fits anything is left out, since it would tell nothing apart.
    """
    if not examples and sample is None:
        return None
    kinds = [(judge(example),) for example in examples]
    slices = [example.slices for example in examples]
    depths = [_depth(example) for example in examples]
    titles = {str(kind): title for kind, title in VERDICTS.items()} | dict(SLICES)
    groups = (
        ("kind", "Kind of error", kinds, [str(key) for key in VERDICTS]),
        ("slice", "Slice", slices, list(SLICES)),
        ("rank", "Rank of the gold entity", depths, [label for _, label in _DEPTHS]),
    )
    classes: list[list[str]] = [[] for _ in examples]
    filters = [_make_filter(name, legend, keys, order, titles, classes) for name, legend, keys, order in groups]
    kept = tuple(one for one in filters if len(one.options) > 1)
    rules = (f".browser:has(#{option.id}:checked) .error:not(.{option.id}) {{ display: none; }}" for one in kept for option in one.options)
    errors = tuple(ErrorView(view_case(example, thumbnails), " ".join(own)) for example, own in zip(examples, classes, strict=True))
    return ErrorBrowser(errors, kept, Markup("\n".join(rules)), sample)  # ids are made here, nothing of the data is in them


def _make_filter(
    name: str, legend: str, found: Sequence[tuple[str, ...]], order: Sequence[str], titles: Mapping[str, str], classes: list[list[str]]
) -> ErrorFilter:
    """Build one group, known keys first and in order, and add its classes to those of each error."""
    counts = Counter(key for keys in found for key in keys)
    ranked = [key for key in order if key in counts] + [key for key in counts if key not in order]
    ids = {key: f"{name}-{number}" for number, key in enumerate(ranked)}
    for own, keys in zip(classes, found, strict=True):
        own += [ids[key] for key in keys]
    return ErrorFilter(name, legend, tuple(FilterOption(ids[key], titles.get(key, key), counts[key]) for key in ranked))


def _depth(example: LinkExample) -> tuple[str, ...]:
    if example.gold_rank is None:
        return ()
    rank = example.gold_rank
    return (next(label for top, label in _DEPTHS if rank <= top),)
