"""A model behind HTTP: audio in the body of a POST, JSON out. FastAPI and uvicorn underneath (extra ``serve``)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ser_plugins import __version__
from ser_plugins.errors import SerError
from ser_plugins.serving.attention_map import attention_map
from ser_plugins.serving.batching import Batcher
from ser_plugins.serving.check import check_recording
from ser_plugins.serving.openapi_page import openapi_page
from ser_plugins.serving.uploads import Limits, Refusal, Upload, read_upload

DEFAULT_LIMITS = Limits()
LOOPBACK = ("localhost", "127.0.0.1", "::1")
DRAINED = 4  # times the largest body: what is read and dropped of a larger one
BATCH_SECONDS = 240.0  # of audio, padding included: a model needs a few MB for each
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


_FAILURES = {
    status: {"model": Failure, "description": what}
    for status, what in {
        403: "asked through another host's name or from another site's page",
        408: "the body came too slowly",
        413: "more bytes than allowed",
        415: "not announced as audio",
        422: "not audio that can be judged: unreadable, damaged, too short, too long, silent",
        429: "full; try again after `Retry-After` seconds",
        504: "not judged in time",
    }.items()
}


def create_app(model, *, card="", limits=DEFAULT_LIMITS, hosts=LOOPBACK, page=False) -> FastAPI:
    """Build the service.

    Arguments
    ---------
    model : ser_plugins.serving.recordings.RecordingModel
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
    service = _Service(model, limits)

    def known(request: Request):
        _refuse_strangers(request, hosts)

    @asynccontextmanager
    async def lifespan(_):
        yield
        service.close()

    app = FastAPI(
        title="ser_plugins",
        version=__version__,
        description="Send a recording, receive what the model makes of it. Nothing is stored.",
        dependencies=[Depends(known)],
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    own_docs = {"response_class": HTMLResponse, "include_in_schema": False}
    app.add_api_route("/docs", lambda: openapi_page(app.openapi()), **own_docs)
    for kind, status in ((RequestValidationError, 422), (HTTPException, None), (SerError, 422)):
        app.add_exception_handler(kind, _failure(status))

    @app.post("/classify", openapi_extra=_BODY, responses=_FAILURES)
    async def classify(request: Request) -> dict:
        """Judge a recording: the plain values of `predict_file`, `duration` in s, and the `warnings` of `ser check`."""
        return await service.answer(request, service.classify)

    @app.post("/timeline", openapi_extra=_BODY, responses=_FAILURES)
    async def timeline(
        request: Request, window: Annotated[float, Query(gt=0, le=60)] = 3.0, hop: Annotated[float, Query(ge=0.1)] = 1.0
    ) -> dict:
        """Judge window after window: `windows`, each with `start` and `end` in s; null where silent."""
        return await service.answer(request, service.timeline, window, hop)

    @app.post("/attention", openapi_extra=_BODY, responses=_FAILURES)
    async def attention(request: Request) -> dict:
        """Where the model looks: `weights` (query, key), mean over the heads; null in a model without attention."""
        return await service.answer(request, service.attention)

    @app.get("/health")
    async def health() -> dict:
        """Whether it runs, and how full it is."""
        return {"status": "ok", "in_flight": service.in_flight, "queue": limits.queue}

    @app.get("/model")
    async def about() -> dict:
        """The model card in markdown, and the limits."""
        return {"card": card, "limits": limits._asdict()}

    if page:
        content = PAGE.read_text(encoding="utf-8")

        @app.get("/", response_class=HTMLResponse, include_in_schema=False)
        async def root() -> HTMLResponse:
            return HTMLResponse(content, headers={"Content-Security-Policy": _PAGE_POLICY})

    return app


class _Service:
    """What the routes share: the bound on requests, the threads, the batches."""

    def __init__(self, model, limits):
        self.model, self.limits, self.in_flight = model, limits, 0
        self.decoders = ThreadPoolExecutor(2, thread_name_prefix="decode")
        self.batcher = Batcher(model._judge, limits.batch, len, BATCH_SECONDS * model.sample_rate)

    def close(self):
        self.decoders.shutdown(wait=False)
        self.batcher.thread.shutdown(wait=False)

    async def answer(self, request: Request, work: Callable, *arguments) -> dict:
        """Admit, read and judge within the limits."""
        _refuse_other_types(request)
        loop = asyncio.get_running_loop()
        with self._place():
            end = loop.time() + self.limits.timeout
            upload = await self._in_time(end, 408, "a body", _read_body(request, self.limits.body))
            return await self._in_time(end, 504, "a reply", work(upload, *arguments))

    async def classify(self, upload):
        wave = await self._decoded(upload)
        outcome = await self.batcher.submit(wave)
        check = await self._decode(check_recording, upload, self.model)
        warnings = [str(finding) for finding in check.findings]
        return {**outcome._asdict(), "duration": len(wave) / self.model.sample_rate, "warnings": warnings}

    async def timeline(self, upload, window, hop):
        await self._decoded(upload)  # which refuses what is too long

        def judge():
            return [row._asdict() for row in self.model.classify_windows(upload, window=window, hop=hop)]

        return {"windows": await self.batcher.run(judge)}

    async def attention(self, upload):
        return await self.batcher.run(attention_map, self.model, await self._decoded(upload))

    async def _decoded(self, upload):
        return await self._decode(read_upload, upload, self.model, self.limits.audio)

    async def _decode(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self.decoders, function, *arguments)

    @contextmanager
    def _place(self):
        if self.in_flight >= self.limits.queue:
            raise Refusal(
                429,
                got=f"{self.in_flight} requests in flight",
                expected=f"at most {self.limits.queue}",
                remedy="try again in a second, or start the service with a longer --queue",
            )
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def _in_time(self, end, status, what, awaitable):
        try:
            return await asyncio.wait_for(awaitable, max(0.0, end - asyncio.get_running_loop().time()))
        except asyncio.TimeoutError:
            raise Refusal(
                status,
                got=f"no {what.split()[-1]} in time",
                expected=f"{what} within {self.limits.timeout:g} s",
                remedy="send it faster, shorter or later",
            ) from None


async def _read_body(request: Request, most: int) -> Upload:
    announced = request.headers.get("content-length", "0")
    fits = not announced.isdigit() or int(announced) <= most
    upload, size = Upload(), 0
    try:
        async for part in request.stream():
            size += len(part)
            fits = fits and size <= most
            if fits:
                upload.write(part)
            elif size > DRAINED * most:  # before that, a client that is still sending would not hear the answer
                break
    except ClientDisconnect:
        raise Refusal(400, got="a body cut short", expected="all of it", remedy="send it again") from None
    if not fits:
        size = max(size, int(announced) if announced.isdigit() else 0)
        raise Refusal(
            413, got=f"at least {size:,} bytes", expected=f"at most {most:,}", remedy="cut or compress the recording"
        )
    return upload


def _refuse_other_types(request):
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind and not kind.startswith("audio/") and kind != "application/octet-stream":
        raise Refusal(
            415,
            got=f"Content-Type: {kind}",
            expected="audio/wav, another audio/ type, or application/octet-stream, with the file itself as the body",
            remedy='curl --data-binary @speech.wav -H "Content-Type: audio/wav" URL',
        )


def _refuse_strangers(request, hosts):
    origin = urlsplit(request.headers.get("origin", ""))
    name = request.url.hostname
    if hosts is not None and name not in hosts:
        raise Refusal(403, got=f"Host: {name}", expected=" or ".join(hosts), remedy="use one of these in the address")
    if (origin.netloc and origin.netloc != request.url.netloc) or request.headers.get("origin") == "null":
        raise Refusal(
            403,
            got=f"a request from a page of {origin.netloc or 'nowhere'}",
            expected="one from the service's own page, or from a program",
            remedy="open the service's own page",
        )


def _failure(status):
    """A handler that says any error in three parts; ``status`` where the error has none of its own."""

    async def handle(request, error):
        code = getattr(error, "status", getattr(error, "status_code", status))
        if isinstance(error, SerError):
            parts = {"got": error.got, "expected": error.expected, "remedy": error.remedy}
        elif isinstance(error, RequestValidationError):
            wrong = "; ".join(f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors())
            parts = {"got": wrong, "expected": "the parameters of /docs", "remedy": "correct the address"}
        else:
            what = f"{request.method} {request.url.path}: {error.detail}"
            parts = {"got": what, "expected": "a path and a method of /docs", "remedy": "correct the address"}
        headers = {**(getattr(error, "headers", None) or {}), **({"Retry-After": "1"} if code == 429 else {})}
        return JSONResponse(parts, status_code=code, headers=headers)

    return handle


def run_app(app: FastAPI, host: str, port: int, timeout: float) -> None:
    """Serve until a signal comes; what was accepted by then is answered."""
    import uvicorn

    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=round(timeout) + 1)
