"""The service under abuse: too much is refused, others are answered meanwhile, and nothing is kept of it."""

import asyncio
import io
import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
import soundfile
import torch
from fake_run import CLASSES, random_modules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_http import is_failure, running, until, wav

from ser_plugins.errors import AudioError, SerError
from ser_plugins.inference import EmotionClassifier
from ser_plugins.service import bodies, server
from ser_plugins.service import requests as tasks
from ser_plugins.service.app import create_app
from ser_plugins.service.lanes import SPARE
from ser_plugins.service.microbatch import Batcher
from ser_plugins.service.server import Connections, listening, most_connections, quiet_log
from ser_plugins.service.uploads import Decoding, Limits, Refusal, Upload

POST = b"POST /classify HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def model():
    return EmotionClassifier(random_modules(), CLASSES)


@pytest.fixture(scope="module")
def service(model):
    with running(create_app(model)) as found:
        yield found


def connected(service, data=b""):
    client = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    client.sendall(data)
    return client


def said(client):
    """What comes until the connection is closed: the status, and the parts."""
    data = b""
    try:
        while more := client.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else None, json.loads(body) if body else None


def raw(service, data):
    with connected(service, data) as client:
        return said(client)


def is_said(answer, status):
    assert answer[0] == status, answer
    assert set(answer[1]) == {"got", "expected", "remedy"}
    return True


# Connections


def test_half_open_connections_give_way_to_clients_that_ask(model):
    limits = Limits(connections=8)
    with running(create_app(model, limits=limits), limits) as service, ExitStack() as stack:
        half_open = [stack.enter_context(connected(service, b"GET /health HTTP/1.1\r\n")) for _ in range(40)]
        assert service.ask("/health").status == 200
        assert service.ask("/classify", wav()).status == 200
        for client in half_open[:30]:
            assert is_said(said(client), 503)


def test_a_request_at_work_does_not_give_way(model):
    gate = threading.Event()

    class Slow(EmotionClassifier):
        def _judge(self, waves, texts=None):
            gate.wait(30)
            return super()._judge(waves, texts)

    limits = Limits(connections=2)
    app = create_app(Slow(random_modules(), CLASSES), limits=limits)
    with running(app, limits) as service, ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(service.ask, "/classify", wav()) for _ in range(2)]
        until(lambda: service.server.server_state.tasks and len(service.server.server_state.connections) == 2)
        until(lambda: all(not one.deadline for one in list(service.server.server_state.connections)))
        assert is_said(raw(service, b""), 503)
        gate.set()
        assert [one.result().status for one in asked] == [200, 200]


