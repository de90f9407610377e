"""Copies of training recordings: other speeds, pauses, noise, rooms, clipping, telephones.

A copy is the same in every process: what is drawn for it comes from a generator that the SHA-256 of the recording and
the copy's settings seed, and two copies of one kind that differ in ``draw`` alone are two draws. Only training sets
have copies; what is validated or tested is as it was recorded.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from fractions import Fraction

import torch

from ser_plugins.errors import SerError


def copied(wave: torch.Tensor, copy, sha256: str) -> torch.Tensor:
    """A copy of a recording (samples,) of this SHA-256 -> (samples of the copy,), the same at every call.

    Example
    -------
    >>> wave = torch.ones(16000)
    >>> torch.equal(copied(wave, Noise(), "0" * 64), copied(wave, Noise(), "0" * 64))
    True
    >>> torch.equal(copied(wave, Noise(), "0" * 64), copied(wave, Noise(), "1" * 64))
    False
    """
    seed = hashlib.sha256(json.dumps([sha256, copy.settings]).encode()).digest()[:7]
    return copy(wave, torch.Generator().manual_seed(int.from_bytes(seed, "big")))


@dataclass(frozen=True)
class _Copy:
    """What copies have in common: settings and a name, from their fields."""

    @property
    def settings(self) -> tuple:
        """What the copy depends on, beside the recording."""
        return (type(self).__name__, *(getattr(self, field.name) for field in fields(self)))

    @property
    def name(self) -> str:
        """Behind the recording's name: what differs from the defaults, such as ``speed0.9``."""
        values = [getattr(self, field.name) for field in fields(self) if getattr(self, field.name) != field.default]
        return type(self).__name__.lower() + "_".join(f"{value:g}" for value in values)


