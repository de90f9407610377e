"""Audio files -> one finite, non-empty channel of float32 (soundfile underneath; no torch here)."""

from pathlib import Path

import numpy as np
import soundfile

from ser_plugins.errors import AudioError, MissingPathError


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
        No such file; or unreadable, empty, or holding NaN or infinity.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="an audio file", remedy="check the path")
    try:
        wave, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        reason = str(error).split(": ", 1)[-1]
        raise AudioError(
            got=f"{path}: {reason}",
            expected="an audio file that libsndfile reads (wav, flac, ogg, mp3)",
            remedy="convert it to 16-bit wav, or replace the damaged file",
        ) from None
    return check_wave(wave.mean(axis=1), name=str(path)), sample_rate


def check_wave(wave: np.ndarray, name: str = "waveform") -> np.ndarray:
    """Return ``wave`` when it has samples and all are finite; raise :class:`AudioError` otherwise."""
    if wave.size == 0:
        raise AudioError(got=f"{name}: 0 samples", expected="at least one sample", remedy="leave the empty file out")
    if not np.isfinite(wave).all():
        raise AudioError(
            got=f"{name}: NaN or infinity in the samples",
            expected="finite samples",
            remedy="record or convert it again",
        )
    return wave
