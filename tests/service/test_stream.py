"""WS /stream: what `model.stream` gives, for bare samples and for containers; faults are told; nothing stays open."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from fake_run import CLASSES, random_modules, tone
from serving_http import running, until, wav
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from ser_plugins.inference import EmotionClassifier
from ser_plugins.service.app import create_app
from ser_plugins.service.streams import Session
from ser_plugins.service.uploads import Limits
from ser_plugins.sound.ffmpeg import find_ffmpeg

END = json.dumps({"event": "end"})
WAVE = tone(1.3, 8000)
PCM = (WAVE * 32767).astype("<i2")
NODE = ["node", "--experimental-websocket"]  # an option of node 20 and 21; later ones take it and need it not


def has_websocket():
    command = [*NODE, "-e", "process.exit(typeof WebSocket === 'function' ? 0 : 1)"]
    return bool(shutil.which("node")) and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def model():
    return EmotionClassifier(random_modules(), CLASSES)


@pytest.fixture(scope="module")
def service(model):
    limits = Limits(streams=2, stream=20.0, frame=50_000)
    with running(create_app(model, limits=limits), limits) as found:
        yield found


def opened(service, query="rate=8000&window=0.5&hop=0.25", **options):
    return connect(f"ws://127.0.0.1:{service.port}/stream?{query}", **options)


def events(client):
    """All that is said, and how it was closed."""
    found = []
    try:
        while True:
            found.append(json.loads(client.recv(60)))
    except ConnectionClosed as closed:
        return found, closed.rcvd.code


def streamed(service, messages, query="rate=8000&window=0.5&hop=0.25"):
    with opened(service, query) as client:
        try:
            for message in messages:
                client.send(message)
        except ConnectionClosed:
            pass
        return events(client)


def in_pieces(content, size):
    return [content[begin : begin + size] for begin in range(0, len(content), size)]


@pytest.mark.parametrize("encoding", ["s16le", "f32le"])
def test_what_is_streamed_is_what_the_stream_of_the_model_gives(service, model, encoding):
    wave = PCM if encoding == "s16le" else WAVE.astype("<f4")
    query = f"encoding={encoding}&rate=8000&window=0.5&hop=0.25"
    (ready, *rows, end), code = streamed(service, [*in_pieces(wave.tobytes(), 1000), END], query)
    assert ready == {"event": "ready", "labels": list(CLASSES), "rate": 8000, "window": 0.5, "hop": 0.25}
    assert (end, code) == ({"event": "end", "duration": 1.3}, 1000)
    stream = model.stream(8000, window=0.5, hop=0.25)
    exact = PCM.astype(np.float32) / 32768 if encoding == "s16le" else WAVE.astype(np.float32)
    expected = [window._asdict() for window in stream.feed(exact) + stream.close()]
    assert len(rows) == len(expected) >= 4
    for row, one in zip(rows, expected, strict=True):
        assert row.pop("event") == "window"
        assert row.pop("probabilities") == pytest.approx(one.pop("probabilities"), abs=1e-5)
        assert row.pop("probability") == pytest.approx(one.pop("probability"), abs=1e-5)
        assert row == one


def test_an_answer_comes_as_soon_as_its_window_is_whole(service):
    with opened(service) as client:
        assert json.loads(client.recv(60))["event"] == "ready"
        client.send(PCM[:4400].tobytes())
        assert json.loads(client.recv(60))["end"] == 0.5
        client.send(PCM[4400:6400].tobytes())
        assert json.loads(client.recv(60))["end"] == 0.75


@pytest.mark.parametrize("kind", ["webm", "ogg", "mp4"])
def test_containers_are_decoded_as_they_come(service, tmp_path, kind):
    source, path = tmp_path / "a.wav", tmp_path / f"a.{kind}"
    source.write_bytes(wav(1.3))
    coding = {"webm": ["libopus", "-live", "1"], "ogg": ["libopus"], "mp4": ["aac", "-movflags", "empty_moov"]}[kind]
    subprocess.run([find_ffmpeg(), "-v", "error", "-i", source, "-c:a", *coding, path], check=True)
    query = "encoding=container&window=0.5&hop=0.25"
    (ready, *rows, end), code = streamed(service, [*in_pieces(path.read_bytes(), 700), END], query)
    assert ready["rate"] is None
    assert [row["start"] for row in rows[:4]] == [0.0, 0.25, 0.5, 0.75]
    assert all(row["label"] for row in rows[:4])
    assert code == 1000
    assert end["duration"] == pytest.approx(1.3, abs=0.2)  # AAC pads
    until(lambda: service.ask("/health").json["streams"] == 0)


@pytest.mark.parametrize(
    ("query", "messages", "code", "said"),
    [
        ("rate=7&window=1&hop=1", [], 1008, "rate"),
        ("rate=190001", [], 1008, "usual sample rate"),
        ("encoding=mp3", [], 1008, "encoding"),
        ("window=5&hop=0.1", [], 1008, "20 hops"),
        ("window=0.001&hop=0.1", [], 1008, "at least"),
        ("", [b"odd"], 1008, "whole samples of 2 bytes"),
        ("encoding=f32le", [np.full(9, np.nan, "<f4").tobytes()], 1008, "NaN"),
        ("encoding=f32le", [np.full(9, 3e4, "<f4").tobytes()], 1008, "full scale"),
        ("", ["stop"], 1008, "got: the message 'stop'"),
        ("", ['{"event": "stop"}'], 1008, "got: the message"),
        ("", [bytes(50_002)], 1009, "at most 50,000"),
        ("", [bytes(50_000)] * 14, 1008, "more than 20 s"),
        ("encoding=container", [b"#EXTM3U\nhttp://other/" + bytes(50)], 1008, "WebM, Ogg"),
        ("encoding=container", [END], 1008, "without a byte"),
        ("encoding=container", [b"\x1a\x45\xdf\xa3" + bytes(500), END], 1008, "ffmpeg says"),
    ],
)
def test_a_fault_is_told_and_closes_the_stream(service, query, messages, code, said):
    found, closed = streamed(service, messages, query)
    assert found[-1]["event"] == "error"
    assert set(found[-1]) == {"event", "error", "got", "expected", "remedy"}
    assert said in found[-1]["error"]
    assert closed == code
    until(lambda: service.ask("/health").json["streams"] == 0)


def test_a_page_of_another_site_gets_no_stream(service):
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            opened(service, origin=origin)
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body)["expected"].startswith("one from the service's own page")
    with opened(service, origin=f"http://127.0.0.1:{service.port}") as client:
        assert json.loads(client.recv(60))["event"] == "ready"


def test_one_stream_too_many_is_told_and_the_next_finds_the_place_of_one_that_went(service):
    with ExitStack() as stack:
        sockets = [stack.enter_context(opened(service)) for _ in range(2)]
        until(lambda: service.ask("/health").json["streams"] == 2)
        found, code = streamed(service, [])
        assert code == 1013
        assert "2 open streams" in found[0]["got"]
        assert service.ask("/classify", wav()).status == 200
        sockets[0].close()
        until(lambda: service.ask("/health").json["streams"] == 1)
        assert streamed(service, [END])[1] == 1000


def test_where_all_places_are_taken_a_client_that_owes_sound_gives_way(model, monkeypatch):
    limits = Limits(streams=1)
    with running(create_app(model, limits=limits), limits) as service, opened(service) as slow:
        slow.send(bytes(2))
        until(lambda: service.ask("/health").json["streams"] == 1)
        monkeypatch.setattr(Session, "owed", property(lambda _: limits.idle + 1))
        assert streamed(service, [PCM.tobytes()[:16000], END])[1] == 1000
        found, code = events(slow)
        assert (code, found[-1]["got"]) == (1013, "31 s without sound, in a full service")


def test_a_client_owes_the_time_that_it_was_waited_for_but_not_that_of_its_sound():
    clock = [0.0]

    class Socket:
        async def receive(self):
            clock[0] += 3.0
            return {"type": "websocket.receive", "bytes": b""}

    async def owed():
        session = Session(SimpleNamespace(limits=Limits()), Socket(), None)
        session.now = lambda: clock[0]
        await session._message()
        session.seconds = 1.0
        clock[0] += 5.0  # in which it is judged
        return session.owed

    assert asyncio.run(owed()) == 2.0


def test_a_client_that_does_not_say_goodbye_gives_way_to_others(model):
    limits = Limits(connections=2)
    with running(create_app(model, limits=limits), limits) as service, ExitStack() as stack:
        key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        for _ in range(6):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), 60))
            client.sendall(f"GET /stream?rate=1 HTTP/1.1\r\nHost: localhost\r\n{key}{22 * 'A'}==\r\n\r\n".encode())
            while (part := client.recv(4096)) and b'"error"' not in part:
                pass
        assert service.ask("/classify", wav()).status == 200


def test_one_that_sends_nothing_is_let_go(model):
    limits = Limits(idle=0.2)
    with running(create_app(model, limits=limits), limits) as service:
        for query in ("rate=8000", "encoding=container"):
            found, code = streamed(service, [], query)
            assert (code, found[-1]["got"]) == (1008, "nothing within 0.2 s")


def test_while_a_stream_is_judged_no_more_of_it_is_taken_and_others_have_their_turn():
    class Slow(EmotionClassifier):
        gate = threading.Event()

        def judge_cuts(self, cuts, name):
            self.gate.wait(120)
            return super().judge_cuts(cuts, name)

    model = Slow(random_modules(), CLASSES)
    with running(create_app(model)) as service, opened(service, "window=1&hop=1") as client:
        sent = []

        def send():
            for _ in range(60):  # more than sockets hold
                client.send(bytes(2**19))
                sent.append(1)
            client.send(END)

        sender = threading.Thread(target=send)
        sender.start()
        until(lambda: sent)
        sender.join(1.0)
        held_back = len(sent)
        model.gate.set()
        found, code = events(client)
        sender.join(60)
        assert held_back < 60
        assert code == 1000
        assert found[-1]["duration"] == pytest.approx(60 * 2**18 / 16000)


def test_the_client_among_the_examples_prints_what_the_service_says(service, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(3.1))
    command = [sys.executable, ROOT / "examples" / "stream.py", path, f"127.0.0.1:{service.port}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [json.loads(line) for line in printed.splitlines()]
    assert [row["event"] for row in rows] == ["ready", "window", "window", "end"]
    assert rows[-1]["duration"] == pytest.approx(3.1)


FAKE_RECORDER = """
const { readFileSync } = require("node:fs");
eval(readFileSync(process.argv[2], "utf8") + "; globalThis.stream = stream;");
const content = readFileSync(process.argv[3]), half = content.length >> 1;
const recorder = {
  state: "inactive",
  start() { this.state = "recording"; this.ondataavailable({ data: content.subarray(0, half) }); },
  stop() { this.state = "inactive"; this.ondataavailable({ data: content.subarray(half) }); this.onstop(); },
};
const show = (start, end, label) => console.log(JSON.stringify({ start, end, label }));
globalThis.stream(recorder, 0.01, show, process.argv[4]).then(
  (duration) => { console.log(JSON.stringify({ duration })); process.exit(0); },
  (error) => { console.log(error.message); process.exit(1); },
);
"""


@pytest.mark.skipif(not has_websocket(), reason="no node with WebSocket")
def test_the_script_for_browsers_streams_what_a_recorder_gives(service, tmp_path):
    """In node, whose WebSocket is that of browsers; the recorder is a fake that gives a WebM file in two pieces."""
    source, path, script = tmp_path / "a.wav", tmp_path / "a.webm", tmp_path / "run.js"
    source.write_bytes(wav(3.1))
    subprocess.run([find_ffmpeg(), "-v", "error", "-i", source, "-c:a", "libopus", path], check=True)
    script.write_text(FAKE_RECORDER, encoding="utf-8")
    command = [*NODE, script, ROOT / "examples" / "stream.js", path, f"127.0.0.1:{service.port}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    first, *_, last = map(json.loads, ran.stdout.splitlines())
    assert (first["start"], first["end"]) == (0.0, 3.0)
    assert first["label"] in CLASSES
    assert last["duration"] == pytest.approx(3.1, abs=0.1)


def test_a_stop_closes_streams(model):
    with running(create_app(model)) as service, opened(service) as client:
        assert json.loads(client.recv(60))["event"] == "ready"
        service.stop()
        assert events(client) == ([], 1012)
