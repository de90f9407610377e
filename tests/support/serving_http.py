"""A service on a free port of loopback, and the plain client that asks it."""

import http.client
import io
import json
import threading
import time
from contextlib import contextmanager
from typing import NamedTuple

import soundfile
import uvicorn
from fake_run import tone

from ser_plugins.service.app import DEFAULT_LIMITS
from ser_plugins.service.server import configuration


class Reply(NamedTuple):
    status: int
    json: dict
    headers: dict


class Running(NamedTuple):
    server: uvicorn.Server
    thread: threading.Thread
    port: int

    def ask(self, path, body=None, headers=None, method=None) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method or ("POST" if body is not None else "GET"), path, body, headers or {})
            answer = connection.getresponse()
            content = answer.read()
            is_json = content and "json" in answer.headers.get("content-type", "")
            return Reply(answer.status, json.loads(content) if is_json else content, dict(answer.headers))
        finally:
            connection.close()

    def stop(self):
        self.server.should_exit = True
        self.thread.join(120)


@contextmanager
def running(app, limits=DEFAULT_LIMITS):
    server = uvicorn.Server(configuration(app, limits, port=0, log_level="error", timeout_graceful_shutdown=20))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + 120
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        yield Running(server, thread, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(120)


def until(condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_failure(reply, status):
    assert reply.status == status, reply
    assert set(reply.json) == {"got", "expected", "remedy"}
    assert all(reply.json.values())
    return True


def wav(seconds=0.5, pitch=180.0, rate=16000, wave=None) -> bytes:
    body = io.BytesIO()
    soundfile.write(body, tone(seconds, rate, pitch) if wave is None else wave, rate, format="WAV")
    return body.getvalue()
