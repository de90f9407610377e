"""The service under load on loopback: 64 clients at once, bad bodies mixed in, every reply held against its request.

> python benchmarks/service.py

`ser serve` runs in a process of its own with a model of random weights; the clients share the machine with it. Every
client asks a fixed number of times, one request after the other on one connection. A reply that is lost, refused or
another request's ends the benchmark with an error. The recordings are noise, so the service is told to judge any sound.
"""

import http.client
import io
import json
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import Report, parser, significant, table, target
from models import write_model

from ser_plugins.errors import SerError

RATE, CLIENTS, BAD_EVERY, RECORDINGS = 16000, 64, 16, 32
TOLERANCE = 1e-4  # of probabilities, between alone and in a batch; those of different recordings are further apart


def main():
    """Measure, write ``service.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    report = Report("service", "Service", options, f"{RECORDINGS} synthetic wavs of 1 to 3 s")
    requests = 4 if options.quick else 32
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_model(Path(temporary) / "model")
        questions = make_questions(folder)
        port, process = start(folder)
        try:
            load(port, 1, 4, questions)  # warm
            alone = load(port, 1, 8 * requests, questions)
            together = load(port, CLIENTS, requests, questions)
        finally:
            process.terminate()
            process.wait(30)
    report.tables.append(load_table({1: alone, CLIENTS: together}))
    name = f"{CLIENTS} clients at once: time per request, of that of one client alone"
    per_request = [seconds / len(found) for seconds, found in (together, alone)]
    report.targets.append(target(name, 1.0, per_request[0] / per_request[1], "", "Batches must not cost throughput."))
    report.write()


def make_questions(folder) -> list:
    """Bodies of a request with what must come back: duration and probabilities, or None for a bad one."""
    import numpy as np
    import soundfile

    from ser_plugins.inference import open_model

    model, generator, questions = open_model(folder, "cpu"), np.random.default_rng(0), []
    for place in range(RECORDINGS):
        samples = RATE + round(2 * RATE * place / RECORDINGS)
        body = io.BytesIO()
        wave = generator.normal(0, 0.1, samples) * np.sin(np.arange(samples) * (0.001 + 0.01 * place))
        soundfile.write(body, wave, RATE, format="WAV")
        exact, _ = soundfile.read(io.BytesIO(body.getvalue()), dtype="float32")
        answer = (samples / RATE, model.classify_batch(exact).probabilities[0].tolist())
        questions.append((body.getvalue(), answer))
    bad = [b"", b"no audio", questions[0][0][:1000], b"RIFF" + bytes(1000)]
    for place, body in enumerate(bad):
        questions.insert((place + 1) * BAD_EVERY // 2, (body, None))
    return questions


def start(folder):
    """A service in a process of its own, once it answers: its port, and the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from ser_plugins.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--any-sound", "--model", str(folder), "--port", str(port)]
    process = subprocess.Popen(command)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return port, process
        except ConnectionRefusedError:
            time.sleep(0.05)
    process.kill()
    raise SerError(got="a service that does not start", expected="one", remedy="ser serve says why")


def load(port, clients, requests, questions):
    """Wall time of it all in s, and of every request."""

    def client(number):
        connection, seconds = http.client.HTTPConnection("127.0.0.1", port, timeout=120), []
        for turn in range(requests):
            body, answer = questions[(number + turn) % len(questions)]
            begin = time.perf_counter()
            connection.request("POST", "/classify", body, {"Content-Type": "audio/wav"})
            reply = connection.getresponse()
            content = json.loads(reply.read())
            seconds.append(time.perf_counter() - begin)
            check(reply.status, content, answer)
        connection.close()
        return seconds

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        found = [value for seconds in pool.map(client, range(clients)) for value in seconds]
    return time.perf_counter() - begin, found


def check(status, content, answer) -> None:
    """Raise :class:`SerError` for a reply that is not that of its request."""
    right = status == 422 and "remedy" in content
    if answer is not None:
        duration, probabilities = answer
        found = list((content.get("probabilities") or {}).values())
        right = status == 200 and abs(content["duration"] - duration) < 1e-3 and len(found) == len(probabilities)
        right = right and all(abs(one - other) < TOLERANCE for one, other in zip(found, probabilities, strict=True))
    if not right:
        raise SerError(got=f"{status}: {content}", expected=f"the reply {answer}", remedy="mend the service")


def load_table(loads) -> dict:
    """Throughput and latency."""
    rows = []
    for clients, (wall, seconds) in loads.items():
        ordered = sorted(seconds)
        row = {
            "clients at once": clients,
            "requests": len(seconds),
            "lost or mixed-up": 0,  # else there would be no table
            "requests per second": significant(len(seconds) / wall),
        }
        for percent in (50, 95, 99):
            value = ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
            row[f"p{percent} / ms"] = significant(1000 * value)
        rows.append(row)
    note = "One request in nine is bad (empty, cut short, no audio) and gets its 422."
    return table("service", "POST /classify on loopback, wavs of 1 to 3 s", rows, note)


if __name__ == "__main__":
    main()
