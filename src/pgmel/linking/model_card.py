"""The model card of a published bundle: what it is, on what it was measured, what it cannot do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from pgmel.linking.encoders import ENCODER, IMAGE_ENCODER, SUPPLY
from pgmel.linking.model_card_decisions import decision_notes, decision_rows
from pgmel.settings import Settings
from pgmel.version import __version__

__all__ = ["ModelCardOptions", "render_model_card"]

PIPELINE: Final = "feature-extraction"
"""The hub has no task for entity linking; the model is an encoder of mentions and entities."""

_TAGS: Final = ("entity-linking", "entity-disambiguation", "knowledge-base", "metric-learning", "pgmel")
_NIL_FIGURES: Final = ("precision", "recall", "f1", "accuracy")
_METRICS: Final = {"h_at_1": "H@1", "h_at_3": "H@3", "h_at_5": "H@5", "h_at_10": "H@10", "mrr": "MRR"}
_TITLES: Final = {"zero_shot": "zero-shot", "reranked": "trained, with the second stage"}
_HIDDEN: Final = {"data", "evaluation", "index"}
_FEW: Final = 40


@final
@dataclass(frozen=True)
class ModelCardOptions:
    """What a bundle does not know of itself: title, licence (the hub's identifier), codes of languages, name of the repository."""

    name: str
    license: str | None = None
    language: Sequence[str] = ()
    repo: str | None = None


def render_model_card(card: Mapping[str, Any], options: ModelCardOptions) -> str:
    """Return the card in Markdown, with the YAML head that the hub reads.

    Args:
        card: The bundle's card, cleaned of paths.
        options: What the bundle does not know of itself.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pgmel.linking", "templates"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    page: str = environment.get_template("model_card.md.jinja").render(
        head=_head(card, options),
        name=options.name,
        repo=options.repo or "OWNER/NAME",
        license=options.license,
        data=_mapping(card.get("data")),
        entities=card["kb"]["entities"],
        encoders=list(_encoders(card)),
        reads_pictures=_mapping(card.get("encoders")).get("image") is not None,
        scores=list(_scores(card)),
        slices=list(_slices(card)),
        nil=_nil(card),
        decision=card.get("decision"),
        answers_nil=_answers_nil(card),
        decisions=decision_rows(card.get("decision")) if _answers_nil(card) else [],
        decision_notes=decision_notes(_mapping(card.get("decision")), _calibrated_on(card)),
        changed=list(_changed(card["settings"])),
        seed=card["settings"].get("seed"),
        created=str(card.get("created", ""))[:10],
        versions=_mapping(card.get("versions")),
        version=__version__,
    )
    return page


def _head(card: Mapping[str, Any], options: ModelCardOptions) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    tags = [*_TAGS, *(["multimodal"] if _mapping(card.get("encoders")).get("image") is not None else [])]
    found = [(one["result"], key) for one in _scores(card) if one["system"] == _last_stage(card) for key in ("h_at_1", "mrr")]
    results = [
        EvalResult(
            task_type="entity-linking",
            task_name="Entity linking",
            dataset_type=str(_mapping(result.get("data")).get("name", options.name)),
            dataset_name=str(_mapping(result.get("data")).get("name", options.name)),
            dataset_split=str(_mapping(result.get("data")).get("split", "dev")),
            metric_type=key,
            metric_name=_METRICS[key],
            metric_value=round(result["overall"][key]["value"], 4),
        )
        for result, key in found
    ]
    data = ModelCardData(
        license=options.license or "unknown",
        language=list(options.language) or None,
        library_name="pgmel",
        tags=tags,
        pipeline_tag=PIPELINE,
        base_model=_base_models(card) or None,
        model_name=options.name if results else None,
        eval_results=results or None,
    )
    return str(data.to_yaml()).strip()


def _base_models(card: Mapping[str, Any]) -> list[str]:
    """Return the hub names of the encoders; those that were trained along, or were folders, have none."""
    features = _mapping(card["settings"].get("features"))
    names = {str(features.get(key)) for key in ("text_encoder", "image_encoder")}
    return sorted(
        {"sentence-transformers/all-MiniLM-L6-v2" if name == "minilm" else name for name in names if name == "minilm" or "/" in name}
    )


def _encoders(card: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    features = _mapping(card["settings"].get("features"))
    for kind, folder in (("text", ENCODER), ("image", IMAGE_ENCODER)):
        about = _mapping(card.get("encoders")).get(kind)
        if not isinstance(about, Mapping):
            continue
        name = str(features.get(f"{kind}_encoder", about.get("name")))
        inside = any(str(file).startswith(f"{folder}/") for file in card["files"])
        identity = _mapping(about.get("identity"))
        yield {
            "kind": kind,
            "name": name.removeprefix(SUPPLY),
            "where": "inside" if inside else "supply" if name.startswith(SUPPLY) else "built-in" if _is_built_in(name) else "hub",
            "dim": about.get("dim"),
            "revision": about.get("revision"),
            "fingerprint": identity.get("fingerprint"),
        }


def _is_built_in(name: str) -> bool:
    return name in ("minilm", "descriptor")


def _scores(card: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the results that hold figures: name, the result, and figures as text; before and after the second stage where there is one."""
    found = []
    for system, result in _mapping(card.get("scores")).items():
        found.append((system, _TITLES.get(system, system), result))
        if before := _mapping(result).get("single_vector"):
            found.append((f"{system}_single_vector", f"{_TITLES.get(system, system)}, before the second stage", before))
    for system, title, result in found:
        overall = _mapping(_mapping(result).get("overall"))
        if all(isinstance(overall.get(key), Mapping) for key in _METRICS):
            figures = {title: _figure(overall[key]) for key, title in _METRICS.items()}
            yield {"system": system, "title": title, "result": result, "figures": figures}


def _last_stage(card: Mapping[str, Any]) -> str:
    """Return which of the scores are those of what the bundle does."""
    return "reranked" if "reranked" in _mapping(card.get("scores")) else "trained"


def _slices(card: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for one in _scores(card):
        if one["system"] == _last_stage(card):
            for name, metrics in _mapping(one["result"].get("slices")).items():
                yield {"name": name.replace("_", " "), "h_at_1": _figure(metrics["h_at_1"]), "mentions": metrics.get("num_mentions")}


def _nil(card: Mapping[str, Any]) -> dict[str, str]:
    found = next((one["result"].get("nil") for one in _scores(card) if one["system"] == _last_stage(card)), None)
    named = {name: found.get(name) for name in _NIL_FIGURES} if isinstance(found, Mapping) else {}
    return {name: _figure(value) for name, value in named.items() if value is not None}


def _answers_nil(card: Mapping[str, Any]) -> bool:
    return bool(_mapping(card["settings"].get("linking")).get("nil", True))


def _calibrated_on(card: Mapping[str, Any]) -> str | None:
    """Return the data that the decision was fitted on after training, in words."""
    data = _mapping(_mapping(card.get("calibrated")).get("data"))
    return f"the split `{data.get('split')}` of `{data.get('name')}`" if data else None


def _figure(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value:.3f}"


def _changed(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the settings that differ from the defaults, those on which the model depends."""
    for group, defaults in Settings().model_dump(mode="json").items():
        own = settings.get(group)
        if group in _HIDDEN or not isinstance(defaults, dict) or not isinstance(own, Mapping):
            continue
        for key, default in defaults.items():
            if key in own and own[key] != default and key not in ("cache_dir", "device", "threads", "tensorboard"):
                yield f"{group}.{key}", str(own[key]).removeprefix(SUPPLY)[:_FEW]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
