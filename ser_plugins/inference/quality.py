"""Is a recording fit for a model? What can be measured about it, what is out of the ordinary, and what to do then."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.recording import Heard, Reading, Recording
from ser_plugins.inference.windows import WindowCutter
from ser_plugins.sound.voice import PIECE, SHORTEST, holds_speech
from ser_plugins.whisper import WhisperEncoder

SHORT, LONG = 0.5, 30.0  # s: a syllable says little; an utterance lasts seconds
QUIET = -45.0  # dBFS
CLIPPED, MOSTLY = 0.001, 0.5  # shares of samples and of frames
TELEPHONE = 3700.0  # Hz; its band ends at 3400, and clean speech that fades out earlier than this is rare
FAR = 1.2  # deviations
PART = 10.0  # s whose frames are computed at once
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
    seconds, sample_rate, level, clipping, silence, bandwidth
        As :class:`ser_plugins.sound.measure.Statistics` has them.
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
    >>> import numpy as np, soundfile, tempfile
    >>> path = tempfile.mkdtemp() + "/hum.wav"
    >>> soundfile.write(path, 0.01 * np.sin(2 * np.pi * 100 * np.arange(16000) / 16000), 16000)
    >>> check = check_recording(path)
    >>> round(check.level), [finding.what for finding in check.findings]
    (-43, ['speech', 'bandwidth'])
    """
    rate = model.sample_rate if model else DEFAULT_RATE
    reading = Reading(path, rate)
    pieces, parts = WindowCutter(rate, PIECE, PIECE), WindowCutter(rate, PART, PART)
    spectrum = _MeanFrame(model) if _has_distance(model) else None
    speech = False
    for wave in reading.blocks:
        speech = speech or any(_speech(*piece, rate) for piece in pieces.feed(wave))
        if spectrum:
            for _, part in parts.feed(wave):
                spectrum.feed(part)
    speech = speech or any(_speech(*piece, rate) for piece in pieces.close())
    if spectrum:
        for _, part in parts.close():
            spectrum.feed(part)
    return _checked(reading.measurement.statistics(), spectrum.distance() if spectrum else None, speech, rate)


def check_read(recording: Recording, model: RecordingModel[Any, Any, Any], heard: Heard | None = None) -> Check:
    """The same of a recording that has been read: no file is opened again.

    Arguments
    ---------
    recording : ser_plugins.inference.recording.Recording
        Whose statistics are taken.
    model : ser_plugins.inference.base.RecordingModel
        Whose training data it is compared with.
    heard : ser_plugins.inference.recording.Heard, optional
        What ``model`` made of it when it judged it; nothing is computed again then.
    """
    speech = heard.speech if heard else holds_speech(recording.wave.numpy(), recording.sample_rate)
    distance = None
    if _has_distance(model):
        spectrum = _MeanFrame(model)
        if heard:
            spectrum.add(heard.frames)
        else:
            spectrum.feed(recording.wave)
        distance = spectrum.distance()
    return _checked(recording.statistics, distance, speech, recording.sample_rate)


def _checked(statistics, distance, speech, rate):
    measured = Check(*statistics, distance, speech, [])
    return measured._replace(findings=list(_findings(measured, rate)))


def _has_distance(model) -> bool:
    """Whether a model has statistics of its training set, and frames that are a spectrum."""
    if model is None or isinstance(model.modules["compute_features"], WhisperEncoder):
        return False
    return bool(int(model.modules["mean_var_norm"].count))


class _MeanFrame:
    """The mean log-power spectrum of a recording, part by part, and how far it is from the training set's."""

    def __init__(self, model):
        self.features, self.norm = model.modules["compute_features"], model.modules["mean_var_norm"]
        self.device = model.device
        self.total, self.frames = 0, 0

    @torch.no_grad()
    def feed(self, wave):
        self.add(self.features(wave[None].to(self.device))[0])

    def add(self, frames):
        """Of frames (time, bins)."""
        self.total, self.frames = self.total + frames.sum(0), self.frames + len(frames)

    def distance(self) -> float:
        norm = self.norm
        apart = (self.total / self.frames - norm.mean) / norm.std.clamp(min=norm.floor)
        return float(apart.square().mean().sqrt())


def _speech(start, wave, rate) -> bool:
    """Whether a piece of a recording holds speech: the first, or one that is long enough to tell."""
    return (not start or len(wave) >= SHORTEST * rate) and holds_speech(wave.numpy(), rate)


def _findings(check, rate):
    if not check.speech:
        yield Finding(
            "speech",
            "no speech heard",
            "record somebody who speaks aloud; --any-sound judges other sounds, and whispering, all the same",
        )
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
