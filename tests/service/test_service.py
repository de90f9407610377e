"""The service: every reply is its request's, bad bodies and floods are told so, and a stop loses nothing."""

import asyncio
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import torch
from fake_run import CLASSES, random_modules, tone, write_run, write_wav
from serving_http import Running, is_failure, running, until, wav

from ser_plugins.classifier import ClassifierHead, RegressionHead
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier, SentimentRegressor
from ser_plugins.inference.quality import check_recording
from ser_plugins.service import requests as tasks
from ser_plugins.service.app import create_app
from ser_plugins.service.microbatch import Batcher
from ser_plugins.service.uploads import Limits
from ser_plugins.subwords import SubwordEncoder
from ser_plugins.text import Fusion


@pytest.fixture(scope="module")
def model():
    return EmotionClassifier(random_modules(), CLASSES)


@pytest.fixture(scope="module")
def service(model):
    with running(create_app(model, limits=Limits(body=200_000, audio=3.0), card="# A card")) as found:
        yield found


class Slow(EmotionClassifier):
    """Waits for ``gate`` before it judges."""

    def __init__(self):
        super().__init__(random_modules(), CLASSES)
        self.gate = threading.Event()
        self.sizes = []

    def _judge(self, waves, texts=None):
        self.sizes.append(len(waves))
        self.gate.wait(120)
        return super()._judge(waves, texts)


def test_a_text_is_read_by_a_model_that_reads_and_refused_by_one_that_hears_alone(service, tmp_path):
    kind = {"Content-Type": "audio/wav"}
    refused = service.ask("/classify?text=good", wav(0.7), kind)
    assert is_failure(refused, 422)
    assert "hears alone" in refused.json["got"]
    modules = random_modules()
    torch.manual_seed(0)
    modules["embedding_model"] = Fusion(hidden_size=8, heads=2, vocabulary=40, piece_size=8, text_hidden_size=8)
    modules["subwords"] = SubwordEncoder(40).fit(["good morning", "good evening"])
    modules["classifier"] = ClassifierHead(modules["embedding_model"].output_size, classes=7)
    reads = EmotionClassifier(modules, CLASSES)
    path = write_wav(tmp_path / "a.wav", tone(0.7), 16000)
    with running(create_app(reads)) as found:
        for address, text in (("/classify?text=good%20evening", "good evening"), ("/classify", None)):
            reply = found.ask(address, path.read_bytes(), kind).json
            assert reply["probabilities"] == pytest.approx(reads.predict_file(path, text).probabilities, abs=1e-5)
        assert is_failure(found.ask(f"/classify?text={2400 * 'n%20'}", wav(0.7), kind), 422)


