"""How soon `WS /stream` answers: from the last sample of a window, sent, to its answer, received; on loopback.

> python benchmarks/stream.py

`ser serve` runs in a process of its own, with one thread, and shares the machine with the client, which sends samples
(16-bit, 16 kHz) in messages of 0.1 s, the ten of a hop at once and the next ten once the answer is there.
"""

import json
import os
import tempfile
import time
from pathlib import Path

from harness import THREADS, Report, parser, percentile_95, significant, spread, table, target
from service import start

RATE, PIECE = 16000, 1600  # Hz; samples of a message
WINDOW, HOP = 3.0, 1.0  # s, the defaults
MODELS = ("standard", "fast")


def main():
    """Measure, write ``stream.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    report = Report("stream", "Streams", options, "one synthetic voice")
    os.environ.update(dict.fromkeys(THREADS, "1"))
    answers = 5 if options.quick else 200
    with tempfile.TemporaryDirectory() as temporary:
        sound = voice(Path(temporary), WINDOW + answers * HOP)
        seconds = {name: latencies(name, sound) for name in MODELS}
    rows = [
        {
            "model": name,
            "answers": len(values),
            "latency / ms": spread(values, 1000),
            "95th percentile / ms": significant(1000 * percentile_95(values)),
        }
        for name, values in seconds.items()
    ]
    title = f"From the last sample of a window to its answer: windows of {WINDOW:g} s every {HOP:g} s, one stream"
    report.tables.append(table("stream", title, rows, "The first window, which warms the model, is left out."))
    report.targets.append(
        target("95th percentile of the model standard, of a hop", 1.0, percentile_95(seconds["standard"]) / HOP, "")
    )
    report.write()


def voice(folder, seconds) -> bytes:
    """So many s of a voice of the synthetic corpus, over and over."""
    import numpy as np

    from ser_plugins.corpora.toy.emodb import write_toy_emodb
    from ser_plugins.sound.read import read_wave

    root = write_toy_emodb(folder / "emodb", speakers=3, sentences=1, syllables=2)
    waves = [read_wave(path)[0] for path in sorted(root.glob("wav/*.wav"))]
    wave = np.resize(np.concatenate(waves), round(seconds * RATE))
    return (wave * 32767).astype("<i2").tobytes()


def latencies(name, sound) -> list:
    """Seconds from the last message of a hop to the answer, of every window but the first."""
    from websockets.sync.client import connect

    port, process = start(name)
    try:
        with connect(f"ws://127.0.0.1:{port}/stream?rate={RATE}&window={WINDOW}&hop={HOP}") as socket:
            expect(socket, "ready")
            messages = [sound[begin : begin + 2 * PIECE] for begin in range(0, len(sound), 2 * PIECE)]
            first, hop = round(WINDOW * RATE / PIECE), round(HOP * RATE / PIECE)
            measured = []
            for begin in (0, *range(first, len(messages), hop)):
                for message in messages[begin : begin + hop] if begin else messages[:first]:
                    socket.send(message)
                sent = time.perf_counter()
                window = expect(socket, "window")
                measured.append(time.perf_counter() - sent)
                assert window["label"] is not None, "a silent window is not judged"
            socket.send(json.dumps({"event": "end"}))
            expect(socket, "end")
    finally:
        process.terminate()
        process.wait(30)
    return measured[1:]


def expect(socket, event) -> dict:
    """The next message, which has to be of this kind."""
    message = json.loads(socket.recv(60))
    assert message["event"] == event, message
    return message


if __name__ == "__main__":
    main()
