"""Keeps off the terminal what libmpg123 prints there: it is told by nothing else, and means nothing to users."""

import os
import tempfile
import threading
from contextlib import contextmanager, nullcontext

from ser_plugins.sound.tags import read_at

STDERR = 2  # the file descriptor, which C libraries write to
NOISE = (b"[src/libmpg123/", b"Note: Illegal Audio-MPEG-Header", b"Note: Trying to resync", b"Note: Skipped ")
NOISE += (b"Warning: Xing stream size off", b"Warning: Encountered more data after announced")
_LOCK = threading.Lock()


@contextmanager
def quiet_decoder():
    r"""Within, lines of libmpg123 on standard error are dropped; all others are written when it is left.

    Standard error belongs to the process, so one thread at a time is within; what others write meanwhile is late by the
    time that a block takes to be decoded, and never lost.

    Example
    -------
    >>> with quiet_decoder():
    ...     _ = os.write(STDERR, b"[src/libmpg123/layer3.c] error: dequantization failed!\n")
    """
    with _LOCK:
        try:
            terminal = os.dup(STDERR)
        except OSError:  # there is none
            yield
            return
        with tempfile.TemporaryFile() as caught:
            os.dup2(caught.fileno(), STDERR)
            try:
                yield
            finally:
                os.dup2(terminal, STDERR)
                os.close(terminal)
                caught.seek(0)
                rest = b"".join(line for line in caught if not line.startswith(NOISE))
                if rest:
                    os.write(STDERR, rest)


def quiet_mp3(source):
    """The same for an MP3, a path by its suffix or a binary file by its first bytes; for others nobody waits."""
    if hasattr(source, "read"):
        head = read_at(source, 0, 3)
        source.seek(0)
        is_mp3 = head == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")
    else:
        is_mp3 = os.path.splitext(source)[1].lower() in (".mp3", ".mp2")
    return quiet_decoder() if is_mp3 else nullcontext()