def test_headers_that_do_not_come_end_the_connection(model, monkeypatch):
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.2)
    with running(create_app(model)) as service:
        assert is_said(raw(service, b"GET /health HTTP/1.1\r\nHost: loc"), 408)
        with connected(service, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea") as client:
            status, reply = said(client)  # the second request is as late
        assert (status, reply["status"]) == (200, "ok")


def test_connections_leave_room_for_the_files_that_a_process_may_open(monkeypatch):
    monkeypatch.setattr(server, "open_files", lambda: 256)
    assert most_connections(512) == (256 - server.RESERVED_FILES) // 2
    assert most_connections(10) == 10
    monkeypatch.setattr(server, "open_files", lambda: None)  # as on Windows
    assert most_connections(512) == 512


def test_the_longest_waiting_connection_gives_way():
    class Played:
        refused = False

        def refuse_full(self):
            self.refused = True

    connections = Connections(2)
    first, second, third, fourth = (Played() for _ in range(4))
    connections.admit(first)
    connections.admit(second)
    connections.waiting.update({second: None, first: None})
    connections.admit(third)
    assert [one.refused for one in (first, second, third)] == [False, True, False]
    connections.waiting.clear()  # all are at work
    connections.admit(fourth)
    assert fourth.refused


def test_a_line_that_comes_again_is_logged_once_a_minute(monkeypatch, caplog):
    moment = [0.0]
    monkeypatch.setattr(server.time, "monotonic", lambda: moment[0])
    log = logging.getLogger("uvicorn.error")
    with quiet_log(), caplog.at_level("WARNING", "uvicorn.error"):
        for _ in range(1000):
            log.warning("Invalid HTTP request received.")
        log.warning("Another.")
        moment[0] = 61.0
        log.warning("Invalid HTTP request received.")
        log.warning("Invalid HTTP request received.")
    assert [record.getMessage() for record in caplog.records] == [
        "Invalid HTTP request received.",
        "Another.",
        "Invalid HTTP request received. (999 more of these)",
    ]


# Work


def test_batches_and_jobs_take_turns():
    order = []

    async def work():
        batcher = Batcher(lambda batch: order.append(batch) or batch, 1)

        async def long():
            for part in range(3):
                await batcher.run(order.append, f"part {part}")

        await asyncio.gather(long(), long(), *map(batcher.submit, (1, 2, 3)))

    asyncio.run(work())
    assert order[:4] == [[1], "part 0", [2], "part 0"]
    assert order.index([3]) < order.index("part 1") + 1


def test_too_many_windows_are_refused_before_any_is_judged(model):
    judged = []

    class Counting(EmotionClassifier):
        def judge_cuts(self, cuts, name):
            judged.append(len(cuts))
            return super().judge_cuts(cuts, name)

    limits = Limits(work=20.0)
    with running(create_app(Counting(random_modules(), CLASSES), limits=limits)) as service:
        reply = service.ask("/timeline?hop=0.1&window=1", wav(5.0))
        is_failure(reply, 422)
        assert "41 windows" in reply.json["got"]
        assert judged == []
        assert len(service.ask("/timeline?hop=0.5&window=1", wav(5.0)).json["windows"]) == 9
        is_failure(service.ask("/timeline?window=inf", wav()), 422)
        is_failure(service.ask("/timeline?hop=inf", wav()), 422)
        is_failure(service.ask("/timeline?hop=nan", wav()), 422)


def test_work_stops_when_nobody_waits_for_it(monkeypatch):
    monkeypatch.setattr(tasks, "STEP_SECONDS", 1.0)
    gate, judged = threading.Semaphore(0), []

    class Counting(EmotionClassifier):
        def judge_cuts(self, cuts, name):
            judged.append(len(cuts))
            gate.acquire(timeout=30)
            return super().judge_cuts(cuts, name)

    body = wav(5.0)
    with running(create_app(Counting(random_modules(), CLASSES))) as service:
        asked = b"POST /timeline?window=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        with connected(service, asked + body):
            until(lambda: judged == [1])
        until(lambda: service.ask("/health").json["in_flight"] == 0)
        gate.release(50)
        assert service.ask("/classify", wav()).status == 200  # judged after whatever was left
        assert judged == [1]


def test_large_requests_wait_for_a_turn_and_small_ones_do_not(monkeypatch):
    monkeypatch.setattr(tasks, "LARGE_SECONDS", 2.0)
    gate, judged = threading.Event(), []

    class Slow(EmotionClassifier):
        def judge_cuts(self, cuts, name):
            judged.append(len(cuts))
            return super().judge_cuts(cuts, name)

        def _judge(self, waves, texts=None):
            if len(waves[0]) > 2 * self.sample_rate:
                gate.wait(30)
            return super()._judge(waves, texts)

    limits = Limits(queue=8)
    with running(create_app(Slow(random_modules(), CLASSES), limits=limits)) as service, ThreadPoolExecutor(7) as pool:
        large = [pool.submit(service.ask, "/timeline?window=0.5&hop=0.2", wav(3.0)) for _ in range(2)]
        assert {one.result().status for one in large} == {200}
        waiting = [pool.submit(service.ask, "/classify", wav(3.0)) for _ in range(7)]
        until(lambda: sum(one.done() for one in waiting) == 1)  # two have a turn, four wait
        [refused] = [one.result() for one in waiting if one.done()]
        is_failure(refused, 429)
        gate.set()
        assert sorted(one.result().status for one in waiting) == [200] * 6 + [429]


# Decoding


def audio(channels, rate, seconds, kind="WAV"):
    upload = Upload()
    samples = np.random.default_rng(0).normal(0, 0.1, (round(rate * seconds), channels))
    soundfile.write(upload, samples, rate, format=kind)
    return upload


@pytest.mark.parametrize(("channels", "rate", "kind"), [(1, 16000, "WAV"), (2, 44100, "WAV"), (3, 8000, "FLAC")])
def test_decoding_step_by_step_is_decoding_at_once(model, channels, rate, kind):
    upload = audio(channels, rate, 4.5, kind)
    steps, decoding = [], Decoding(upload, model, 60.0)
    while (recording := decoding.advance(0)) is None:
        steps.append(decoding.samples)
    assert len(steps) >= 4
    assert steps == sorted(set(steps))
    torch.testing.assert_close(recording.wave, model.read(io.BytesIO(upload.getvalue())).wave, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "rate", "seconds", "expected"),
    [
        (8, 655_350, 0.1, "values per second"),
        (8, 96_000, 0.9, "at most 384,000"),
        (1, 15_991, 0.1, "usual sample rate"),
        (1, 16_000, 1.5, "at most 1 s"),
    ],
)
def test_what_takes_long_to_decode_is_refused(model, channels, rate, seconds, expected):
    decoding = Decoding(audio(channels, rate, seconds), model, 1.0)
    with pytest.raises(AudioError, match=expected):
        decoding.advance(10**9)


