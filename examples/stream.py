"""Send a recording to `ser serve` as a microphone would, and print the answers as they come.

> python stream.py FILE.wav [HOST:PORT]        needs pip install soundfile websockets
"""

import json
import sys
import threading
import time

import soundfile
from websockets.sync.client import connect


def send(socket, wave, rate, pace=0.1):
    """The samples in pieces of 0.1 s, one every ``pace`` s, then the word that this was all."""
    for begin in range(0, len(wave), rate // 10):
        socket.send(wave[begin : begin + rate // 10].tobytes())
        time.sleep(pace)
    socket.send(json.dumps({"event": "end"}))


wave, rate = soundfile.read(sys.argv[1], dtype="int16", always_2d=True)
address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:8000"
with connect(f"ws://{address}/stream?encoding=s16le&rate={rate}&window=3&hop=1") as socket:
    threading.Thread(target=send, args=(socket, wave[:, 0], rate), daemon=True).start()
    for message in socket:
        print(json.dumps(json.loads(message)))
