"""The body of a request -> a checked waveform, in memory: nothing is written, and bombs are refused unexploded."""

import io
from typing import NamedTuple

import soundfile
import torch

from ser_plugins.errors import AudioError, SerError
from ser_plugins.serving.windows import open_recording

MAX_VALUES_PER_SECOND = 32 * 192_000  # channels times Hz: what is decoded at once is a second of that


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
    """

    body: int = 16 * 2**20
    audio: float = 60.0
    timeout: float = 30.0
    queue: int = 128
    batch: int = 16


class Refusal(SerError):
    """A request that is not served; ``status`` is the HTTP code."""

    def __init__(self, status: int, *, got: str, expected: str, remedy: str):
        self.status = status
        super().__init__(got=got, expected=expected, remedy=remedy)

    def __reduce__(self):
        return _refusal, (self.status, self.got, self.expected, self.remedy)


def _refusal(status, got, expected, remedy):
    return Refusal(status, got=got, expected=expected, remedy=remedy)


class Upload(io.BytesIO):
    """A body that audio is read from as from a file."""

    def __str__(self):
        return "the upload"


def read_upload(upload: Upload, model, seconds: float) -> torch.Tensor:
    """Decode, mix down, resample and check: (samples,) at the model's rate.

    Arguments
    ---------
    upload : Upload
        Anything that libsndfile reads.
    model : ser_plugins.serving.recordings.RecordingModel
        What will judge it.
    seconds : float
        Longest recording; decoding stops there, whatever the header says.

    Raises
    ------
    AudioError
        As :meth:`~ser_plugins.serving.recordings.RecordingModel.classify_file`; or too long.
    """
    rate = model.sample_rate
    blocks = open_recording(upload, rate)
    header = soundfile.info(io.BytesIO(upload.getbuffer()))
    if header.channels * header.samplerate > MAX_VALUES_PER_SECOND:
        raise AudioError(
            got=f"{upload}: {header.channels} channels at {header.samplerate} Hz",
            expected=f"at most {MAX_VALUES_PER_SECOND:,} values per second",
            remedy="mix it down, or convert it to a usual sample rate",
        )
    read, samples = [], 0
    for block in blocks:
        samples += len(block)
        if samples > seconds * rate:
            raise AudioError(
                got=f"{upload}: longer than {seconds:g} s",
                expected=f"at most {seconds:g} s",
                remedy="cut it, or use ser classify on the machine itself",
            )
        read.append(block)
    wave = torch.cat([torch.zeros(0), *read])
    model._check_recording(wave, str(upload))
    return wave