def test_a_reply_is_what_the_file_gives(service, model, tmp_path):
    reply = service.ask("/classify", wav(0.7, rate=44100), {"Content-Type": "audio/wav"})
    path = write_wav(tmp_path / "a.wav", tone(0.7, 44100), 44100)
    expected = model.predict_file(path)
    assert reply.status == 200
    assert reply.json["label"] == expected.label
    assert reply.json["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert reply.json["duration"] == pytest.approx(0.7, abs=1e-3)
    # A tone has no highs, which is a finding; those of ser check are what every reply carries.
    assert reply.json["warnings"] == [str(finding) for finding in check_recording(path, model).findings]
    assert any("0.30 s long" in warning for warning in service.ask("/classify", wav(0.3)).json["warnings"])
    assert not any("s long" in warning for warning in reply.json["warnings"])


def test_the_timeline_is_that_of_classify_windows(service, model, tmp_path):
    rows = service.ask("/timeline?window=0.5&hop=0.25", wav(1.2)).json["windows"]
    path = write_wav(tmp_path / "a.wav", tone(1.2))
    expected = [row._asdict() for row in model.classify_windows(path, window=0.5, hop=0.25)]
    assert [row.pop("probabilities") for row in rows] == [pytest.approx(row.pop("probabilities")) for row in expected]
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    is_failure(service.ask("/timeline?window=much", wav()), 422)
    is_failure(service.ask("/timeline?window=0.001", wav()), 422)


def test_attention_is_relative_to_uniform(service):
    weights = np.array(service.ask("/attention", wav(1.0)).json["weights"])
    assert weights.shape[0] == weights.shape[1] <= 128
    np.testing.assert_allclose(weights.mean(axis=1), 1.0, atol=2e-3)


def test_a_model_of_sentiment_is_served_likewise():
    modules = random_modules()
    modules["classifier"] = RegressionHead(16)
    with running(create_app(SentimentRegressor(modules, "mosi"))) as service:
        assert {"score", "polarity", "duration"} <= set(service.ask("/classify", wav()).json)


def test_every_reply_belongs_to_its_request(service, model):
    """32 clients at once, good and bad bodies mixed: nothing is lost, and no reply is another's."""
    pitches = [90.0 + 7 * place for place in range(48)]
    bodies = [wav(0.3 + 0.01 * place, pitch) for place, pitch in enumerate(pitches)]
    bad = {
        5: b"no audio",
        11: b"",
        17: bodies[17][:2000],
        23: bytes(300_000),
        29: wav(0.01),
        31: wav(wave=[0.0] * 9000),
    }

    def ask(place):
        return service.ask("/classify", bad.get(place, bodies[place]))

    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(ask, range(48)))
    for place, reply in enumerate(replies):
        if place in bad:
            is_failure(reply, 413 if place == 23 else 422)
            continue
        seconds = 0.3 + 0.01 * place
        wave, _ = soundfile.read(io.BytesIO(bodies[place]), dtype="float32")
        expected = model.classify_batch(wave).probabilities[0]
        found = torch.tensor(list(reply.json["probabilities"].values()))
        assert reply.json["duration"] == pytest.approx(seconds, abs=1e-4)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_requests_that_wait_are_judged_together_and_the_full_queue_is_told(monkeypatch):
    model, batchers = Slow(), []
    monkeypatch.setattr(tasks, "Batcher", lambda *arguments: batchers.append(Batcher(*arguments)) or batchers[0])
    with running(create_app(model, limits=Limits(queue=5, batch=4))) as service, ThreadPoolExecutor(5) as pool:
        first = pool.submit(service.ask, "/classify", wav())
        until(lambda: model.sizes == [1])
        others = [pool.submit(service.ask, "/classify", wav(pitch=200 + place)) for place in range(4)]
        until(lambda: service.ask("/health").json["in_flight"] == 5)
        refused = service.ask("/classify", wav())
        is_failure(refused, 429)
        assert refused.headers["retry-after"] == "1"
        until(lambda: len(batchers[0].items) == 4)
        model.gate.set()
        assert [reply.result().status for reply in (first, *others)] == [200] * 5
        assert model.sizes == [1, 4]
        assert service.ask("/health").json["in_flight"] == 0


