"""The service under abuse on loopback: each of some ways to starve it, while other clients ask and are timed.

> python benchmarks/service_abuse.py

`ser serve` runs in a process of its own with a model of random weights, the abusers in another, the other clients here;
all share the machine. An abuser that is refused begins again at once. Nothing but loopback is ever asked.
"""

import http.client
import io
import itertools
import logging
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
from harness import Report, parser, percentile_95, significant, table, target
from models import write_model

from ser_plugins.errors import SerError
from ser_plugins.machine import cores, resident_memory

HOST, RATE = "127.0.0.1", 16000
CLIENTS = 4  # others that ask, one request after the other
AFTER = 3.0  # s that memory is given to come back


def main():
    """Measure, write ``service_abuse.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    report = Report("service_abuse", "Service under abuse", options, "synthetic recordings")
    seconds = 3.0 if options.quick else 15.0
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_model(Path(temporary) / "model")
        for name, (kind, abusers) in ABUSES.items():
            rows.append(measured(name, kind, abusers if not options.quick else min(abusers, 600), seconds, folder))
    report.tables.append(abuse_table(rows))
    for row in rows:
        name = row["abuse"]
        report.targets.append(target(f"{name}: p95 of other clients", 1.0, row["others: p95 / s"], "s"))
        if name != "none":
            note = "" if row["first refusal / s"] is not None else f"Nobody was refused: {row['answers to them']}."
            report.targets.append(target(f"{name}: first refusal", 2.0, row["first refusal / s"], "s", note))
            grown = None if row["memory before / MiB"] is None else row["memory after"] / row["memory before / MiB"]
            report.targets.append(target(f"{name}: memory after, over before", 1.25, grown, "x"))
    for row in rows:
        row["memory after / MiB"] = row.pop("memory after")
    report.write()


def measured(name, kind, abusers, seconds, folder) -> dict:
    """One abuse of a fresh service."""
    print(name, flush=True)
    with tempfile.TemporaryFile() as log:
        port, process = start(folder, log)
        try:
            body = recording(2.0)
            for _ in range(20):  # warm
                ask(port, body)
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(lambda _: ask(port, body), range(4 * CLIENTS)))
            before = memory(process.pid)
            watch = Watch(process.pid)
            refusals, others = run_abuse(kind, abusers, seconds, port, body)
            time.sleep(AFTER)
            after, peak = memory(process.pid), watch.stop()
        finally:
            process.terminate()
            process.wait(60)
        size = log.seek(0, io.SEEK_END)
    answers = Counter(str(status) for status, _, _ in refusals)
    refused = [(begin, lasted) for status, begin, lasted in refusals if status not in (200, None)]
    served = [lasted for status, lasted in others if status == 200]
    return {
        "abuse": name,
        "abusers": abusers,
        "answers to them": ", ".join(f"{count} x {status}" for status, count in sorted(answers.items())) or "none",
        "first refusal / s": significant(min(begin + lasted for begin, lasted in refused)) if refused else None,
        "refusals: p95 / s": significant(percentile_95([lasted for _, lasted in refused])) if refused else None,
        "others: requests": len(others),
        "others: refused": len(others) - len(served),
        "others: p50 / s": significant(sorted(served)[len(served) // 2]),
        "others: p95 / s": significant(percentile_95(served)),
        "others: longest / s": significant(max(served)),
        "memory before / MiB": before,
        "memory at most / MiB": peak,
        "memory after": after,
        "log / bytes": size,
    }


def run_abuse(kind, abusers, seconds, port, body):
    """Refusals of the abusers (status, beginning, duration), and answers to the others (status, duration)."""
    context = multiprocessing.get_context("spawn")
    outcome, ready = context.Queue(), context.Event()
    abuse = context.Process(target=abuse_in_process, args=(kind, abusers, seconds, port, outcome, ready))
    abuse.start()
    ready.wait(120)
    end = time.monotonic() + seconds

    def client(_):
        answers = []
        while time.monotonic() < end:
            begin = time.perf_counter()
            status = ask(port, body)
            answers.append((status, time.perf_counter() - begin))
            if len(answers) % 5 == 0:
                begin = time.perf_counter()
                status = ask(port, None)
                answers.append((status, time.perf_counter() - begin))
        return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        others = [answer for answers in pool.map(client, range(CLIENTS)) for answer in answers]
    refusals = outcome.get(timeout=120)
    abuse.join(60)
    return refusals, others


def abuse_in_process(kind, abusers, seconds, port, outcome, ready):
    """Prepare, then abuse for so long."""
    client = globals()[kind](port)
    ready.set()
    start_at, end = time.monotonic(), time.monotonic() + seconds
    if kind == "half_open":
        outcome.put(client(abusers, start_at, end))
        return

    def loop(number):
        found = []
        while time.monotonic() < end:
            begin = time.monotonic()
            try:
                status = client(number, end)
            except (OSError, http.client.HTTPException):  # closed on the way: too late to be told
                status = None
            found.append((status, begin - start_at, time.monotonic() - begin))
        return found

    with ThreadPoolExecutor(max(1, abusers)) as pool:
        outcome.put([one for found in pool.map(loop, range(abusers)) for one in found])


def nothing(_):
    """No abuse: what the others' times are without."""
    return lambda number, end: None


