"""A stream of a file, open for reading: by libsndfile, or by ffmpeg where libsndfile does not know it."""

import os
from contextlib import nullcontext

import numpy as np
import soundfile

from ser_plugins.errors import AudioError, MissingPathError
from ser_plugins.sound.complete import examine
from ser_plugins.sound.ffmpeg import Decoded, format_of
from ser_plugins.sound.layout import Layout, Stream
from ser_plugins.sound.quiet import quiet_decoder
from ser_plugins.sound.suffixes import USUAL

UNDECODABLE = (soundfile.LibsndfileError, RuntimeError)  # what soundfile raises for data that it cannot decode


class _Borrowed:
    """A binary file that its owner closes."""

    def __init__(self, file):
        self.seek, self.read = file.seek, file.read

    def close(self):
        """Leave it open."""


def examine_path(path) -> Layout:
    """Walk through a sound file, a path or a seekable binary file, to its end.

    Raises
    ------
    MissingPathError, AudioError
        No such file, or unreadable.
    """
    if hasattr(path, "seek"):
        return examine(path)
    if not os.path.isfile(path):  # unlike pathlib's, of any name
        raise MissingPathError(got=f"no file {path}", expected="an audio file", remedy="check the path")
    try:
        with open(path, "rb") as file:
            return examine(file)
    except OSError as error:
        raise unreadable(str(path), error) from None


def open_stream(path, layout: Layout, stream: Stream) -> soundfile.SoundFile | Decoded:
    """Open one of the streams of ``layout``.

    Arguments
    ---------
    path : path-like or seekable binary file
        The file; a binary file stays open.

    Raises
    ------
    AudioError, SerError
        Unreadable; or ffmpeg is needed, and not there.
    """
    kind = layout.kind
    reason = None
    if kind is None:
        try:
            with quiet_decoder() if layout.mp3 else nullcontext():
                return soundfile.SoundFile(system_name(_source(path, stream)))
        except (OSError, *UNDECODABLE) as error:
            reason = error
    source = _source(path, stream)
    try:
        kind = kind or _kind_of(source)
        if kind is None:
            raise unreadable(str(path), reason)
        return Decoded(source, kind, str(path))
    finally:
        if source is not path:
            source.close()


def open_following(path, layout: Layout, stream: Stream, rate: int, done: int) -> soundfile.SoundFile | Decoded:
    """Open a stream that follows ``done`` samples of others at ``rate`` Hz.

    Raises
    ------
    AudioError, SerError
        What :func:`open_stream` raises; or another rate.
    """
    file = open_stream(path, layout, stream)
    if file.samplerate != rate:
        file.close()
        raise AudioError(
            got=f"{path}: after {done / rate:.3f} s another recording follows, at {file.samplerate} Hz",
            expected=f"{rate} Hz to the end",
            remedy="take the recordings apart",
        )
    return file


def read_frames(file: soundfile.SoundFile | Decoded, frames: int, dtype: str) -> np.ndarray:
    """Decode the next (samples, channels), up to ``frames`` samples; none at the end."""
    with quiet_decoder() if file.format == "MP3" else nullcontext():
        return file.read(frames, dtype=dtype, always_2d=True)


def _source(path, stream):
    """What is to be decoded: the file as it is, or its pieces."""
    if hasattr(path, "seek"):
        path.seek(0)
        return stream.open(_Borrowed(path)) if stream.pieces else path
    return stream.open(open(path, "rb")) if stream.pieces else path


def system_name(path):
    """A path as libsndfile takes it: on POSIX its bytes, since a name need not be UTF-8."""
    return os.fsencode(path) if os.name == "posix" and isinstance(path, (str, os.PathLike)) else path


def _kind_of(source) -> str | None:
    if hasattr(source, "seek"):
        return format_of(source)
    with open(source, "rb") as file:
        return format_of(file)


def unreadable(where: str, error) -> AudioError:
    """What is said of a file that cannot be decoded."""
    reason = str(error).split(": ", 1)[-1].strip() or "the data cannot be decoded"
    return AudioError(
        got=f"{where}: {reason}",
        expected=f"an audio file that libsndfile reads, or ffmpeg ({USUAL})",
        remedy="convert it to 16-bit wav, or replace the damaged file",
    )