def test_what_takes_too_long_is_told_and_leaves_no_trace():
    model = Slow()
    with running(create_app(model, limits=Limits(timeout=0.5))) as service:
        is_failure(service.ask("/classify", wav()), 504)
        with socket.create_connection(("127.0.0.1", service.port)) as slow:
            slow.sendall(b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nRIFF")
            assert b"408" in slow.recv(100)
        model.gate.set()
        until(lambda: service.ask("/classify", wav()).status == 200)
        assert service.ask("/health").json["in_flight"] == 0


def test_a_stop_answers_what_was_accepted():
    model = Slow()
    with running(create_app(model)) as service, ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(service.ask, "/classify", wav(pitch=100 + place)) for place in range(8)]
        until(lambda: service.ask("/health").json["in_flight"] == 8)
        threading.Timer(0.3, model.gate.set).start()
        service.stop()
        assert [reply.result().status for reply in replies] == [200] * 8
        with pytest.raises(ConnectionRefusedError):
            service.ask("/health")


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415, "audio/wav"),
        (b"no audio", {}, 422, "libsndfile"),
        (bytes(200_001), {}, 413, "200,000"),
        (wav(3.5), {}, 422, "at most 3 s"),
        (wav(0.01), {}, 422, "at least"),
        (wav(rate=7_000_001, seconds=0.001), {}, 422, "usual sample rate"),
        (wav(), {"Host": "evil.example"}, 403, "localhost"),
        (wav(), {"Origin": "http://evil.example"}, 403, "own page"),
        (wav(), {"Origin": "null"}, 403, "own page"),
    ],
    ids=["json", "garbage", "large", "long", "short", "rate", "rebinding", "origin", "null origin"],
)
def test_a_bad_request_is_told_in_three_parts(service, body, headers, status, said):
    reply = service.ask("/classify", body, headers)
    is_failure(reply, status)
    assert said in " ".join(reply.json.values())


def test_a_body_without_a_length_is_bounded_too(service):
    reply = service.ask("/classify", iter([bytes(100_000)] * 3))
    is_failure(reply, 413)


def test_other_paths_health_docs_and_the_card(service):
    is_failure(service.ask("/nothing"), 404)
    is_failure(service.ask("/classify"), 405)
    assert service.ask("/health").json["status"] == "ok"
    assert service.ask("/model").json["card"] == "# A card"
    assert service.ask("/model").json["strangers"] == ""  # of a model in memory nothing is known
    docs = service.ask("/docs").json.decode()
    assert "POST /classify" in docs
    assert "WS /stream" in docs
    assert not re.search(r"<script|https?://|//cdn", docs)  # it must show without a network
    assert set(service.ask("/openapi.json").json["paths"]["/classify"]["post"]["responses"]) >= {"413", "422", "429"}


def test_nothing_is_stored(service):
    """No file is opened for writing by anything that a request sets off."""
    opened, watching = [], [True]  # a hook cannot be taken off again

    def watch(event, given):
        if watching and event == "open" and _writes(*given[1:]):
            opened.append(given)

    sys.addaudithook(watch)
    for path in ("/classify", "/timeline", "/attention"):
        assert service.ask(path, wav()).status == 200
        service.ask(path, b"bad")
    watching.clear()
    assert opened == []


def _writes(mode, flags):
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or any(letter in (mode or "") for letter in "wax+")


def test_batches_are_bounded_in_number_and_padding_and_errors_reach_all():
    seen = []

    def judge(batch):
        seen.append(batch)
        if 13 in batch:
            raise ValueError("unlucky")
        return batch

    async def submit(*items):
        batcher = Batcher(judge, 3, length=lambda item: item, most=12)
        return await asyncio.gather(*map(batcher.submit, items), return_exceptions=True)

    assert asyncio.run(submit(1, 1, 1, 1, 5, 4, 50)) == [1, 1, 1, 1, 5, 4, 50]
    assert seen == [[1, 1, 1], [50], [1, 5], [4]]  # what is long has its own turn
    assert [type(outcome) for outcome in asyncio.run(submit(13, 2))] == [ValueError, int]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a program could catch")
def test_the_command_serves_and_stops_at_sigterm(tmp_path):
    export_model(write_run(tmp_path / "loso"), tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from ser_plugins.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--model", tmp_path / "model", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        service = Running(None, None, port)
        assert process.stdout.readline().startswith(f"http://127.0.0.1:{port}/")
        end = time.monotonic() + 120
        while time.monotonic() < end and process.poll() is None:
            try:
                reply = service.ask("/classify", wav())
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        assert reply.status == 200
        assert "bigru_mha" in service.ask("/model").json["card"]
        assert service.ask("/model").json["strangers"] == "not measured on strangers"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    assert err == ""