@dataclass(frozen=True)
class Speed(_Copy):
    """Faster or slower, and with that higher or lower: resampled, as SpeechBrain's ``SpeedPerturb`` does.

    Ko, Peddinti, Povey & Khudanpur (Interspeech 2015).

    Arguments
    ---------
    factor : float
        0.5 to 2; 0.9 makes it longer by a ninth.

    Example
    -------
    >>> Speed(0.9)(torch.randn(9000), torch.Generator()).shape
    torch.Size([10000])
    """

    factor: float

    def __post_init__(self):
        _check(self, 0.5 <= self.factor <= 2, "a factor from 0.5 to 2")

    def __call__(self, wave: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(samples,) -> (samples / factor,)."""
        from torchaudio.functional import resample

        ratio = Fraction(self.factor).limit_denominator(100)
        return resample(wave, ratio.numerator, ratio.denominator)


@dataclass(frozen=True)
class Pauses(_Copy):
    """Silence before and after, of a random length each, and the noise of a quiet room under all of it.

    Arguments
    ---------
    seconds : float
        A pause at most.
    low, high : float
        Level of the white noise, in dB of full scale.
    draw : int
        Another number is another draw.
    sample_rate : int
        In Hz.

    Example
    -------
    >>> 16000 < len(Pauses(2.0)(torch.randn(16000), torch.Generator().manual_seed(0))) <= 5 * 16000
    True
    """

    seconds: float = 1.0
    low: float = -90.0
    high: float = -50.0
    draw: int = 0
    sample_rate: int = 16000

    def __post_init__(self):
        _check(self, 0 < self.seconds <= 60 and self.low <= self.high <= 0, "0 to 60 seconds; levels, low to high")

    def __call__(self, wave: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(samples,) -> (more samples,)."""
        before, after = (torch.rand(2, generator=generator) * self.seconds * self.sample_rate).long().tolist()
        padded = torch.nn.functional.pad(wave, (before, after))
        level = 10 ** (_drawn(self.low, self.high, generator) / 20)
        return padded + level * torch.randn(len(padded), generator=generator)


def pink(noise: torch.Tensor) -> torch.Tensor:
    """White noise (samples,) with a power that then falls as 1 / f."""
    spectrum = torch.fft.rfft(noise)
    return torch.fft.irfft(spectrum / torch.arange(1, len(spectrum) + 1).sqrt(), n=len(noise))


def with_noise(wave: torch.Tensor, noise: torch.Tensor, ratio: float) -> torch.Tensor:
    """A recording (samples,) with noise (samples,) under it, at a ratio of their powers in dB."""
    return wave + noise * _rms(wave) / _rms(noise) * 10 ** (-ratio / 20)


@dataclass(frozen=True)
class Noise(_Copy):
    """White or pink noise, at random, of a random ratio of signal to noise.

    Arguments
    ---------
    low, high : float
        That ratio, in dB, of the powers over the whole recording.
    draw : int
        Another number is another draw.

    Example
    -------
    >>> wave = torch.randn(16000)
    >>> noise = Noise(10, 10)(wave, torch.Generator().manual_seed(0)) - wave
    >>> round(float(10 * (wave.square().mean() / noise.square().mean()).log10()), 3)
    10.0
    """

    low: float = 5.0
    high: float = 30.0
    draw: int = 0

    def __post_init__(self):
        _check(self, self.low <= self.high, "ratios in dB, low to high")

    def __call__(self, wave: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(samples,) -> (samples,)."""
        ratio = _drawn(self.low, self.high, generator)
        is_pink = _drawn(0, 1, generator) < 0.5
        noise = torch.randn(len(wave), generator=generator)
        return with_noise(wave, pink(noise) if is_pink else noise, ratio)


@dataclass(frozen=True)
class Room(_Copy):
    """Reverberation: the sound itself, then noise that decays exponentially (Polack's model, 1988); as loud as before.

    Arguments
    ---------
    low, high : float
        Time in which the reverberation falls by 60 dB, in seconds.
    direct_low, direct_high : float
        Ratio of the energies of direct sound and reverberation, in dB.
    draw : int
        Another number is another draw.
    sample_rate : int
        In Hz.

    Example
    -------
    >>> Room()(torch.randn(16000), torch.Generator().manual_seed(0)).shape
    torch.Size([16000])
    """

    low: float = 0.1
    high: float = 0.8
    direct_low: float = -3.0
    direct_high: float = 12.0
    draw: int = 0
    sample_rate: int = 16000

    def __post_init__(self):
        _check(
            self,
            0 < self.low <= self.high <= 10 and self.direct_low <= self.direct_high,
            "times up to 10 s and ratios in dB, low to high",
        )

    def __call__(self, wave: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(samples,) -> (samples,): what rings on after the end is left out."""
        from torchaudio.functional import fftconvolve

        seconds = _drawn(self.low, self.high, generator)
        ratio = _drawn(self.direct_low, self.direct_high, generator)
        times = torch.arange(1, round(seconds * self.sample_rate) + 1) / self.sample_rate
        tail = torch.randn(len(times), generator=generator) * 10 ** (-3 * times / seconds)
        tail = tail / tail.square().sum().sqrt() * 10 ** (-ratio / 20)
        reverberant = wave + torch.nn.functional.pad(fftconvolve(wave, tail), (1, 0))[: len(wave)]
        return reverberant * _rms(wave) / _rms(reverberant)


@dataclass(frozen=True)
class Clipping(_Copy):
    """Too loud for its microphone: cut off at a random share of the peak.

    Arguments
    ---------
    low, high : float
        That share.
    draw : int
        Another number is another draw.

    Example
    -------
    >>> Clipping(0.5, 0.5)(torch.tensor([-1.0, 0.2, 0.8]), torch.Generator())
    tensor([-0.5000,  0.2000,  0.5000])
    """

    low: float = 0.1
    high: float = 0.5
    draw: int = 0

    def __post_init__(self):
        _check(self, 0 < self.low <= self.high <= 1, "shares of the peak, low to high")

    def __call__(self, wave: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(samples,) -> (samples,)."""
        limit = _drawn(self.low, self.high, generator) * float(wave.abs().max())
        return wave.clamp(-limit, limit)


@dataclass(frozen=True)
class BandLimit(_Copy):
    """A telephone: what lies outside a band fades away, as in a Butterworth filter of order 8 without its phase.

    Arguments
    ---------
    low, high : float
        Edges of the band in Hz, where 3 dB are lost.
    sample_rate : int
        In Hz.

    Example
    -------
    >>> tone = torch.sin(2 * torch.pi * 7000 * torch.arange(16000) / 16000)
    >>> float(BandLimit()(tone, torch.Generator()).abs().max()) < 0.01
    True
    """

    low: float = 300.0
    high: float = 3400.0
    sample_rate: int = 16000

    def __post_init__(self):
        _check(self, 0 < self.low < self.high <= self.sample_rate / 2, "edges in Hz below half the rate, low to high")

    def __call__(self, wave: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(samples,) -> (samples,)."""
        frequencies = torch.fft.rfftfreq(len(wave), 1 / self.sample_rate).clamp(min=1e-3)
        gain = (1 + (self.low / frequencies) ** 16).rsqrt() * (1 + (frequencies / self.high) ** 16).rsqrt()
        return torch.fft.irfft(torch.fft.rfft(wave) * gain, n=len(wave))


class Chain:
    """Several of these, one after the other, as one copy.

    Arguments
    ---------
    steps : list
        Of the classes of this file.

    Example
    -------
    >>> Chain([Speed(0.5), BandLimit()]).name
    'speed0.5+bandlimit'
    """

    def __init__(self, steps: list) -> None:
        self.steps = list(steps)
        self.settings = tuple(step.settings for step in self.steps)
        self.name = "+".join(step.name for step in self.steps)

    def __call__(self, wave: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """(samples,) -> (samples of the copy,)."""
        for step in self.steps:
            wave = step(wave, generator)
        return wave


def speeds(factors: list) -> list:
    """A copy for every factor: ``copies: !apply:ser_plugins.copies.speeds`` makes the factors a key of a recipe.

    Example
    -------
    >>> speeds([0.9, 1.1])
    [Speed(factor=0.9), Speed(factor=1.1)]
    """
    return [Speed(factor) for factor in factors]


def check_copies(copies) -> None:
    """Raise :class:`SerError` unless these are copies, no two with one name."""
    if not isinstance(copies, list) or not all(isinstance(copy, (_Copy, Chain)) for copy in copies):
        raise SerError(
            got=f"copies {copies!r}"[:200],
            expected="a list of classes of ser_plugins.copies, such as !new:ser_plugins.copies.Speed",
            remedy="correct the YAML key",
        )
    names = [copy.name for copy in copies]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SerError(
            got=f"copies: {', '.join(sorted(twice))} twice",
            expected="copies that differ",
            remedy="leave one out, or give them other numbers as `draw`",
        )


def _check(copy, is_right, expected):
    if not is_right:
        raise SerError(got=repr(copy), expected=expected, remedy="correct the YAML key")


def _drawn(low, high, generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _rms(wave):
    return wave.square().mean().sqrt().clamp(min=torch.finfo(wave.dtype).tiny)
