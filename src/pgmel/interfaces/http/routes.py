"""The routes: each reads a request, asks the service, and writes the answer."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response

from pgmel.interfaces.http.monitoring import METRICS_TYPE
from pgmel.interfaces.http.problems import PROBLEMS
from pgmel.interfaces.http.schemas import (
    BatchAnswer,
    BatchRequest,
    EntityAnswer,
    HealthAnswer,
    LinkAnswer,
    LinkRequest,
    ProblemAnswer,
    SearchAnswer,
)
from pgmel.interfaces.http.service import Service
from pgmel.interfaces.http.uploads import read_form, read_json

__all__ = ["SCHEMAS", "make_router"]

SCHEMAS: Final = (LinkRequest, BatchRequest)
"""Bodies that the routes read themselves, so that FastAPI does not know them."""

_PICTURE_AGE_S: Final = 3600
_SENDING: Final = (
    "unauthorized",
    "invalid_json",
    "unsupported_media_type",
    "invalid_request",
    "picture_unusable",
    "text_too_long",
    "picture_too_large",
    "body_too_large",
    "body_too_slow",
    "timed_out",
    "overloaded",
)


def make_router(service: Service) -> APIRouter:
    """Return the routes over a service."""
    router = APIRouter()
    _add_linking(router, service)
    _add_entities(router, service)
    _add_state(router, service)
    return router


def _add_linking(router: APIRouter, service: Service) -> None:
    form = _form_schema()

    @router.post(
        "/link",
        response_model=LinkAnswer,
        responses=_problems(*_SENDING, "invalid_form"),
        openapi_extra=_body(LinkRequest.__name__, form),
        tags=["linking"],
    )
    async def link(request: Request) -> Response:
        """Link one mention, sent as JSON, or as a form with a picture."""
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            mention, upload = await read_form(request, service.limits)
        else:
            mention, upload = await read_json(request, LinkRequest), None
        request.state.num_mentions = 1
        return _json((await service.link(mention, upload))[0])

    @router.post(
        "/link/batch",
        response_model=BatchAnswer,
        responses=_problems(*_SENDING, "batch_too_long"),
        openapi_extra=_body(BatchRequest.__name__),
        tags=["linking"],
    )
    async def link_batch(request: Request) -> Response:
        """Link several mentions."""
        batch = await read_json(request, BatchRequest)
        request.state.num_mentions = len(batch.mentions)
        return _json({"links": await service.link(batch)})


def _add_entities(router: APIRouter, service: Service) -> None:
    @router.get(
        "/entities/{entity_id:path}",
        response_model=EntityAnswer,
        responses=_problems("unauthorized", "entity_not_found"),
        tags=["entities"],
    )
    async def entity(entity_id: str) -> Response:
        """Tell about one entity."""
        return _json(await service.ask(lambda entities: entities.describe(entity_id)))

    @router.get(
        "/pictures/{entity_id:path}",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, **_problems("unauthorized", "entity_not_found", "picture_not_found")},
        tags=["entities"],
    )
    async def picture(entity_id: str) -> Response:
        """Show an entity's first usable picture, 320 pixels wide or high at most."""
        content = await service.ask(lambda entities: entities.picture(entity_id))
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": f"private, max-age={_PICTURE_AGE_S}"})

    @router.get("/search", response_model=SearchAnswer, responses=_problems("unauthorized", "invalid_request"), tags=["entities"])
    async def search(
        q: Annotated[str, Query(min_length=1, max_length=200, description="A name, or the beginning or a part of one.")],
        limit: Annotated[int, Query(ge=1, le=50, description="Most entities returned.")] = 10,
    ) -> Response:
        """Find entities by name, without regard to case, accents, and small slips."""
        return _json({"entities": await service.ask(lambda entities: entities.search(q, limit))})


def _add_state(router: APIRouter, service: Service) -> None:
    @router.get("/health", response_model=HealthAnswer, tags=["state"])
    async def health() -> Response:
        """Say that the server is up, and what it serves; needs no token."""
        return _json(service.health())

    @router.get(
        "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **_problems("unauthorized")}, tags=["state"]
    )
    async def metrics() -> Response:
        """Count requests, seconds and batches, in Prometheus' text format."""
        return Response(service.monitor.render(), headers={"Content-Type": METRICS_TYPE})


def _json(values: Any) -> Response:
    return Response(msgspec.json.encode(values), media_type="application/json")


def _problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status, meaning = PROBLEMS[code]
        content = {"application/problem+json": {"schema": _ref(ProblemAnswer.__name__)}}
        row = found.setdefault(status, {"description": "", "content": content})
        row["description"] += f"{'; ' if row['description'] else ''}`{code}`: {meaning}"
    return found


def _form_schema() -> dict[str, Any]:
    fields = {name: field for name, field in LinkRequest.model_json_schema()["properties"].items() if name != "image_base64"}
    image = {"type": "string", "format": "binary", "description": "A picture file."}
    return {"type": "object", "properties": fields | {"image": image}}


def _body(name: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": _ref(name)}}
    if form is not None:
        content["multipart/form-data"] = {"schema": form}
    return {"requestBody": {"required": True, "content": content}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
