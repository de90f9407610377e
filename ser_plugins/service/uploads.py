"""The body of a request -> a checked waveform, in memory, and bombs are refused unexploded.

Nothing is written, except that what ffmpeg decodes lies in a temporary file meanwhile.
"""

import io
import math
from typing import TYPE_CHECKING, NamedTuple

import soundfile

from ser_plugins.errors import AudioError, SerError
from ser_plugins.inference.recording import Reading, Recording
from ser_plugins.sound.quiet import quiet_mp3

MAX_VALUES_PER_SECOND = 8 * 192_000  # channels times Hz: what is decoded at once is a second of that
MEAN_VALUES_PER_SECOND = 2 * 192_000  # of the longest recording that is allowed: what is decoded of one in all
MAX_TAPS = 4_000_000  # of the filter that resamples: ten times what any rate in common use needs
UNKNOWN_FRAMES = 2**62  # libsndfile says so where a header does not tell the length
LENIENCE = 1.5  # of the length that a header tells: in some formats it is an estimate


class Limits(NamedTuple):
    """What a service accepts.

    Arguments
    ---------
    body : int
        Bytes of a request.
    audio : float
        Length of a recording, in s.
    timeout : float
        For a request, from its headers to its reply, in s.
    queue : int
        Requests that are being read, waiting or judged; further ones are refused.
    batch : int
        Recordings that are judged at once.
    held : int
        Bytes of all requests together; one body may always be held.
    connections : int
        Open at once; fewer where the system allows a process fewer open files.
    work : float
        Audio that a request may have judged, its windows added up, in s.
    jobs : int
        That wait, run, or whose result is kept; further ones are refused.
    job_body : int
        Bytes of the recording of a job.
    job_audio : float
        Its length, in s.
    job_age : float
        How long its result is kept, in s.
    streams : int
        Open at once; further ones are refused.
    stream : float
        Length of a stream, in s of sound and on the clock.
    frame : int
        Bytes of a message of a stream.
    idle : float
        Until the next message of a stream, and until a client has taken an answer, in s.
    """

    body: int = 16 * 2**20
    audio: float = 60.0
    timeout: float = 30.0
    queue: int = 128
    batch: int = 16
    held: int = 128 * 2**20
    connections: int = 512
    work: float = 600.0
    jobs: int = 8
    job_body: int = 256 * 2**20
    job_audio: float = 14_400.0
    job_age: float = 3600.0
    streams: int = 16
    stream: float = 3600.0
    frame: int = 2**20
    idle: float = 30.0


class Refusal(SerError):
    """A request that is not served; ``status`` is the HTTP code."""

    def __init__(self, status: int, *, got: str, expected: str, remedy: str):
        self.status = status
        super().__init__(got=got, expected=expected, remedy=remedy)

    def __reduce__(self):
        return _refusal, (self.status, self.got, self.expected, self.remedy)


def _refusal(status, got, expected, remedy):
    return Refusal(status, got=got, expected=expected, remedy=remedy)


if TYPE_CHECKING:
    _File = io.IOBase
else:
    _File = object


class Seekable(_File):
    """What a body has in common with every other: how it is sought in, and its name."""

    def seek(self, offset, whence=io.SEEK_SET):
        """As of any file, but a place before the beginning is the beginning: damaged headers lead there.

        libsndfile would print a traceback for every other answer, and so fill the service's log.
        """
        try:
            return super().seek(offset, whence)
        except (ValueError, OSError):
            return super().seek(0)

    def __str__(self):
        return "the upload"


class Upload(Seekable, io.BytesIO):
    """A body that audio is read from as from a file."""


class Decoding:
    """An upload that is decoded, mixed down and resampled step by step, so that nobody has to wait for all of it.

    Arguments
    ---------
    upload : Upload
        Anything that :func:`ser_plugins.sound.read.read_blocks` reads.
    model : ser_plugins.inference.base.RecordingModel
        What will judge it.
    seconds : float
        Longest recording; decoding stops there, whatever the header says.
    otherwise : str
        What to do with longer ones.

    Attributes
    ----------
    duration : float or None
        In s, by the header; known after :meth:`refuse_by_header`, where it says.
    """

    def __init__(self, upload: Seekable, model, seconds: float, otherwise: str = "send it to POST /jobs"):
        self.upload = upload
        self.otherwise = otherwise
        self.model = model
        self.seconds = seconds
        self.reading: Reading | None = None
        self.parts = []
        self.samples, self.values_per_second = 0, 0
        self.duration: float | None = None

    def advance(self, values: int) -> Recording | None:
        """Decode about so many values (channels x samples); at the end, the checked recording.

        Raises
        ------
        AudioError
            As :meth:`~ser_plugins.inference.base.RecordingModel.classify_file`; or too long, or too many channels
            or samples.
        """
        if self.reading is None:
            self.refuse_by_header()
            self.reading = Reading(self.upload, self.model.sample_rate)
        before = self.samples
        for block in self.reading.blocks:
            self.parts.append(block)
            self.samples += len(block)
            self._refuse_beyond(self.samples / self.model.sample_rate)
            if (self.samples - before) / self.model.sample_rate * self.values_per_second > values:
                return None
        return self.reading.recording(self.parts, self.model.min_samples)

    def refuse_by_header(self) -> None:
        """Raise :class:`AudioError` for what need not be decoded to be known as too much."""
        self.upload.seek(0)
        try:
            with quiet_mp3(self.upload):
                header = soundfile.info(self.upload)
        except (soundfile.LibsndfileError, RuntimeError):
            self.values_per_second = self.model.sample_rate
            return  # what libsndfile does not know is refused or converted when it is opened
        channels, rate = header.channels, header.samplerate
        self.values_per_second = channels * rate
        if self.values_per_second > MAX_VALUES_PER_SECOND:
            raise AudioError(
                got=f"{self.upload}: {channels} channels at {rate} Hz",
                expected=f"at most {MAX_VALUES_PER_SECOND:,} values per second",
                remedy="mix it down, or convert it to a usual sample rate",
            )
        refuse_odd_rate(rate, self.model.sample_rate, self.upload)
        if header.frames < UNKNOWN_FRAMES:
            self.duration = header.frames / rate
            self._refuse_beyond(self.duration / LENIENCE)

    def _refuse_beyond(self, seconds):
        if seconds > self.seconds:
            raise AudioError(
                got=f"{self.upload}: longer than {self.seconds:g} s",
                expected=f"at most {self.seconds:g} s",
                remedy=f"cut it, or {self.otherwise}",
            )
        most = round(self.seconds * MEAN_VALUES_PER_SECOND)
        if seconds * self.values_per_second > most:
            raise AudioError(
                got=f"{self.upload}: more than {most:,} values (channels x samples)",
                expected=f"at most {most:,}",
                remedy="mix it down, or convert it to a usual sample rate",
            )


def refuse_odd_rate(rate: int, new_rate: int, name) -> None:
    """Raise :class:`AudioError` for a rate in Hz whose conversion would need a filter of more than ``MAX_TAPS``."""
    if rate * new_rate // math.gcd(rate, new_rate) ** 2 > MAX_TAPS:
        raise AudioError(
            got=f"{name}: {rate} Hz",
            expected=f"a usual sample rate ({new_rate}, 8000, 22050, 44100, 48000 Hz ...)",
            remedy=f"convert it first: ffmpeg -i OLD -ar {new_rate} converted.wav",
        )
