"""A model behind HTTP: audio in the body of a POST, JSON out. FastAPI and uvicorn underneath (extra ``serve``)."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ser_plugins import __version__
from ser_plugins.errors import SerError
from ser_plugins.service.openapi_page import openapi_page
from ser_plugins.service.replies import parts_of
from ser_plugins.service.requests import Service
from ser_plugins.service.streams import Options, refuse, serve_stream
from ser_plugins.service.uploads import Limits, Refusal

DEFAULT_LIMITS = Limits()
LOOPBACK = ("localhost", "127.0.0.1", "::1")
FULL = (429, 503)  # codes of what may be tried again
PAGE = Path(__file__).with_name("page.html")
# The page holds its script and style; whatever it was made to show, it can reach nothing else.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; media-src blob:; "
    "img-src data:; frame-ancestors 'none'"
)
WindowSeconds = Annotated[float, Query(gt=0, le=60)]
HopSeconds = Annotated[float, Query(ge=0.1)]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("audio/*",)},
    }
}


class Failure(BaseModel):
    """What every error looks like."""

    got: str
    expected: str
    remedy: str


_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": meaning}
    for status, meaning in {
        403: "asked through another host's name or from another site's page",
        408: "the body came too slowly",
        413: "more bytes than allowed",
        415: "not announced as audio",
        422: "not audio that can be judged: unreadable, damaged, too short, too long, silent; or too many windows",
        429: "full; try again after `Retry-After` seconds",
        503: "no room for the body; try again after `Retry-After` seconds",
        504: "not judged in time",
    }.items()
}


def create_app(model, *, card="", limits=DEFAULT_LIMITS, hosts=LOOPBACK, page=False) -> FastAPI:
    """Build the service.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        Of either kind; it is used from one thread.
    card : str
        The model card, in markdown.
    limits : Limits
        On size, length, time and number.
    hosts : sequence of str, optional
        Names in the ``Host`` header that are answered, so that no site can make its name lead here (DNS rebinding);
        None answers all.
    page : bool
        Whether ``/`` is the page to try it on.

    Example
    -------
    >>> import torch
    >>> from fastapi.testclient import TestClient
    >>> from ser_plugins.inference import EmotionClassifier
    >>> from ser_plugins.classifier import ClassifierHead, UtteranceEncoder
    >>> from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
    >>> modules = {"compute_features": LogPowerSpectrogram(), "mean_var_norm": ZNorm(mode="utterance")}
    >>> modules |= {"embedding_model": UtteranceEncoder(hidden_size=8, heads=2), "classifier": ClassifierHead(16, 2)}
    >>> app = create_app(EmotionClassifier(torch.nn.ModuleDict(modules), ["calm", "angry"]))
    >>> TestClient(app, base_url="http://localhost").post("/classify", content=b"no audio").json()["remedy"]
    'convert it to 16-bit wav, or replace the damaged file'
    """
    service = Service(model, limits)

    def known(connection: HTTPConnection):
        _refuse_strangers(connection, hosts)

    @asynccontextmanager
    async def lifespan(_):
        yield
        service.close()

    app = FastAPI(
        title="ser_plugins",
        version=__version__,
        description="Send a recording, receive what the model makes of it. Nothing is kept.",
        dependencies=[Depends(known)],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_api_route(
        "/docs", lambda: openapi_page(app.openapi()), response_class=HTMLResponse, include_in_schema=False
    )
    for kind in (RequestValidationError, HTTPException, SerError, Exception):
        app.add_exception_handler(kind, _say_failure)
    app.add_exception_handler(WebSocketRequestValidationError, _refuse_options)

    _add_routes(app, service, card, model.strangers)
    _add_stream(app, service)
    if page:
        _add_page(app)
    return app


def _add_routes(app, service, card, strangers):
    @app.post("/classify", openapi_extra=_BODY, responses=_FAILURES)
    async def classify(request: Request, text: Annotated[str | None, Query(max_length=5000)] = None) -> dict:
        """Judge a recording: the plain values of `predict_file`, `duration` in s, and the `warnings` of `ser check`.

        `text` is what is said in it, for a model that reads.
        """
        _refuse_other_types(request)
        return await service.answer(request, service.classify, text)

    @app.post("/timeline", response_model=dict, openapi_extra=_BODY, responses=_FAILURES)
    async def timeline(request: Request, window: WindowSeconds = 3.0, hop: HopSeconds = 1.0) -> Response:
        """Judge window after window: `windows`, each with `start` and `end` in s; null where nobody speaks."""
        _refuse_other_types(request)
        return await service.answer(request, service.timeline, window, hop)

    @app.post("/attention", response_model=dict, openapi_extra=_BODY, responses=_FAILURES)
    async def attention(request: Request) -> Response:
        """Where the model looks: `weights` (query, key), mean over the heads; null in a model without attention."""
        _refuse_other_types(request)
        return await service.answer(request, service.attention)

    @app.get("/health")
    async def health() -> dict:
        """Whether it runs, and how full it is."""
        return {
            "status": "ok",
            "in_flight": service.in_flight,
            "queue": service.limits.queue,
            "held": service.bodies.held,
            "streams": service.streams.open,
        }

    @app.get("/model")
    async def about() -> dict:
        """The model card in markdown, what was measured on strangers in one line, and the limits."""
        return {"card": card, "strangers": strangers, "limits": service.limits._asdict()}


def _add_stream(app, service):
    @app.websocket("/stream")
    async def stream(
        websocket: WebSocket,
        encoding: Literal["s16le", "f32le", "container"] = "s16le",
        rate: Annotated[int, Query(ge=1000, le=192_000)] = 16000,
        window: WindowSeconds = 3.0,
        hop: HopSeconds = 1.0,
    ):
        """Judge sound as it comes: the protocol is in docs/service.md."""
        await serve_stream(service, websocket, Options(encoding, rate, window, hop))


def _add_page(app):
    content = PAGE.read_text(encoding="utf-8")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def root() -> HTMLResponse:
        return HTMLResponse(content, headers={"Content-Security-Policy": _PAGE_POLICY})


def _refuse_other_types(request):
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind and not kind.startswith(("audio/", "video/")) and kind != "application/octet-stream":
        raise Refusal(
            415,
            got=f"Content-Type: {kind}",
            expected="audio/wav, another audio/ or video/ type, application/octet-stream; the body is the file itself",
            remedy='curl --data-binary @speech.wav -H "Content-Type: audio/wav" URL',
        )


def _refuse_strangers(connection, hosts):
    origin, address = connection.headers.get("origin"), connection.headers.get("host")
    if hosts is not None and address is not None and _host_name(address) not in hosts:
        raise Refusal(
            403, got=f"Host: {address}", expected=" or ".join(hosts), remedy="use one of these in the address"
        )
    if origin is not None and origin.partition("://")[2] != address:  # a proxy may speak another scheme than we do
        raise Refusal(
            403,
            got=f"a request from a page of {origin or 'nowhere'}",
            expected="one from the service's own page, or from a program",
            remedy="open the service's own page",
        )


def _host_name(address: str) -> str | None:
    """Of ``Host``, without the port; None where it is no address."""
    try:
        return urlsplit(f"//{address}").hostname
    except ValueError:
        return None


async def _say_failure(connection, error):
    """Any error, in three parts."""
    parts, code = parts_of(error)
    if isinstance(error, HTTPException):
        parts["got"] = f"{connection.scope.get('method', 'WS')} {connection.scope['path']}: {parts['got']}"
    headers = {**(getattr(error, "headers", None) or {}), **({"Retry-After": "1"} if code in FULL else {})}
    return JSONResponse(parts, status_code=code, headers=headers)


async def _refuse_options(websocket, error):
    """Say what is wrong with the address of a stream, where a page's script can read it."""
    await websocket.accept()
    await refuse(websocket, error)
