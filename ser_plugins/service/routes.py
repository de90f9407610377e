"""The paths of the service, with what they take and answer."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Request, Response, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

from ser_plugins import __version__
from ser_plugins.service.about import about_model
from ser_plugins.service.access import refuse_other_types
from ser_plugins.service.forms import FIELD, FORM
from ser_plugins.service.metrics import CONTENT_TYPE, Metrics
from ser_plugins.service.replies import strict_json
from ser_plugins.service.requests import Service
from ser_plugins.service.schemas import About, Attention, Failure, Health, judgements
from ser_plugins.service.streams import Options, serve_stream
from ser_plugins.service.thresholds import Thresholds, read_thresholds

WindowSeconds = Annotated[float, Query(gt=0, le=60, description="in s")]
HopSeconds = Annotated[float, Query(ge=0.1, description="from one window to the next, in s")]
_FILE = {"type": "string", "format": "binary"}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "audio/*": {"schema": _FILE},
            FORM: {"schema": {"type": "object", "properties": {FIELD: _FILE}, "required": [FIELD]}},
        },
    }
}
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": meaning}
    for status, meaning in {
        403: "asked through another host's name or from another site's page",
        408: "the body came too slowly",
        413: "more bytes than allowed",
        415: "not announced as audio",
        422: "not audio that can be judged: unreadable, damaged, too short, too long, silent; or too many windows; or "
        "parameters that are unknown or out of range",
        429: "full; try again after `Retry-After` seconds",
        503: "no room for the body; try again after `Retry-After` seconds",
        504: "not judged in time",
    }.items()
}
REFUSED: dict[int | str, dict[str, Any]] = {
    403: FAILURES[403],
    422: {"model": Failure, "description": "an unknown parameter"},
}
LINKS = {
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "model": "/model",
    "health": "/health",
    "metrics": "/metrics",
}
LINE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>ser serve</title>
<p>ser_plugins {version} answers with the emotion in a recording: {links}.</p></html>
"""


def thresholds_of(model) -> Callable[..., Thresholds]:
    """What reads the thresholds in an address, for a model."""

    def thresholds(
        abstain_below: Annotated[float, Query(ge=0, le=1, description="no label where its probability is lower")] = 0.0,
        threshold: Annotated[
            list[str] | None, Query(max_length=64, description="the same for one class: CLASS:PROBABILITY; any number")
        ] = None,
    ) -> Thresholds:
        return read_thresholds(model, abstain_below, threshold or [])

    return thresholds


def add_judgements(app: FastAPI, service: Service) -> None:
    """The paths that take a recording."""
    types = judgements(service.model.window)
    Asked = Annotated[Thresholds, Depends(thresholds_of(service.model))]

    @app.post("/classify", response_model=types.recording, openapi_extra=BODY, responses=FAILURES)
    async def classify(
        request: Request, thresholds: Asked, text: Annotated[str | None, Query(max_length=5000)] = None
    ) -> Response:
        """Judge a recording: the plain values of `predict_file`, `duration` in s, and the `warnings` of `ser check`.

        `text` is what is said in it, for a model that reads.
        """
        refuse_other_types(request)
        return await service.answer(request, service.classify, text, thresholds)

    @app.post("/timeline", response_model=types.timeline, openapi_extra=BODY, responses=FAILURES)
    async def timeline(
        request: Request, thresholds: Asked, window: WindowSeconds = 3.0, hop: HopSeconds = 1.0
    ) -> Response:
        """Judge window after window: `windows`, each with `start` and `end` in s; null where nobody speaks."""
        refuse_other_types(request)
        return await service.answer(request, service.timeline, window, hop, thresholds)

    @app.post("/attention", response_model=Attention, openapi_extra=BODY, responses=FAILURES)
    async def attention(request: Request) -> Response:
        """Where the model looks: `weights` (query, key), mean over the heads; null in a model without attention."""
        refuse_other_types(request)
        return await service.answer(request, service.attention)

    @app.websocket("/stream")
    async def stream(
        websocket: WebSocket,
        thresholds: Asked,
        encoding: Literal["s16le", "f32le", "container"] = "s16le",
        rate: Annotated[int, Query(ge=1000, le=192_000)] = 16000,
        window: WindowSeconds = 3.0,
        hop: HopSeconds = 1.0,
    ):
        await serve_stream(service, websocket, Options(encoding, rate, window, hop, thresholds))


def add_jobs(app: FastAPI, service: Service) -> None:
    """The paths of recordings that are too long to wait for."""
    Asked = Annotated[Thresholds, Depends(thresholds_of(service.model))]
    job_type = judgements(service.model.window).job
    failures: dict[int | str, dict[str, Any]] = {**REFUSED, 404: {"model": Failure, "description": "no such job"}}

    def reply(job, status) -> Response:
        return Response(strict_json(job.report()), status, media_type="application/json")

    @app.post("/jobs", status_code=202, response_model=job_type, openapi_extra=BODY, responses=FAILURES)
    async def begin(
        request: Request, thresholds: Asked, window: WindowSeconds = 3.0, hop: HopSeconds = 1.0
    ) -> Response:
        """Judge a long recording in the background, window after window; the answer has the `id` to ask with."""
        refuse_other_types(request)
        return reply(await service.jobs.begin(request, window, hop, thresholds), 202)

    @app.get("/jobs/{name}", response_model=job_type, responses=failures)
    async def look(name: str) -> Response:
        """How far a job is; its windows, once it is done; its error, once it has failed."""
        return reply(service.jobs.find(name), 200)

    @app.delete("/jobs/{name}", status_code=204, responses=failures)
    async def delete(name: str) -> Response:
        """Stop a job and forget it, result and recording."""
        service.jobs.delete(name)
        return Response(status_code=204)


def add_facts(app: FastAPI, service: Service, card: str, metrics: Metrics) -> None:
    """The paths that say what the service is and does."""
    limits, description = service.limits, about_model(service.model, card, service.limits)

    @app.get("/health", responses=REFUSED)
    async def health() -> Health:
        """Whether it runs, and how full it is."""
        return Health(
            status="ok",
            in_flight=service.in_flight,
            queue=limits.queue,
            held=service.bodies.held,
            streams=service.streams.open,
        )

    @app.get("/model", responses=REFUSED)
    async def about() -> About:
        """The model card in markdown, what the model takes and gives, how it was measured, and the limits."""
        return description

    @app.get("/metrics", response_class=PlainTextResponse, responses=REFUSED)
    async def numbers() -> Response:
        """Requests by path and status, their time, and how full the service is, in Prometheus' text format."""
        gauges = {
            "ser_requests_in_flight": service.in_flight,
            "ser_held_bytes": service.bodies.held,
            "ser_streams_open": service.streams.open,
            "ser_jobs": len(service.jobs.known),
        }
        return Response(metrics.text(gauges), media_type=CONTENT_TYPE)


def add_front(app: FastAPI) -> None:
    """What is said at ``/``, where there is no page: JSON to programs, a line to people."""

    @app.get("/", include_in_schema=False)
    async def front(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            links = ", ".join(f'<a href="{path[1:]}">{name}</a>' for name, path in LINKS.items())
            return HTMLResponse(LINE.format(version=__version__, links=links))
        paths = [f"POST {path}" for path in ("/classify", "/timeline", "/attention", "/jobs")]
        return JSONResponse({"name": "ser_plugins", "version": __version__, "paths": [*paths, "WS /stream"], **LINKS})