def half_open(port):
    """Connections whose headers never end; those that are closed are opened again."""

    def hold(count, start_at, end):
        found, connections = [], {}
        while time.monotonic() < end:
            for _ in range(min(50, count - len(connections))):
                try:
                    connection = socket.create_connection((HOST, port), timeout=5)
                    connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
                    connection.setblocking(False)
                    connections[connection] = time.monotonic()
                except OSError:
                    break
            for connection, begin in list(connections.items()):
                try:
                    data = connection.recv(4096)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                status = int(data.split()[1]) if data else None
                found.append((status, begin - start_at, time.monotonic() - begin))
                connection.close()
                del connections[connection]
            time.sleep(0.02)
        for connection in connections:
            connection.close()
        return found

    return hold


def many_windows(port):
    """A minute of audio, a window every tenth of a second."""
    body = recording(60.0)
    return lambda number, end: ask(port, body, "/timeline?hop=0.1")


def long_recordings(port):
    """A minute of audio, which is allowed: too many of them at once."""
    body = recording(60.0)
    paths = itertools.cycle(["/classify", "/timeline?hop=0.5", "/attention"])
    return lambda number, end: ask(port, body, next(paths))


def costly_decoding(port):
    """Much to decode in few bytes: channels, rates, and headers by the thousand."""
    bodies = [
        recording(2.0, 8, 655_350, "FLAC"),
        recording(28.0, 8, 96_000, "FLAC"),
        recording(60.0, 2, 48_000, "FLAC"),
        recording(50.0, 1, 15_991),
        (b"\xff\xe3\x18\xc0" + bytes(68)) * (15 * 2**20 // 72),
        (b"\xff\xe3\x18\xc0" + bytes(68)) * (2**20 // 72),
    ]
    return lambda number, end: ask(port, bodies[number % len(bodies)])


def slow_bodies(port):
    """16 MB are announced, 2 come at once, and then a few bytes each second."""
    first = bytes(2 * 2**20)

    def client(number, end):
        with socket.create_connection((HOST, port), timeout=60) as connection:
            connection.sendall(b"POST /classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16000000\r\n\r\n")
            connection.sendall(first)
            connection.settimeout(0.5)
            while time.monotonic() < end:
                try:
                    data = connection.recv(4096)
                    return int(data.split()[1]) if data else None
                except TimeoutError:
                    connection.sendall(b"\0" * 64)
        return None

    return client


def streams(port):
    """Streams that send nothing, too much or no sound: more of them than are taken, and again once they are refused."""
    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.sync.client import connect

    logging.getLogger("websockets").disabled = True  # it writes a traceback for every connection that is cut short
    logging.getLogger("websockets.client").disabled = True
    second = (9000 * np.sin(2 * np.pi * 180 * np.arange(RATE) / RATE)).astype("<i2").tobytes()
    garbage = b"\x1a\x45\xdf\xa3" + np.random.default_rng(0).bytes(2**16)  # begins as WebM does
    kinds = [  # encoding, message, s until the next one
        ("s16le", b"", 0.2),  # never sends
        ("s16le", second, 0.0),  # never ends
        ("s16le", bytes(2**20 + 2), 0.0),  # giant frames, which the service still takes in before it refuses them
        ("s16le", bytes(2**22), 0.0),  # and those that it does not take in
        ("s16le", bytes(2), 0.2),  # a sample at a time
        ("container", garbage, 0.0),
    ]

    def client(number, end):
        encoding, message, pause = kinds[number % len(kinds)]
        address = f"ws://{HOST}:{port}/stream?encoding={encoding}&rate={RATE}&window=3&hop=0.15"
        try:
            with connect(address, open_timeout=60, close_timeout=1) as connection:
                while time.monotonic() < end:
                    if message:
                        connection.send(message)
                    with suppress(TimeoutError):
                        while True:
                            connection.recv(timeout=pause)
        except InvalidStatus as error:
            return error.response.status_code
        except WebSocketException as error:
            closed = getattr(error, "rcvd", None)
            return closed.code if closed else None
        return None

    return client


ABUSES = {
    "none": ("nothing", 0),
    "half-open connections": ("half_open", 1100),
    "windows": ("many_windows", 8),
    "decoding": ("costly_decoding", 12),
    "slow bodies": ("slow_bodies", 100),
    "long recordings": ("long_recordings", 16),
    "streams": ("streams", 60),
}


def ask(port, body, path="/classify") -> int:
    """The status of one request on a connection of its own; without a body, of ``/health``."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("GET" if body is None else "POST", "/health" if body is None else path, body)
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


def recording(seconds, channels=1, rate=RATE, kind="WAV") -> bytes:
    """A tone, which is compressed to little where the format compresses."""
    import soundfile

    body = io.BytesIO()
    second = 0.3 * np.sin(2 * np.pi * 180 * np.arange(rate) / rate)
    with soundfile.SoundFile(body, "w", rate, channels, format=kind, subtype="PCM_16") as file:
        for begin in range(0, round(seconds * rate), rate):
            piece = second[: round(seconds * rate) - begin]
            file.write(np.repeat(piece[:, None], channels, axis=1))
    return body.getvalue()


def start(folder, log):
    """A service in a process of its own, once it answers: its port, and the process."""
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    code = "from ser_plugins.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--model", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            ask(port, None)
            return port, process
        except ConnectionRefusedError:
            time.sleep(0.05)
    process.kill()
    raise SerError(got="a service that does not start", expected="one", remedy="ser serve says why")


def memory(process) -> float | None:
    """Resident memory in MiB."""
    size = resident_memory(process)
    return None if size is None else significant(size)


class Watch:
    """The highest resident memory of a process from now on."""

    def __init__(self, pid):
        self.pid, self.most, self.ended = pid, memory(pid), threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()

    def _look(self):
        while self.most is not None and not self.ended.wait(0.05):
            self.most = max(self.most, memory(self.pid) or 0)

    def stop(self) -> float | None:
        """End, and say how much it was."""
        self.ended.set()
        self.thread.join()
        return self.most


def abuse_table(rows) -> dict:
    """What happened to abusers, others and memory."""
    note = (
        "Answers: HTTP status; of streams, how they were closed (RFC 6455: 1008 refused, 1009 too large, 1013 full). "
        f"Others: {CLIENTS} clients that send 2 s to /classify again and again, and every fifth time ask /health. "
        f"Abusers begin again when they are refused. All share {cores()} cores. Memory is resident, 'after' 3 s later."
    )
    return table("service_abuse", "Five starvations, and too many long recordings", rows, note)


if __name__ == "__main__":
    main()
