"""Audio files -> finite, non-empty blocks of one channel of float32 (soundfile, ffmpeg underneath; no torch here)."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ser_plugins.errors import AudioError
from ser_plugins.sound.opening import UNDECODABLE, examine_path, open_following, open_stream, read_frames, unreadable
from ser_plugins.sound.usable import Downmix

LENIENCE = 0.05  # s: a header that promises a few samples more than there are comes from careless software
KNOWN = {"WAV", "WAVEX", "RF64", "AIFF", "W64", "CAF", "AU"}  # whose lengths ``sound.complete`` looks at
# Of formats that `sound.complete` does not know, libsndfile counts what is left, and only logs what is missing.
_CUT_SHORT = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)


def read_wave(path: str | Path) -> tuple[np.ndarray, int]:
    """Read any file that libsndfile or, where it is there, ffmpeg decodes, mixed down to one channel.

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


def seconds_of(path: str | Path) -> float:
    """Length of a file in s, all of it decoded: headers may be wrong. Errors as of :func:`read_wave`."""
    sample_rate, blocks = read_blocks(path, seconds=60.0)
    return sum(map(len, blocks)) / sample_rate


def read_despite_complaints(path) -> tuple[np.ndarray, int, str]:
    """Read a file as :func:`read_wave` does, but only report what ffmpeg says while it decodes all that there is.

    Videos of corpora are often a little damaged; whoever prepares a corpus is told, and decides.
    """
    complaints = []
    layout = examine_path(path)
    file = open_stream(path, layout, layout.streams[0])
    wave = np.concatenate(list(_blocks(file, path, layout, 60.0, complaints)))
    return wave, file.samplerate, " / ".join(complaints)


def read_blocks(path: str | Path, seconds: float = 1.0) -> tuple[int, Iterator[np.ndarray]]:
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
    layout = examine_path(path)
    file = open_stream(path, layout, layout.streams[0])
    return file.samplerate, _blocks(file, path, layout, seconds)


def _blocks(file, path, layout, seconds, complaints=None) -> Iterator[np.ndarray]:
    """Blocks of all the streams, one channel each; then an error, if that is not all there ought to be.

    What ffmpeg complains of is an error as well, unless there is a list for it.
    """
    rate = file.samplerate
    done = 0
    size = max(1, round(seconds * rate))
    downmix = Downmix(str(path), file.samplerate)
    for number, stream in enumerate(layout.streams):
        if number:
            file = open_following(path, layout, stream, rate, done)
        before = done
        with file:
            while len(block := _next_block(file, size, path, done)):
                done += len(block)
                usable = downmix.usable(block)
                if 0 < usable < len(block):
                    yield downmix.average(block[:usable])
                    block = block[usable:]
                yield downmix.average(block)
            promised = before + max(stream.frames, _promised_frames(file, stream))
        if promised - done > LENIENCE * rate:
            promise = f"the {promised / rate:.3f} s that its header promises: the file was cut short or damaged"
            raise _cut(path, done, rate, promise)
        if file.format == "ffmpeg" and file.complaints:
            if complaints is None:
                raise unreadable(f"{path} after {done / rate:.3f} s", f"ffmpeg: {file.complaints}")
            complaints.append(file.complaints)
    if layout.damage:
        raise _cut(path, done, rate, f"a whole file: {layout.damage}")
    if done == 0:
        raise AudioError(got=f"{path}: 0 samples", expected="at least one sample", remedy="leave the empty file out")
    downmix.check()


def _next_block(file, size, path, done) -> np.ndarray:
    """At most ``size`` frames (samples, channels); none at the end."""
    try:
        return read_frames(file, size, "float32")
    except UNDECODABLE as error:
        raise unreadable(f"{path} after {done / file.samplerate:.3f} s", error) from None


def _cut(path, done, rate, what):
    return AudioError(
        got=f"{path}: the audio ends at {done / rate:.3f} s",
        expected=what,
        remedy="copy the file again from where it came, or convert what is left: ffmpeg -i OLD NEW.wav",
    )


def _promised_frames(file, stream) -> int:
    """Frames that the header speaks of."""
    if file.format == "MP3":  # counted by us
        return 0
    counts = _CUT_SHORT.search(file.extra_info)
    if stream.promised > 1:
        return round(file.frames * stream.promised)
    if not counts or file.format in KNOWN:
        return file.frames
    promised, present = map(int, counts.groups())
    return file.frames * promised // max(1, present)


def is_plain(path) -> bool:
    """Whether any reader that knows libsndfile's formats reads of a file what is read here (or finds it damaged)."""
    layout = examine_path(path)
    return layout.kind is None and (bool(layout.damage) or not any(stream.pieces for stream in layout.streams))
