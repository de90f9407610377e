"""What the service has done, in numbers for Prometheus and in a line for every request; nothing of what was heard."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone

from ser_plugins.plain import visible

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # s
OTHER = "other"  # for every path that there is not: clients must not be able to make series
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # of Prometheus' text format
HELP = {  # what each number is, without a backslash or a line's end
    "ser_requests_total": "Requests by path and status; a stream counts once, at its end.",
    "ser_request_seconds": "Time from the headers of a request to the end of its reply, in seconds.",
    "ser_requests_in_flight": "Requests that are being read, waiting or judged.",
    "ser_held_bytes": "Bytes of the bodies of those requests.",
    "ser_streams_open": "Streams that are open.",
    "ser_jobs": "Jobs that wait, run, or whose result is kept.",
}


class Metrics:
    r"""Counts requests.

    Example
    -------
    >>> metrics = Metrics()
    >>> metrics.count("/classify", 200, 0.02)
    >>> print(*metrics.text({"ser_jobs": 0}).splitlines()[:3], sep="\n")
    # HELP ser_requests_total Requests by path and status; a stream counts once, at its end.
    # TYPE ser_requests_total counter
    ser_requests_total{path="/classify",status="200"} 1
    """

    def __init__(self):
        self.requests, self.buckets, self.number, self.seconds = Counter(), Counter(), Counter(), Counter()

    def count(self, path: str, status: int, seconds: float) -> None:
        """Add a request that was answered with ``status`` after so many s."""
        self.requests[path, status] += 1
        self.number[path] += 1
        self.seconds[path] += seconds
        for bound in BOUNDS:
            self.buckets[path, bound] += seconds <= bound

    def text(self, gauges: dict[str, float]) -> str:
        """All of it, and what is so now, in Prometheus' text format."""
        lines = _head("ser_requests_total", "counter")
        lines += [
            f'ser_requests_total{{path="{path}",status="{status}"}} {number}'
            for (path, status), number in sorted(self.requests.items())
        ]
        lines += _head("ser_request_seconds", "histogram")
        for path, number in sorted(self.number.items()):
            for bound in BOUNDS:
                lines.append(f'ser_request_seconds_bucket{{path="{path}",le="{bound:g}"}} {self.buckets[path, bound]}')
            lines.append(f'ser_request_seconds_bucket{{path="{path}",le="+Inf"}} {number}')
            lines.append(f'ser_request_seconds_sum{{path="{path}"}} {self.seconds[path]:.6f}')
            lines.append(f'ser_request_seconds_count{{path="{path}"}} {number}')
        for name, value in gauges.items():
            lines += [*_head(name, "gauge"), f"{name} {value:g}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str) -> list[str]:
    return [f"# HELP {name} {HELP[name]}", f"# TYPE {name} {kind}"]


class Watch:
    """An ASGI application around another one, which counts what is asked and answered.

    Arguments
    ---------
    app : callable
        The other one.
    metrics : Metrics
        Counts.
    log : callable, optional
        Takes a line for every request: when, who, what, status, bytes that came, ms. A stream has status 101, and its
        line comes at its end.
    """

    def __init__(self, app: Callable, metrics: Metrics, log: Callable[[str], None] | None = None):
        self.app, self.metrics, self.log = app, metrics, log

    async def __call__(self, scope, receive, send):
        """Pass on, and count."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        begin = time.perf_counter()
        status, size = 500, 0  # what is not answered here is answered with 500 around here

        async def received():
            nonlocal size
            message = await receive()
            size += len(message.get("body") or message.get("bytes") or b"")
            return message

        async def sent(message):
            nonlocal status
            status = 101 if message["type"] == "websocket.accept" else message.get("status", status)
            await send(message)

        try:
            await self.app(scope, received, sent)
        finally:
            seconds = time.perf_counter() - begin
            path = getattr(scope.get("route"), "path", OTHER)
            self.metrics.count(path, status, seconds)
            if self.log is not None:
                self.log(_line(scope, status, size, seconds))


def _line(scope, status, size, seconds) -> str:
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    client = (scope.get("client") or ("-",))[0]
    method = scope.get("method", "WS")
    return f"{now} {client} {method} {visible(scope['path'][:100])} {status} {size} bytes {1000 * seconds:.0f} ms"
