"""A model behind HTTP: audio in the body of a POST, JSON out. FastAPI and uvicorn underneath (extra ``serve``)."""

from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, WebSocket
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from ser_plugins import __version__
from ser_plugins.errors import SerError
from ser_plugins.service.access import refuse_strangers, refuse_unknown_parameters
from ser_plugins.service.metrics import Metrics, Watch
from ser_plugins.service.openapi_page import openapi_page
from ser_plugins.service.page import add_page
from ser_plugins.service.replies import parts_of
from ser_plugins.service.requests import Service
from ser_plugins.service.routes import add_facts, add_front, add_jobs, add_judgements
from ser_plugins.service.streams import refuse
from ser_plugins.service.uploads import Limits

DEFAULT_LIMITS = Limits()
LOOPBACK = ("localhost", "127.0.0.1", "::1")
FULL = (429, 503)  # codes of what may be tried again
FORBIDDEN = 403


def create_app(model, *, card="", limits=DEFAULT_LIMITS, hosts=LOOPBACK, page=False, log=None) -> FastAPI:
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
    log : callable, optional
        Takes a line of text for every request.

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
    service, metrics = Service(model, limits), Metrics()

    def known(connection: HTTPConnection):
        refuse_strangers(connection, hosts)
        refuse_unknown_parameters(connection)

    @asynccontextmanager
    async def lifespan(_):
        yield
        service.close()

    app = FastAPI(
        title="ser_plugins",
        version=__version__,
        description="Send a recording, receive what the model makes of it. Nothing is kept but jobs, for an hour.",
        dependencies=[Depends(known)],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Watch, metrics=metrics, log=log)
    app.add_api_route(
        "/docs", lambda: openapi_page(app.openapi()), response_class=HTMLResponse, include_in_schema=False
    )
    for kind in (RequestValidationError, WebSocketRequestValidationError, HTTPException, SerError, Exception):
        app.add_exception_handler(kind, _say_failure)

    add_judgements(app, service)
    add_jobs(app, service)
    add_facts(app, service, card, metrics)
    (add_page if page else add_front)(app)
    return app


async def _say_failure(connection, error):
    """Any error, in three parts."""
    parts, code = parts_of(error)
    if isinstance(connection, WebSocket) and code != FORBIDDEN:  # a page's script can read what comes over the stream
        await connection.accept()
        await refuse(connection, error)
        return None
    if isinstance(error, HTTPException):
        parts["got"] = f"{connection.scope.get('method', 'WS')} {connection.scope['path']}: {parts['got']}"
    headers = {**(getattr(error, "headers", None) or {}), **({"Retry-After": "1"} if code in FULL else {})}
    return JSONResponse(parts, status_code=code, headers=headers)
