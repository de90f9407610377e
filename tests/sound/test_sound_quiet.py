"""What libmpg123 prints stays off the terminal, and what anybody else prints meanwhile arrives."""

import io
import os
import threading

import numpy as np
import soundfile

from ser_plugins.errors import AudioError
from ser_plugins.sound.quiet import quiet_decoder
from ser_plugins.sound.read import read_blocks


def noisy_mp3():
    """An MP3 of whole frames, in which the sound of many is garbled: libmpg123 has something to say."""
    wave = np.random.default_rng(0).normal(0, 0.1, 48000)
    file = io.BytesIO()
    soundfile.write(file, wave, 16000, format="MP3")
    content = bytearray(file.getvalue())
    rng = np.random.default_rng(1)
    for place in range(600, len(content) - 40, 97):
        if not any(byte == 0xFF for byte in content[place - 4 : place + 8]):  # no header
            content[place : place + 3] = rng.integers(1, 255, 3, dtype=np.uint8).tobytes()
    return bytes(content)


def read(content):
    try:
        return np.concatenate(list(read_blocks(io.BytesIO(content), seconds=0.1)[1]))
    except AudioError as error:
        return str(error)


def test_the_decoder_is_quiet(capfd):
    content = noisy_mp3()
    soundfile.read(io.BytesIO(content))
    assert "libmpg123" in capfd.readouterr().err  # else this tests nothing
    assert len(read(content)) > 0
    assert capfd.readouterr().err == ""


def test_others_are_heard_while_many_threads_decode(capfd):
    content, lines = noisy_mp3(), 200
    ready = threading.Barrier(4)

    def decode():
        ready.wait()
        for _ in range(3):
            read(content)

    def speak():
        ready.wait()
        for number in range(lines):
            os.write(2, f"line {number}\n".encode())

    threads = [threading.Thread(target=decode) for _ in range(3)] + [threading.Thread(target=speak)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = capfd.readouterr().err.splitlines()
    assert sorted(said) == sorted(f"line {number}" for number in range(lines))


def test_an_error_within_leaves_standard_error_as_it_was(capfd):
    try:
        with quiet_decoder():
            os.write(2, b"Traceback\n[src/libmpg123/x.c] error\n")
            raise KeyError
    except KeyError:
        pass
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "Traceback\nafter\n"
