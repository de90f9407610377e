"""A model behind HTTP: audio in the body of a POST, JSON out. FastAPI and uvicorn underneath (extra ``serve``)."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from ser_plugins import __version__
from ser_plugins.errors import SerError
from ser_plugins.service.openapi_page import openapi_page
from ser_plugins.service.requests import Service
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

    def known(request: Request):
        _refuse_strangers(request, hosts)

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
    for kind, status in ((RequestValidationError, 422), (HTTPException, None), (SerError, 422), (Exception, 500)):
        app.add_exception_handler(kind, _failure(status))

    _add_routes(app, service, card, model.strangers)
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
    async def timeline(
        request: Request, window: Annotated[float, Query(gt=0, le=60)] = 3.0, hop: Annotated[float, Query(ge=0.1)] = 1.0
    ) -> Response:
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
        held = service.bodies.held
        return {"status": "ok", "in_flight": service.in_flight, "queue": service.limits.queue, "held": held}

    @app.get("/model")
    async def about() -> dict:
        """The model card in markdown, what was measured on strangers in one line, and the limits."""
        return {"card": card, "strangers": strangers, "limits": service.limits._asdict()}


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


def _refuse_strangers(request, hosts):
    origin, address = request.headers.get("origin"), request.headers.get("host")
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


def _failure(status):
    """A handler that says any error in three parts; ``status`` where the error has none of its own."""

    async def handle(request, error):
        code = getattr(error, "status", getattr(error, "status_code", status))
        if isinstance(error, SerError):
            parts = {"got": error.got, "expected": error.expected, "remedy": error.remedy}
        elif isinstance(error, RequestValidationError):
            wrong = "; ".join(f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors())
            parts = {"got": wrong, "expected": "the parameters of /docs", "remedy": "correct the address"}
        elif isinstance(error, HTTPException):
            refusal = f"{request.method} {request.scope['path']}: {error.detail}"
            parts = {"got": refusal, "expected": "a path and a method of /docs", "remedy": "correct the address"}
        else:
            parts = {"got": "a fault of the service", "expected": "none", "remedy": "see its log, and report it"}
        headers = {**(getattr(error, "headers", None) or {}), **({"Retry-After": "1"} if code in FULL else {})}
        return JSONResponse(parts, status_code=code, headers=headers)

    return handle
