"""Sound as it comes: from a microphone (extra ``mic``), or from a file at the pace of one."""

import queue
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from ser_plugins.errors import SerError
from ser_plugins.sound.read import read_blocks

PIECE = 0.1  # s: what is taken at once
BEHIND = 30.0  # s that may wait; then whoever takes them is too slow
Sound = tuple[int, Iterator[np.ndarray]]  # rate in Hz, and pieces (samples,)


def play(path, in_real_time: bool = True) -> Sound:
    """A file as if it were a microphone: one piece every ``PIECE`` s, or all at once.

    Raises
    ------
    MissingPathError, AudioError
        As :func:`ser_plugins.sound.read.read_blocks`.
    """
    rate, blocks = read_blocks(path, PIECE)
    return rate, _paced(blocks, rate) if in_real_time else blocks


def _paced(blocks, rate):
    begin = time.monotonic()
    samples = 0
    for block in blocks:
        samples += len(block)
        time.sleep(max(0.0, begin + samples / rate - time.monotonic()))
        yield block


@contextmanager
def microphone(name: str | None = None) -> Iterator[Sound]:
    """Listen to one channel of a microphone at its own rate, until the context is left.

    Arguments
    ---------
    name : str, optional
        A part of its name, or its number; by default the one that the system uses.

    Raises
    ------
    SerError
        The extra ``mic`` is not installed, or there is no such microphone. While listening: it was unplugged, or the
        pieces are not taken as fast as they come.
    """
    sounddevice = _sounddevice()
    device = int(name) if name is not None and name.isdecimal() else name
    pieces: queue.Queue[np.ndarray | None] = queue.Queue()
    with ExitStack() as stack:
        try:
            rate = int(sounddevice.query_devices(device, "input")["default_samplerate"])
            stream = sounddevice.InputStream(
                device=device,
                channels=1,
                samplerate=rate,
                blocksize=round(PIECE * rate),
                dtype="float32",
                callback=lambda samples, *_: pieces.put(samples[:, 0].copy()),
                finished_callback=lambda: pieces.put(None),
            )
            stack.enter_context(stream)  # where another program has it, this is what fails
        except (sounddevice.PortAudioError, ValueError) as error:
            raise _no_microphone(sounddevice, name, error) from None
        yield rate, _taken(pieces)


def _taken(pieces) -> Iterator[np.ndarray]:
    while True:
        if pieces.qsize() * PIECE > BEHIND:
            raise SerError(
                got=f"{BEHIND:g} s of sound that nobody has taken",
                expected="a model that judges as fast as sound comes",
                remedy="ser listen --model fast, or a longer --hop",
            )
        piece = pieces.get()
        if piece is None:
            raise SerError(got="a microphone that has ended", expected="one that stays", remedy="plug it in again")
        yield piece


def _sounddevice():
    try:
        import sounddevice
    except ImportError:
        raise SerError(
            got="no package sounddevice",
            expected="the extra mic, which hears microphones",
            remedy='pip install "ser-plugins[mic]"',
        ) from None
    except OSError:
        raise SerError(
            got="no PortAudio, through which sounddevice listens",
            expected="this library of the system",
            remedy="install it: apt install libportaudio2, or brew install portaudio",
        ) from None
    return sounddevice


def _no_microphone(sounddevice, name, error):
    names = [f"{one['index']} {one['name']}" for one in sounddevice.query_devices() if one["max_input_channels"]]
    return SerError(
        got=f"microphone {'of the system' if name is None else name}: {' '.join(str(error).split())}",
        expected=f"one of: {', '.join(names)}" if names else "a microphone; there is none",
        remedy="plug one in, or choose one with --input; ser listen --from FILE takes a file instead",
    )
