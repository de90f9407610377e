"""Where somebody speaks, found by Silero VAD: an optional package (extra ``vad``) that brings its weights along.

Silero Team (2024), *Silero VAD: pre-trained enterprise-grade Voice Activity Detector*. Trained on much speech, it knows
it from noise and music; the level alone, by which silent windows are told, does not.
"""

import warnings

import torch

from ser_plugins.errors import SerError
from ser_plugins.inference.windows import cut_windows, open_recording

RATE, CHUNK = 16000, 512  # Hz and samples: what its model takes


def speech_spans(path) -> list[tuple[float, float]]:
    """Find the stretches of speech in a recording of any length; one number per 32 ms is kept in memory.

    Arguments
    ---------
    path : str or Path
        An audio file of any rate and number of channels.

    Returns
    -------
    list of tuple of float
        (start, end) in s, in order, by Silero's own defaults: at least 0.25 s long, joined over pauses up to 0.1 s.

    Raises
    ------
    SerError
        The package is not installed.
    MissingPathError, AudioError
        No such file, unreadable, damaged, cut short, empty.
    """
    model, timestamps = _silero()
    samples = 0
    probabilities = []
    with torch.inference_mode():
        for start, wave in cut_windows(open_recording(path, RATE), RATE, CHUNK / RATE, CHUNK / RATE):
            samples = start + len(wave)
            wave = torch.nn.functional.pad(wave, (0, CHUNK - len(wave)))
            probabilities.append(model(wave, RATE).item())
    spans = timestamps(probabilities, sampling_rate=RATE, audio_length_samples=samples)
    return [(span["start"] / RATE, span["end"] / RATE) for span in spans]


def _silero():
    threads = torch.get_num_threads()
    try:
        from silero_vad import get_speech_timestamps_from_probs, load_silero_vad
    except ImportError:
        raise SerError(
            got="no package silero-vad",
            expected="it, to find out where somebody speaks",
            remedy='pip install "ser-plugins[vad]", or go without --vad',
        ) from None
    finally:
        torch.set_num_threads(threads)  # importing it sets one thread for the whole process
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated", DeprecationWarning)
        return load_silero_vad(), get_speech_timestamps_from_probs