def test_what_a_header_tells_is_refused_before_it_is_decoded(model):
    upload = audio(1, 16_000, 4.0)
    decoding = Decoding(upload, model, 2.0)
    with pytest.raises(AudioError, match="longer than 2 s"):
        decoding.refuse_by_header()
    assert decoding.reading is None
    Decoding(upload, model, 3.5).refuse_by_header()  # perhaps the header is wrong
    with pytest.raises(AudioError, match=r"longer than 3\.5 s"):
        Decoding(upload, model, 3.5).advance(10**9)


def test_decoders_that_are_stuck_do_not_hold_up_others(model, monkeypatch):
    release, advance = threading.Event(), Decoding.advance

    def stuck(self, values):
        if b"stuck" in self.upload.getvalue():
            release.wait(60)
        return advance(self, values)

    monkeypatch.setattr(Decoding, "advance", stuck)
    try:
        with running(create_app(model, limits=Limits(timeout=1.0))) as service:
            with ThreadPoolExecutor(SPARE) as pool:
                for reply in pool.map(lambda _: service.ask("/classify", b"stuck" + wav()), range(SPARE)):
                    is_failure(reply, 504)
            until(lambda: service.ask("/classify", wav()).status == 200)
            release.set()
    finally:
        release.set()


# Bodies


def test_a_body_that_hardly_comes_is_refused(model, monkeypatch):
    monkeypatch.setattr(bodies, "PACE", 0.3)
    with running(create_app(model)) as service:
        assert is_said(raw(service, POST + b"Content-Length: 90000\r\nConnection: close\r\n\r\nRIFF"), 408)
        assert service.ask("/health").json["in_flight"] == 0


def test_the_bytes_of_all_bodies_together_are_bounded(model, monkeypatch):
    monkeypatch.setattr(bodies, "FREE_BYTES", 60_000)
    monkeypatch.setattr(bodies, "PROTECTED", 3600.0)
    monkeypatch.setattr(bodies, "PACE", 3600.0)
    limits = Limits(body=100_000, held=150_000)
    with running(create_app(model, limits=limits)) as service:
        half = POST + b"Content-Length: 90000\r\n\r\n" + bytes(80_000)
        with connected(service, half):
            until(lambda: service.ask("/health").json["held"] == 80_000)
            refused = service.ask("/classify", bytes(90_000))
            is_failure(refused, 503)
            assert refused.headers["retry-after"] == "1"
            assert service.ask("/classify", wav()).status == 200
        until(lambda: service.ask("/health").json["held"] == 0)


LIMITS = {"places": Limits(queue=2, timeout=600), "bytes": Limits(body=100_000, held=150_000, timeout=600)}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_the_slowest_body_gives_way(model, monkeypatch, limits):
    monkeypatch.setattr(bodies, "FREE_BYTES", 0)
    monkeypatch.setattr(bodies, "PROTECTED", 0.0)
    monkeypatch.setattr(bodies, "PACE", 3600.0)
    with running(create_app(model, limits=limits)) as service, ExitStack() as stack:
        beginning = POST + b"Content-Length: 98000\r\nConnection: close\r\n\r\n"
        slowest = stack.enter_context(connected(service, beginning + bytes(50_000)))
        until(lambda: service.ask("/health").json["held"] == 50_000)
        stack.enter_context(connected(service, beginning + bytes(95_000)))
        until(lambda: service.ask("/health").json["held"] == 145_000)
        assert service.ask("/classify", wav(1.0)).status == 200
        assert is_said(said(slowest), 503)


