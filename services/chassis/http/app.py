"""The one HTTP application of a process: the routers of its services, and what every process says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from services.chassis.audit import AuditLog
from services.chassis.audit.requests import Looks
from services.chassis.http.blanks import Blanks
from services.chassis.http.correlation import Correlation
from services.chassis.http.front_page import front_page
from services.chassis.http.limits import BODY_BYTES_MAX, BodyLimit
from services.chassis.http.problems import MEDIA_TYPE, install
from services.chassis.http.rates import Rates, StrangersLimit
from services.chassis.http.readiness import Readiness
from services.chassis.service import Service

VERSION = version("telecare")

_DESCRIPTION = (
    "Every error is a problem document (RFC 9457). Lists are newest first and paged: ask again with `cursor=` of `next`. "
    "Times are RFC 3339 in UTC. What is empty in the query of a GET counts as not said."
)
# FastAPI's own telemetry would hand request bodies and refused fields to any OpenTelemetry exporter: that is health data.
_NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}

_PROBLEM = {
    "description": "A problem document (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"field": {"type": "string"}, "message": {"type": "string"}}},
        },
    },
}


def create_app(
    title: str,
    services: Sequence[Service],
    metrics: CollectorRegistry,
    *,
    audit: AuditLog | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
    rates: Rates | None = None,
) -> FastAPI:
    """Mount the routers of `services` beside `/`, `/healthz`, `/readyz`, `/metrics` and `/docs`, which need no token.

    Without `audit`, as in some tests, nothing is written down.
    """
    app: FastAPI = FastAPIOffline(
        title=title,
        version=VERSION,
        description=_DESCRIPTION,
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
    )
    install(app)
    app.state.links = [link for service in services for link in service.links]
    app.state.ways_in = [each for service in services for each in service.entrances if not each.posts]
    app.state.rates = rates or Rates()
    app.add_middleware(StrangersLimit, rates=app.state.rates)
    app.state.audit, app.state.looks = audit, Looks()
    of_paths = {path: bytes_max for service in services for path, bytes_max in service.bodies.items()}
    app.add_middleware(BodyLimit, bytes_max=body_bytes_max, of_paths=of_paths)
    app.add_middleware(Blanks)
    app.add_middleware(Correlation)
    # Not `include_router`: it makes each route a second time, at the first request, a third of a second in which nothing else runs.
    for router in (_own(title, services, metrics), *(each for service in services for each in service.routers)):
        app.router.routes.extend(router.routes)
    _describe_problems(app)
    return app


def _own(title: str, services: Sequence[Service], metrics: CollectorRegistry) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    names = [service.name for service in services]
    links = [link for service in services for link in service.links]
    readiness = Readiness(services)

    @router.get("/")
    async def front() -> HTMLResponse:
        notes = [told for service in services for note in service.notes if (told := note()) is not None]
        return front_page(title, VERSION, names, await readiness.findings(), links, notes)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive", "version": VERSION}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        failing = await readiness.findings()
        status = HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK
        body = {
            "status": "not_ready" if failing else "ready",
            "services": names,
            "failing": [asdict(each) for each in failing],
        }
        return JSONResponse(body, status)

    @router.get("/metrics")
    async def scrape(request: Request) -> Response:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics), headers={"Content-Type": media_type})

    return router


def _describe_problems(app: FastAPI) -> None:
    """In the OpenAPI document, say what errors look like here, and not FastAPI's shape of a 422."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for foreign in ("HTTPValidationError", "ValidationError"):
                schemas.pop(foreign, None)
            schemas["Problem"] = _PROBLEM_SCHEMA
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation["responses"].pop("422", None)
                    operation["responses"] |= {"4XX": _PROBLEM, "5XX": _PROBLEM}
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
