"""The routes of the reconciliation service: version 0.2 at ``/reconcile``, version 1.0-draft below it."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response

from pgmel.interfaces.http.cross_origin import CrossOrigin
from pgmel.interfaces.http.entities import picture_address
from pgmel.interfaces.http.problems import Problem
from pgmel.interfaces.http.reconciliation.bodies import decode_text, ids_in, read_form_fields, read_json_as
from pgmel.interfaces.http.reconciliation.extending import ExtensionQuery
from pgmel.interfaces.http.reconciliation.manifest import DRAFT, About, draft_manifest, manifest
from pgmel.interfaces.http.reconciliation.options import base_address
from pgmel.interfaces.http.reconciliation.pages import page_policy, render_entity
from pgmel.interfaces.http.reconciliation.queries import DraftBatch, queries_of_draft, queries_of_text
from pgmel.interfaces.http.reconciliation.service import Reconciliation
from pgmel.interfaces.http.reconciliation.types import ANY_TYPE
from pgmel.interfaces.http.reconciliation.writing import (
    write_draft_candidates,
    write_draft_extension,
    write_entities,
    write_extension,
    write_named,
    write_results,
)

__all__ = ["DRAFT_ROOT", "ROOT", "make_reconciliation_router"]

ROOT: Final = "/reconcile"
DRAFT_ROOT: Final = f"{ROOT}/{DRAFT}"

_PAGE: Final = 20
_DEEPEST: Final = 200
_MOST_PROPOSED: Final = 1_000

Prefix = Annotated[str, Query(max_length=200)]
Skip = Annotated[int, Query(ge=0)]
Limit = Annotated[int | None, Query(ge=1)]
EntityId = Annotated[str, Query(alias="id", max_length=1_000)]


def make_reconciliation_router(reconciliation: Reconciliation, cross_origin: CrossOrigin) -> APIRouter:
    """Return the routes; they are described by the specification, not by this server's OpenAPI description.

    Args:
        reconciliation: What answers.
        cross_origin: Tells who may embed previews.
    """
    router = APIRouter(include_in_schema=False)
    _add_service(router, reconciliation)
    _add_draft(router, reconciliation)
    for root, draft in ((ROOT, False), (DRAFT_ROOT, True)):
        _add_suggestions(router, reconciliation, root, draft)
        _add_pages(router, reconciliation, cross_origin, root)
    return router


def _add_service(router: APIRouter, reconciliation: Reconciliation) -> None:
    async def answer(request: Request, queries: str | None, extend: str | None) -> Response:
        if queries is not None:
            batch = queries_of_text(queries, reconciliation.service.limits)
            request.state.num_mentions = len(batch)
            found = await reconciliation.match(list(batch.values()))
            return _json(write_results(dict(zip(batch, found, strict=True)), await reconciliation.types()))
        if extend is not None:
            query = decode_text(extend, ExtensionQuery, "extend")
            return _json(write_extension(await reconciliation.extend(query, base_address(request, reconciliation.options))))
        raise Problem("invalid_request", "there are neither queries nor extend", "Send one of them as a form field, in JSON")

    @router.get(ROOT)
    @router.get(f"{ROOT}/")
    async def get(request: Request, queries: str | None = None, extend: str | None = None) -> Response:
        """Return the manifest, or answer queries that stand in the address."""
        if queries is None and extend is None:
            return await _manifest(request, reconciliation, ROOT, manifest)
        return await answer(request, queries, extend)

    @router.post(ROOT)
    @router.post(f"{ROOT}/")
    async def post(request: Request) -> Response:
        """Answer queries."""
        fields = await read_form_fields(request)
        return await answer(request, fields.get("queries"), fields.get("extend"))

    @router.get(f"{ROOT}/properties")
    async def properties(request: Request, limit: Limit = None) -> Response:
        """Propose properties to extend entities with."""
        return await _proposal(request, reconciliation, limit)


def _add_draft(router: APIRouter, reconciliation: Reconciliation) -> None:
    @router.get(DRAFT_ROOT)
    @router.get(f"{DRAFT_ROOT}/")
    async def get(request: Request) -> Response:
        """Return the manifest."""
        return await _manifest(request, reconciliation, DRAFT_ROOT, draft_manifest)

    @router.post(f"{DRAFT_ROOT}/match")
    async def match(request: Request) -> Response:
        """Answer queries."""
        queries = queries_of_draft(await read_json_as(request, DraftBatch), reconciliation.service.limits)
        request.state.num_mentions = len(queries)
        found = await reconciliation.match(queries)
        return _json(write_draft_candidates(found, await reconciliation.types(), base_address(request, reconciliation.options)))

    @router.post(f"{DRAFT_ROOT}/extend")
    async def extend(request: Request) -> Response:
        """Return values of properties."""
        query = await read_json_as(request, ExtensionQuery)
        return _json(write_draft_extension(await reconciliation.extend(query, base_address(request, reconciliation.options))))

    @router.get(f"{DRAFT_ROOT}/extend/propose")
    async def propose(request: Request, limit: Limit = None) -> Response:
        """Propose properties to extend entities with."""
        return await _proposal(request, reconciliation, limit)


def _add_suggestions(router: APIRouter, reconciliation: Reconciliation, root: str, draft: bool) -> None:
    @router.get(f"{root}/suggest/entity")
    async def entities(request: Request, prefix: Prefix = "", cursor: Skip = 0, offset: Skip = 0, limit: Limit = None) -> Response:
        """Suggest entities."""
        skip, number = _span(offset if draft else cursor, limit)
        found = await reconciliation.suggest_entities(prefix, skip, number + 1)
        base = base_address(request, reconciliation.options) if draft else None
        return _suggestions(write_entities(found, base), skip, number, draft)

    @router.get(f"{root}/suggest/type")
    async def types(prefix: Prefix = "", cursor: Skip = 0, offset: Skip = 0, limit: Limit = None) -> Response:
        """Suggest types."""
        skip, number = _span(offset if draft else cursor, limit)
        return _suggestions(write_named(await reconciliation.suggest_types(prefix, skip, number + 1)), skip, number, draft)

    @router.get(f"{root}/suggest/property")
    async def properties(prefix: Prefix = "", cursor: Skip = 0, offset: Skip = 0, limit: Limit = None) -> Response:
        """Suggest properties."""
        skip, number = _span(offset if draft else cursor, limit)
        return _suggestions(write_named(await reconciliation.suggest_properties(prefix, skip, number + 1)), skip, number, draft)


def _add_pages(router: APIRouter, reconciliation: Reconciliation, cross_origin: CrossOrigin, root: str) -> None:
    up = "../" * root.count("/")

    async def page(request: Request, entity_id: str, whole: bool) -> Response:
        entity, types = await reconciliation.show(entity_id, ids_in(request.url.query))
        address = picture_address(entity)
        if address is not None:
            address = up + address if whole else await reconciliation.picture(entity)
        named = [one.name for one in types if one != ANY_TYPE]
        policy = page_policy() + cross_origin.frame_ancestors
        return Response(
            render_entity(entity, named, address, whole),
            media_type="text/html; charset=utf-8",
            headers={"Content-Security-Policy": policy},
        )

    @router.get(f"{root}/preview")
    async def preview(request: Request, entity_id: EntityId) -> Response:
        """Show an entity in a small frame."""
        return await page(request, entity_id, whole=False)

    @router.get(f"{root}/view")
    async def view(request: Request, entity_id: EntityId) -> Response:
        """Show an entity."""
        return await page(request, entity_id, whole=True)


async def _manifest(request: Request, reconciliation: Reconciliation, path: str, write: Callable[[About], dict[str, Any]]) -> Response:
    base = base_address(request, reconciliation.options)
    types = await reconciliation.default_types()
    service = reconciliation.service
    about = About(base, base + path, reconciliation.name, types, reconciliation.options, service.limits, service.token_needed)
    return _json(write(about))


async def _proposal(request: Request, reconciliation: Reconciliation, limit: int | None) -> Response:
    found = await reconciliation.propose_properties(min(limit or _MOST_PROPOSED, _MOST_PROPOSED))
    answer: dict[str, Any] = {"type": request.query_params.get("type", ""), "properties": write_named(found)}
    return _json(answer if limit is None else answer | {"limit": limit})


def _span(skip: int, limit: int | None) -> tuple[int, int]:
    """Return how many suggestions to skip and to give; deep lists are cut off, as nobody reads them."""
    skip = min(skip, _DEEPEST)
    return skip, min(limit or _PAGE, _DEEPEST - skip)


def _suggestions(found: list[dict[str, Any]], skip: int, number: int, draft: bool) -> Response:
    answer: dict[str, Any] = {"result": found[:number]}
    if not draft and len(found) > number and skip + number < _DEEPEST:
        answer["cursor"] = skip + number  # OpenRefine offers to view more where this is there
    return _json(answer)


def _json(values: Any) -> Response:
    return Response(msgspec.json.encode(values), media_type="application/json")
