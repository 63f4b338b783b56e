"""What comes of it: figures, search, links."""

from typing import Annotated, Literal

from pydantic import Field

from pgmel.settings.group import Count, Group

__all__ = ["EvaluationSettings", "IndexSettings", "LinkingSettings"]


class EvaluationSettings(Group):
    """How results are measured."""

    bootstrap: Annotated[int, Field(ge=100)] = Field(1000, description="Resamples behind each confidence interval.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="Level of the intervals.")
    protocol: Literal["kb", "candidates"] = Field("kb", description="Rank against the whole KB, or against each mention's candidate list.")


class IndexSettings(Group):
    """Search over entity vectors."""

    kind: Literal["auto", "exact", "ivfpq"] = Field("auto", description="`auto` is exact up to `exact_limit` entities, compressed beyond.")
    exact_limit: Count = Field(200_000, description="Most entities for which `auto` stays exact.")
    nprobe: Count = Field(16, description="Lists looked into by the compressed index.")
    refine: Count = Field(8, description="Candidates re-scored exactly for each one asked of the compressed index.")


class LinkingSettings(Group):
    """How links are decided."""

    top_k: Count = Field(
        10,
        description="Candidates that probabilities and the NIL decision are computed over; `pgmel link --top-k` says how many are shown.",
    )
    candidates: Literal["dense", "lexical", "fused"] = Field(
        "fused", description="Where candidates come from: search by vectors (`dense`), by name (`lexical`), or both (`fused`)."
    )
    num_candidates: Count = Field(100, description="Candidates that are looked for: so deep goes each search.")
    nil: bool = Field(True, description="Answer NIL where no candidate is likely enough.")
    rerank: bool = Field(
        True,
        description="Fit a second stage that ranks the nearest candidates again by what name, sentence, description and years say; kept where it helps on held-out training mentions. `false` leaves it out, and its auxiliary training.",
    )
    nil_precision: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8,
        description="NIL is answered where, on dev, at least this share of such answers is right; where no threshold reaches it, never.",
    )
    link_precision: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="If set: links less sure than needed for this share of right links on dev are answered NIL too."
    )
    nil_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="Share of mentions without an entity in the KB that is assumed where dev has no NIL mention."
    )