def test_an_upload_has_no_place_before_its_beginning():
    upload = Upload(b"abc")
    assert (upload.seek(2), upload.seek(-5), upload.seek(-9, io.SEEK_END), upload.seek(-1, io.SEEK_END)) == (2, 0, 0, 2)


def test_bytes_are_dropped_at_once():
    async def receive():
        arrival = bodies.Arrival(asyncio.get_running_loop(), Upload())
        arrival.upload.write(bytes(1000))
        bodies.Bodies(Limits()).release(arrival)
        return arrival.upload.getbuffer().nbytes

    assert asyncio.run(receive()) == 0


def test_nothing_is_held_after_good_and_bad_requests(model):
    with running(create_app(model, limits=Limits(body=50_000))) as service:
        for body in (wav(), b"no audio", bytes(60_000), iter([bytes(30_000)] * 3)):
            service.ask("/classify", body)
        health = service.ask("/health").json
        assert (health["held"], health["in_flight"]) == (0, 0)


# Odd requests


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://localhost:99999999"}, 403),
        ({"Origin": b"\xff\xfe"}, 403),
        ({"Origin": ""}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "localhost:99999999"}, 200),
        ({"Host": b"\xff"}, 403),
        ({"Host": ""}, 403),
        ({"Content-Type": b"\xff/\xfe"}, 415),
    ],
)
def test_odd_headers_are_told_in_three_parts(service, headers, status):
    reply = service.ask("/classify", wav(), headers)
    assert reply.status == status
    if status != 200:
        is_failure(reply, status)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        POST + b"Host: other\r\n\r\n",
        POST + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    ],
)
def test_what_is_no_http_is_told_in_three_parts(service, data):
    assert is_said(raw(service, data + b"\r\n"), 400)


text = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
odd = st.one_of(
    text,
    st.sampled_from(
        ["http://[::1", "http://[::1]:1", "//[", "null", "http://localhost:x", "[", "]", "@", "localhost:-1"]
    ),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    headers=st.dictionaries(st.sampled_from(["Origin", "Host", "Content-Type", "Accept", "Expect", "Range"]), odd),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    path=st.sampled_from(
        ["/classify", "/timeline", "/attention", "/health", "/nothing", "//[::1", "/classify/", "/%FF"]
    ),
    method=st.sampled_from(["POST", "GET", "HEAD", "OPTIONS", "PUT"]),
)
def test_whatever_is_asked_is_answered_in_json(service, headers, query, path, method):
    body = wav(0.2) if method == "POST" else None
    lines = {name: value.strip().encode("latin-1") for name, value in headers.items()}
    reply = service.ask(f"{path}?{query}", body, lines, method)
    assert reply.status in (200, 400, 403, 404, 405, 415, 422), reply
    if reply.status != 200 and method != "HEAD":
        is_failure(reply, reply.status)


def test_what_is_not_finite_is_told_in_three_parts():
    class Broken(EmotionClassifier):
        def _judge(self, waves, texts=None):
            return [one._replace(probability=float("nan")) for one in super()._judge(waves)]

    with running(create_app(Broken(random_modules(), CLASSES))) as service:
        reply = service.ask("/classify", wav())
        is_failure(reply, 422)
        assert "NaN or infinity" in reply.json["got"]


def test_a_fault_of_our_own_is_told_in_three_parts(caplog):
    class Broken(EmotionClassifier):
        def _judge(self, waves, texts=None):
            raise RuntimeError("broken")

    with running(create_app(Broken(random_modules(), CLASSES))) as service:
        is_failure(service.ask("/classify", wav()), 500)
        assert service.ask("/health").status == 200


# Starting


def test_a_port_that_is_taken_is_told():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(SerError, match=f"got: 127.0.0.1, port {port}: .*; remedy: .*--port"),
            listening("127.0.0.1", port),
        ):
            pass
    with pytest.raises(SerError, match="expected: an address of this machine"), listening("256.256.256.256", 80):
        pass
    with listening("localhost", 0) as sockets:
        assert sockets


def test_refusals_survive_pickling():
    import pickle

    refusal = pickle.loads(pickle.dumps(Refusal(503, got="a", expected="b", remedy="c")))
    assert (refusal.status, refusal.got) == (503, "a")
