"""One source, a video or a recording of any rate and channels -> a wav at 16 kHz, mono, 16 bit.

ffmpeg only decodes what libsndfile cannot. Channels are averaged and the rate is changed here, by the same filter as in
inference: a corpus and the recordings that a model meets later go through one door.
"""

from pathlib import Path

import numpy as np
import soundfile

from ser_plugins.files import atomic_path
from ser_plugins.sound.read import read_despite_complaints
from ser_plugins.sound.resample import resample

SAMPLE_RATE = 16000  # Hz


def convert(source, target) -> str:
    """Write ``source`` to ``target`` as 16 kHz mono 16-bit wav: whole or not at all.

    Arguments
    ---------
    source : path-like
        A recording, or a video, of which the first sound track is taken.
    target : path-like
        The wav to write.

    Returns
    -------
    str
        What ffmpeg complained about while it decoded; "" for nothing.

    Raises
    ------
    SerError
        No such file; no sound in it; nothing that can be decoded; no ffmpeg.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> soundfile.write(folder / "stereo.flac", np.full((44100, 2), 0.5), 44100)
    >>> convert(folder / "stereo.flac", folder / "mono.wav")
    ''
    >>> wave, rate = soundfile.read(folder / "mono.wav")
    >>> rate, wave.shape, float(wave[8000].round(3))
    (16000, (16000,), 0.5)
    """
    source = Path(source)
    wave, rate, complaints = read_despite_complaints(source)
    samples = np.round(32768 * resample(wave, rate, SAMPLE_RATE))
    samples = np.clip(samples, -32768, 32767).astype(np.int16)  # (samples,)
    with atomic_path(target) as temporary:
        write_wav(temporary, samples)
    return complaints


def write_wav(path, samples: np.ndarray, rate: int = SAMPLE_RATE) -> None:
    """Write (samples,) or (samples, channels), int16 or within -1 and 1, as 16-bit wav.

    Through a stream: a file that it opens itself, libsndfile has written to the disk before it goes on, which takes
    milliseconds for each recording.
    """
    with open(path, "wb") as stream:
        soundfile.write(stream, samples, rate, subtype="PCM_16", format="WAV")
