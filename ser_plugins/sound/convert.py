"""One source, a video or a recording of any rate and channels -> a wav at 16 kHz, mono, 16 bit.

ffmpeg only decodes what libsndfile cannot. Channels are averaged and the rate is changed here, by the same filter as in
inference: a corpus and the recordings that a model meets later go through one door.
"""

from functools import lru_cache
from math import ceil, gcd
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import resample_poly

from ser_plugins.files import atomic_path
from ser_plugins.sound.read import read_despite_complaints

SAMPLE_RATE = 16000  # Hz
ZEROS, ROLLOFF = 6, 0.99  # torchaudio's defaults: zero crossings on each side, cut-off relative to the lower Nyquist


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
        soundfile.write(temporary, samples, SAMPLE_RATE, subtype="PCM_16", format="WAV")
    return complaints


def resample(wave: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Change the rate of a waveform: (samples,) -> (ceil(samples * new_rate / rate),).

    A sinc under a squared-cosine window, with the values of ``torchaudio.functional.resample``, whose outcome this
    equals (tested): inference uses that, and this wing knows no torch.

    Example
    -------
    >>> float(resample(np.ones(4410, np.float32), 44100, 16000)[800].round(3))
    1.0
    """
    if rate == new_rate:
        return wave
    down, up = rate // gcd(rate, new_rate), new_rate // gcd(rate, new_rate)
    return resample_poly(wave, up, down, window=_kernel(up, down))


@lru_cache
def _kernel(up: int, down: int) -> np.ndarray:
    cutoff = ROLLOFF * min(up, down) / (up * down)  # per sample of the common grid, which has ``up * down`` per period
    reach = ceil(ZEROS / cutoff)
    place = np.clip(np.arange(-reach, reach + 1) * cutoff, -ZEROS, ZEROS)  # in zero crossings
    kernel = np.sinc(place) * np.cos(np.pi * place / (2 * ZEROS)) ** 2
    return (kernel * cutoff).astype(np.float32)  # resample_poly multiplies by ``up``
