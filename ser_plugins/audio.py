"""Audio files -> finite, non-empty blocks of one channel of float32 (soundfile underneath; no torch here)."""

import os
import re
from collections.abc import Iterator

import numpy as np
import soundfile

from ser_plugins.errors import AudioError, MissingPathError
from ser_plugins.sound.complete import examine
from ser_plugins.sound.layout import Layout, Stream
from ser_plugins.sound.usable import Downmix

AUDIO = (".wav", ".flac", ".ogg", ".mp3")  # what is looked for in folders; a file that is named may end in anything
LENIENCE = 0.05  # s: a header that promises a few samples more than there are comes from careless software
KNOWN = {"WAV", "WAVEX", "RF64", "AIFF", "W64", "CAF", "AU"}  # whose lengths ``sound.complete`` looks at
# Of formats that `sound.complete` does not know, libsndfile counts what is left, and only logs what is missing.
_CUT_SHORT = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)


def read_wave(path) -> tuple[np.ndarray, int]:
    """Read any file libsndfile knows (wav, flac, ogg, mp3 ...), mixed down to one channel.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    wave : numpy.ndarray
        (samples,), float32, full scale is +-1; channels are averaged.
    sample_rate : int
        In Hz, as the file says.

    Raises
    ------
    MissingPathError, AudioError
        No such file; or unreadable, empty, damaged or cut short; or with samples or channels that
        :class:`ser_plugins.sound.usable.Downmix` refuses.
    """
    sample_rate, blocks = read_blocks(path, seconds=60.0)
    return np.concatenate(list(blocks)), sample_rate


def read_blocks(path, seconds=1.0) -> tuple[int, Iterator[np.ndarray]]:
    """Read a file of any length in bounded memory.

    Arguments
    ---------
    path : str, Path or seekable binary file
        The file; it stays open until the last block is taken. A binary file is named by its ``str`` in errors.
    seconds : float
        Length of a block; the last one may be shorter.

    Returns
    -------
    sample_rate : int
        In Hz, as the file says.
    blocks : iterator of numpy.ndarray
        Each (samples,), as :func:`read_wave` has them. Where the file is damaged, the blocks before come first and then
        an :class:`AudioError` that names the second. That channels cancel each other out is known in the end.

    Raises
    ------
    MissingPathError, AudioError
        No such file, or unreadable.
    """
    if not hasattr(path, "seek") and not os.path.isfile(path):  # unlike pathlib's, of any name
        raise MissingPathError(got=f"no file {path}", expected="an audio file", remedy="check the path")
    layout = _examined(path)
    file = _opened(path, layout.streams[0])
    return file.samplerate, _blocks(file, path, layout, seconds)


def _examined(path) -> Layout:
    if hasattr(path, "seek"):
        return examine(path)
    try:
        with open(path, "rb") as file:
            return examine(file)
    except OSError as error:
        raise _unreadable(str(path), error) from None


def _opened(path, stream: Stream) -> soundfile.SoundFile:
    """A stream of a file, for libsndfile."""
    in_memory = hasattr(path, "seek")
    if in_memory:
        path.seek(0)
    try:
        if stream.pieces:
            return soundfile.SoundFile(stream.open(_Borrowed(path) if in_memory else open(path, "rb")))
        # In bytes where paths are bytes: soundfile's own way ends at names that are not UTF-8.
        return soundfile.SoundFile(path if in_memory or os.name == "nt" else os.fsencode(path))
    except (OSError, soundfile.LibsndfileError, RuntimeError) as error:
        raise _unreadable(str(path), error) from None


class _Borrowed:
    """A binary file that its owner closes."""

    def __init__(self, file):
        self.seek, self.read = file.seek, file.read

    def close(self):
        """Leave it open."""


def _blocks(file, path, layout, seconds) -> Iterator[np.ndarray]:
    """Blocks of all the streams, one channel each; then an error, if that is not all there ought to be."""
    rate, done = file.samplerate, 0
    size, downmix = max(1, round(seconds * rate)), Downmix(str(path), file.samplerate)
    for number, stream in enumerate(layout.streams):
        if number:
            file = _opened(path, stream)
            if file.samplerate != rate:
                file.close()
                raise AudioError(
                    got=f"{path}: after {done / rate:.3f} s another recording follows, at {file.samplerate} Hz",
                    expected=f"{rate} Hz to the end",
                    remedy="take the recordings apart",
                )
        before = done
        with file:
            while True:
                try:
                    block = file.read(size, dtype="float32", always_2d=True)
                except (soundfile.LibsndfileError, RuntimeError) as error:
                    raise _unreadable(f"{path} after {done / rate:.3f} s", error) from None
                if len(block) == 0:
                    break
                done += len(block)
                good = downmix.usable(block)
                if 0 < good < len(block):
                    yield downmix.average(block[:good])
                    block = block[good:]
                yield downmix.average(block)
            promised = before + max(stream.frames, _promised_frames(file, stream))
        if promised - done > LENIENCE * rate:
            raise _cut(path, done, rate, f"the {promised / rate:.3f} s that its header promises")
    if layout.damage:
        raise _cut(path, done, rate, f"more: {layout.damage}")
    if done == 0:
        raise AudioError(got=f"{path}: 0 samples", expected="at least one sample", remedy="leave the empty file out")
    downmix.check()


def _cut(path, done, rate, what):
    return AudioError(
        got=f"{path}: the audio ends at {done / rate:.3f} s",
        expected=f"{what}: the file was cut short or damaged",
        remedy="copy the file again from where it came, or convert what is left: ffmpeg -i OLD NEW.wav",
    )


def _promised_frames(file, stream) -> int:
    """Frames that the header speaks of."""
    if file.format == "MP3":  # counted by us
        return 0
    found = _CUT_SHORT.search(file.extra_info)
    if stream.promised > 1:
        return round(file.frames * stream.promised)
    if not found or file.format in KNOWN:
        return file.frames
    promised, present = map(int, found.groups())
    return file.frames * promised // max(1, present)


def _unreadable(where, error):
    reason = str(error).split(": ", 1)[-1].strip() or "the data cannot be decoded"
    return AudioError(
        got=f"{where}: {reason}",
        expected="an audio file that libsndfile reads (wav, flac, ogg, mp3)",
        remedy="convert it to 16-bit wav, or replace the damaged file",
    )
