"""Audio files -> finite, non-empty blocks of one channel of float32 (soundfile underneath; no torch here)."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from ser_plugins.errors import AudioError, MissingPathError

AUDIO = (".wav", ".flac", ".ogg", ".mp3")  # what is looked for in folders; a file that is named may end in anything
LENIENCE = 0.1  # s: headers that promise a few samples more than there are come from careless software, not from damage
# Bytes: software that writes to a pipe cannot know the length and puts 2 GiB or more into the header.
_UNKNOWN_LENGTH = 0x7FF00000
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
        No such file; or unreadable, empty, damaged, cut short, or holding NaN or infinity.
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
        an :class:`AudioError` that names the second.

    Raises
    ------
    MissingPathError, AudioError
        No such file, or unreadable.
    """
    if hasattr(path, "seek"):
        path.seek(0)
    elif not Path(path).is_file():
        raise MissingPathError(got=f"no file {path}", expected="an audio file", remedy="check the path")
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _unreadable(str(path), error) from None
    return file.samplerate, _blocks(file, path, max(1, round(seconds * file.samplerate)))


def _blocks(file, path, size):
    rate, done = file.samplerate, 0
    with file:
        while True:
            try:
                block = file.read(size, dtype="float32", always_2d=True).mean(axis=1)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                raise _unreadable(f"{path} after {done / rate:.3f} s", error) from None
            if block.size == 0:
                break
            finite = np.isfinite(block)
            if not finite.all():
                first = int(finite.argmin())
                if first:
                    yield block[:first]
                raise AudioError(
                    got=f"{path}: NaN or infinity in the samples, first at {(done + first) / rate:.3f} s",
                    expected="finite samples",
                    remedy="record or convert it again",
                )
            done += block.size
            yield block
        promised = _promised_frames(file)
    if promised - done > LENIENCE * rate:
        raise AudioError(
            got=f"{path}: the audio ends at {done / rate:.3f} s",
            expected=f"the {promised / rate:.3f} s that its header promises: the file was cut short or damaged",
            remedy="copy the file again from where it came, or convert what is left: ffmpeg -i OLD NEW.wav",
        )
    if done == 0:
        raise AudioError(got=f"{path}: 0 samples", expected="at least one sample", remedy="leave the empty file out")


def _promised_frames(file) -> int:
    """Frames that the header speaks of. Of a wav cut short, libsndfile counts what is left and only logs the rest."""
    if file.format == "MP3":  # often only an estimate
        return 0
    found = _CUT_SHORT.search(file.extra_info)
    promised, present = map(int, found.groups()) if found else (0, 0)
    return file.frames if not present or promised >= _UNKNOWN_LENGTH else file.frames * promised // present


def _unreadable(where, error):
    reason = str(error).split(": ", 1)[-1].strip() or "the data cannot be decoded"
    return AudioError(
        got=f"{where}: {reason}",
        expected="an audio file that libsndfile reads (wav, flac, ogg, mp3)",
        remedy="convert it to 16-bit wav, or replace the damaged file",
    )
