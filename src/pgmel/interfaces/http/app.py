"""The application: routes, the page, the documentation, and what every request passes."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from pgmel.interfaces.http.cross_origin import CrossOrigin
from pgmel.interfaces.http.gate import Gate
from pgmel.interfaces.http.limits import Limits
from pgmel.interfaces.http.problems import PROBLEMS, Problem, problem_response
from pgmel.interfaces.http.reconciliation import DRAFT_ROOT, ROOT, Reconciliation, ReconciliationOptions, make_reconciliation_router
from pgmel.interfaces.http.reference import render_reference
from pgmel.interfaces.http.routes import SCHEMAS, make_router
from pgmel.interfaces.http.schemas import ProblemAnswer
from pgmel.interfaces.http.service import Service
from pgmel.interfaces.http.uploads import explain_faults
from pgmel.linking import Linker
from pgmel.version import __version__

__all__ = ["create_app"]

STATIC: Final = Path(__file__).parent / "static"
OPEN_PATHS: Final = ("/", "/static/", "/docs", "/openapi.json", "/health", "/favicon.ico")
"""What needs no token: nothing of the knowledge base is in it but its size."""


def create_app(
    linker: Linker,
    limits: Limits | None = None,
    *,
    token: str | None = None,
    batch_size: int = 64,
    window_s: float = 0.002,
    hosts: Collection[str] | None = None,
    reconciliation: ReconciliationOptions | None = None,
    load: Callable[[], Linker] | None = None,
) -> FastAPI:
    """Make the application over a linker, which nobody else may use for linking and which is not closed with it.

    Args:
        linker: What links.
        limits: What is accepted; the defaults if None.
        token: What clients must send as ``Authorization: Bearer``; None lets everybody in.
        batch_size: Most mentions linked in one call; 1 turns micro-batching off.
        window_s: How long a batch that is not full waits for more requests, in seconds.
        hosts: Names that requests may be addressed to; None takes any.
        reconciliation: How the reconciliation service presents itself.
        load: Opens the bundle again; ``app.state.reload()`` puts what it gives in the linker's place.
    """
    limits = limits or Limits()
    options = reconciliation or ReconciliationOptions()
    cross_origin = CrossOrigin((ROOT,), ("/pictures",), options.origins)
    service = Service(linker, limits, batch_size, window_s, token is not None)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="pgmel",
        version=__version__,
        description="Links mentions in text with pictures to the entities of a knowledge base.",
        docs_url=None,  # FastAPI's own pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(make_router(service))
    app.include_router(make_reconciliation_router(Reconciliation(service, options), cross_origin))
    if load is not None:
        app.state.reload = partial(service.reload, load)
    _add_pages(app)
    _describe_bodies(app)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_middleware(
        Gate,
        limits=limits,
        monitor=service.monitor,
        open_paths=OPEN_PATHS,
        token=token,
        hosts=hosts,
        cross_origin=cross_origin,
        manifests=(ROOT, f"{ROOT}/", DRAFT_ROOT, f"{DRAFT_ROOT}/"),
    )
    return app


def _add_pages(app: FastAPI) -> None:
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    @app.get("/docs", include_in_schema=False)
    async def reference() -> Response:
        return Response(render_reference(app.openapi(), PROBLEMS), media_type="text/html")


def _describe_bodies(app: FastAPI) -> None:
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = describe()
            _, bodies = models_json_schema(
                [(model, "validation") for model in (*SCHEMAS, ProblemAnswer)], ref_template="#/components/schemas/{model}"
            )
            schema.setdefault("components", {}).setdefault("schemas", {}).update(bodies["$defs"])
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


async def _answer_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "invalid_request")
    fix = {404: "See /docs for the routes", 405: "See /docs for the methods of this route"}.get(status, "See /docs")
    return problem_response(Problem(code, PROBLEMS[code][1], fix), request.state.request_id)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return problem_response(explain_faults(errors), request.state.request_id)
