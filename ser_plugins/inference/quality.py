"""Is a recording fit for a model? What can be measured about it, what is out of the ordinary, and what to do then."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.windows import cut_windows, open_recording
from ser_plugins.sound.read import read_blocks
from ser_plugins.sound.voice import PIECE, SHORTEST, holds_speech
from ser_plugins.whisper import WhisperEncoder

FRAME = 0.02  # s
FULL_SCALE = 0.999  # a sample that stays here is clipped; 16-bit software clips at 32767 or a few steps below
DEEP, SILENT = 40.0, -60.0  # a frame is silent this many dB below the loudest one, and anyway below this level in dBFS
BAND = 40.0  # dB below the strongest frequency; speech falls off slower than that up to 4 kHz and beyond
SHORT, LONG = 0.5, 30.0  # s: a syllable says little; an utterance lasts seconds
QUIET = -45.0  # dBFS
CLIPPED, MOSTLY = 0.001, 0.5  # shares of samples and of frames
TELEPHONE = 3700.0  # Hz; its band ends at 3400, and clean speech that fades out earlier than this is rare
FAR = 1.2  # deviations
DEFAULT_RATE = 16000  # Hz: what the models of all our recipes take
# What each of these costs in false alarms, and what it finds, is in docs/warnings.md.


class Finding(NamedTuple):
    """Something out of the ordinary.

    Arguments
    ---------
    what : str
        ``speech``, ``rate``, ``length``, ``level``, ``clipping``, ``silence``, ``bandwidth`` or ``distance``.
    found : str
        What was measured, in words.
    remedy : str
        What to do.
    """

    what: str
    found: str
    remedy: str

    def __str__(self):
        return f"{self.found}; {self.remedy}"


class Check(NamedTuple):
    """What :func:`check_recording` measures.

    Arguments
    ---------
    seconds : float
        Length.
    sample_rate : int
        Of the file, in Hz.
    level : float
        Of the whole recording, in dB of full scale: ``10 log10`` of the variance, so that a sine has -3 at most.
    clipping : float
        Share of samples that stay at full scale with the two before them.
    silence : float
        Share of frames of 20 ms that are 40 dB below the loudest one, or below -60 dBFS.
    bandwidth : float
        Highest frequency, in Hz, at which the mean power spectrum is within 40 dB of its maximum.
    distance : float or None
        Between the mean log-power spectrum and the training set's, in the training set's standard deviations: root mean
        square over the bins. None without a model, for one that has no such statistics, and for one with a pretrained
        encoder, whose frames are no spectrum.
    speech : bool
        Whether anybody may speak in it, by :func:`ser_plugins.sound.voice.holds_speech`.
    findings : list of Finding
        Empty when nothing is out of the ordinary.
    """

    seconds: float
    sample_rate: int
    level: float
    clipping: float
    silence: float
    bandwidth: float
    distance: float | None
    speech: bool
    findings: list[Finding]


def check_recording(path: str | Path, model: RecordingModel[Any, Any, Any] | None = None) -> Check:
    """Measure a recording of any length in bounded memory, and say what a model will find strange about it.

    Arguments
    ---------
    path : str or Path
        An audio file of any rate; channels are averaged.
    model : ser_plugins.inference.base.RecordingModel, optional
        Without one, only the rate that our models take is known, and there is no distance.

    Raises
    ------
    MissingPathError, AudioError
        As :func:`ser_plugins.sound.read.read_blocks`: no such file, unreadable, damaged, cut short, empty, NaN.

    Example
    -------
    >>> import soundfile, tempfile
    >>> path = tempfile.mkdtemp() + "/hum.wav"
    >>> soundfile.write(path, 0.01 * np.sin(2 * np.pi * 100 * np.arange(16000) / 16000), 16000)
    >>> check = check_recording(path)
    >>> round(check.level), [finding.what for finding in check.findings]
    (-43, ['speech', 'bandwidth'])
    """
    rate, blocks = read_blocks(path)
    statistics = _waveform_statistics(rate, blocks)
    measured = Check(*statistics, _distance(path, model) if model else None, _speech(path, model), [])
    return measured._replace(findings=list(_findings(measured, model)))


def _waveform_statistics(rate, blocks):
    """One pass: seconds, rate, level, clipping, silence, bandwidth."""
    size = max(1, round(FRAME * rate))
    window = np.blackman(size)  # its side lobes are below BAND
    samples = total = squares = flat = 0
    last = np.zeros(2, np.float32)
    levels = np.zeros(200, int)  # frames per dB: index 0 holds 0 dBFS and above, 199 the rest
    spectrum = np.zeros(size // 2 + 1)
    for block in blocks:
        exact = block.astype(np.float64)
        samples, total, squares = samples + len(block), total + exact.sum(), squares + np.square(exact).sum()
        joined = np.concatenate([last, block])
        stays = (joined[2:] == joined[1:-1]) & (joined[2:] == joined[:-2])
        flat += np.count_nonzero(stays & (np.abs(block) >= FULL_SCALE))
        last = joined[-2:]
        frames = exact[: len(block) // size * size].reshape(-1, size)  # (frames, samples)
        frames = frames - frames.mean(axis=1, keepdims=True)
        decibels = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-19)
        levels += np.bincount(np.clip(-decibels, 0, 199).astype(int), minlength=200)
        spectrum += np.square(np.abs(np.fft.rfft(frames * window))).sum(axis=0)
    level = 10 * math.log10(max(squares / samples - (total / samples) ** 2, 0.0) + 1e-12)
    loudest = np.flatnonzero(levels)[:1].sum()
    silent = levels[int(min(loudest + DEEP, -SILENT)) :].sum() / max(levels.sum(), 1)
    present = np.flatnonzero(spectrum >= spectrum.max() * 10 ** (-BAND / 10))
    bandwidth = min(present[-1] * rate / size, rate / 2)
    return samples / rate, rate, level, float(flat / samples), float(silent), float(bandwidth)


@torch.no_grad()
def _distance(path, model):
    features, norm = model.modules["compute_features"], model.modules["mean_var_norm"]
    if not int(norm.count) or isinstance(features, WhisperEncoder):  # utterances by themselves; frames of no spectrum
        return None
    total = frames = 0
    for block in open_recording(path, model.sample_rate, seconds=10.0):
        powers = features(block[None].to(model.device))[0]  # (time, bins)
        total, frames = total + powers.sum(0), frames + len(powers)
    return float(((total / frames - norm.mean) / norm.std.clamp(min=norm.floor)).square().mean().sqrt())


def _speech(path, model) -> bool:
    """By the same pieces as the model hears them, in bounded memory."""
    rate = model.sample_rate if model else DEFAULT_RATE
    pieces = cut_windows(open_recording(path, rate), rate, PIECE, PIECE)
    return any(holds_speech(wave.numpy(), rate) for start, wave in pieces if not start or len(wave) >= SHORTEST * rate)


def _findings(check, model):
    if not check.speech:
        yield Finding(
            "speech",
            "no speech heard",
            "record somebody who speaks aloud; --any-sound judges other sounds, and whispering, all the same",
        )
    rate = model.sample_rate if model else DEFAULT_RATE
    if check.sample_rate < rate:
        yield Finding("rate", f"{check.sample_rate} Hz", f"record at {rate} Hz or more; converting brings nothing back")
    if check.seconds < SHORT:
        yield Finding("length", f"{check.seconds:.2f} s long", f"take whole utterances, of at least {SHORT} s")
    if check.seconds > LONG:
        yield Finding(
            "length", f"{check.seconds:.0f} s long", "follow the emotion over time with ser timeline, or cut it up"
        )
    if check.level < QUIET:
        yield Finding("level", f"quiet ({check.level:.0f} dBFS)", "go nearer to the microphone, or raise its gain")
    if check.clipping > CLIPPED:
        yield Finding(
            "clipping",
            f"{check.clipping:.1%} of the samples clipped",
            "record again with less gain; it cannot be undone",
        )
    if check.silence > MOSTLY:
        yield Finding("silence", f"{check.silence:.0%} silence", "cut the silence off, or use ser timeline --vad")
    if check.bandwidth < TELEPHONE:
        yield Finding(
            "bandwidth",
            f"nothing above {check.bandwidth:.0f} Hz, as on a telephone",
            "use the original recording, if there is one of more than telephone quality",
        )
    if check.distance is not None and check.distance > FAR:
        yield Finding(
            "distance",
            f"its mean spectrum is {check.distance:.1f} deviations away from that of the training data",
            "compare level, noise and microphone with what the model was trained on, and trust it less",
        )
