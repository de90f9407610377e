"""Waveform -> one vector per utterance: what classical systems put into a support vector machine."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torchaudio
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.spectrogram import LogPowerSpectrogram


class MFCCStatistics(nn.Module):
    """Mean and deviation over time of mel-frequency cepstral coefficients and their first two differences.

    Arguments
    ---------
    sample_rate : int
        Of the waveform, in Hz.
    coefficients : int
        Kept of each frame (40 mel bands, window 25 ms, hop 10 ms).

    Attributes
    ----------
    settings : tuple
        What the vector depends on, beside the waveform.

    Example
    -------
    >>> MFCCStatistics()(torch.randn(2, 16000)).shape
    torch.Size([2, 120])
    """

    def __init__(self, sample_rate: int = 16000, coefficients: int = 20) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.settings = ("mfcc", sample_rate, coefficients)
        window, hop = round(0.025 * sample_rate), round(0.01 * sample_rate)
        spectrum = {"n_fft": 512 if window <= 512 else 2048, "win_length": window, "hop_length": hop, "n_mels": 40}
        self.mfcc = torchaudio.transforms.MFCC(sample_rate, coefficients, melkwargs=spectrum)

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, samples), without padding -> (batch, 6 * coefficients)."""
        frames = self.mfcc(waves)  # (batch, coefficients, time)
        slopes = torchaudio.functional.compute_deltas(frames)
        parts = torch.cat([frames, slopes, torchaudio.functional.compute_deltas(slopes)], dim=1)
        return torch.cat([parts.mean(2), parts.std(2, unbiased=False)], dim=1)

    if TYPE_CHECKING:
        __call__ = forward


class FrameMeans(nn.Module):
    """Mean over time of a front end's frames.

    Arguments
    ---------
    compute_features : nn.Module
        A front end, such as :class:`~ser_plugins.pretrained.WhisperFrontEnd`.

    Attributes
    ----------
    settings : tuple
        What the vector depends on, beside the waveform.

    Example
    -------
    >>> FrameMeans(LogPowerSpectrogram())(torch.randn(2, 16000)).shape
    torch.Size([2, 400])
    """

    def __init__(self, compute_features: nn.Module) -> None:
        super().__init__()
        self.compute_features = compute_features
        self.sample_rate = compute_features.sample_rate
        self.settings = ("means", compute_features.settings)

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, samples), without padding -> (batch, bins)."""
        return self.compute_features(waves).mean(1)

    if TYPE_CHECKING:
        __call__ = forward


class OpenSmileFunctionals(nn.Module):
    """Functionals of openSMILE (Eyben, Woellmer & Schuller, ACM Multimedia 2010): the field's classical baseline.

    Needs ``pip install "ser-plugins[bench]"``; openSMILE's licence allows research and private use only.

    Arguments
    ---------
    feature_set : str
        ``eGeMAPSv02`` (88 functionals), ``emobase`` (988), ``ComParE_2016`` (6373) or another one that the package
        opensmile names; or several, such as ``ComParE_2016+emobase``, one after the other in the vector.
    sample_rate : int
        Of the waveform, in Hz.

    Raises
    ------
    SerError
        The package is not installed, or has no such set.

    Example
    -------
    >>> compute = OpenSmileFunctionals("eGeMAPSv02")  # doctest: +SKIP
    >>> compute(torch.randn(2, 16000)).shape  # doctest: +SKIP
    torch.Size([2, 88])
    """

    def __init__(self, feature_set: str = "eGeMAPSv02", sample_rate: int = 16000) -> None:
        super().__init__()
        try:
            import opensmile
        except ImportError:
            raise SerError(
                got="no package opensmile",
                expected="it, for functionals of openSMILE",
                remedy='pip install "ser-plugins[bench]" (its licence: research and private use only)',
            ) from None
        names = [name for name in vars(opensmile.FeatureSet) if not name.startswith("_")]
        wanted = feature_set.split("+")
        if unknown := [name for name in wanted if name not in names]:
            raise SerError(
                got=f"feature set {unknown[0]!r}",
                expected=f"one of {', '.join(names)}, or several joined by +",
                remedy="correct the YAML",
            )
        self.sample_rate = sample_rate
        self.settings = ("opensmile", opensmile.__version__, feature_set, sample_rate)
        level = opensmile.FeatureLevel.Functionals
        self.extractors = [opensmile.Smile(getattr(opensmile.FeatureSet, name), level) for name in wanted]

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, samples), without padding -> (batch, functionals)."""
        vectors = [
            np.hstack([smile.process_signal(wave.numpy(), self.sample_rate).to_numpy() for smile in self.extractors])
            for wave in waves
        ]
        return torch.from_numpy(np.concatenate(vectors)).float()

    if TYPE_CHECKING:
        __call__ = forward


class BandMeans(nn.Module):
    """Mean log power of mel bands over equal parts of a recording: how the spectrum moves from beginning to end.

    Arguments
    ---------
    sample_rate : int
        Of the waveform, in Hz.
    bands : int
        Mel bands between 0 Hz and half the sample rate, of frames of 40 ms every 16 ms.
    parts : int
        Of a recording, equally long.

    Attributes
    ----------
    settings : tuple
        What the vector depends on, beside the waveform.

    Example
    -------
    >>> BandMeans()(torch.randn(2, 16000)).shape
    torch.Size([2, 200])
    """

    def __init__(self, sample_rate: int = 16000, bands: int = 40, parts: int = 5) -> None:
        super().__init__()
        self.sample_rate, self.parts = sample_rate, parts
        window = {"win_length": 40.0, "hop_length": 16.0, "n_fft": 2 ** math.ceil(math.log2(0.04 * sample_rate))}
        self.spectrum = LogPowerSpectrogram(sample_rate, **window, max_frequency=sample_rate / 2, mel_bands=bands)
        self.settings = ("bands", parts, *self.spectrum.settings)

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, samples), without padding -> (batch, bands * parts), the parts of a band side by side."""
        frames = self.spectrum(waves).transpose(1, 2)  # (batch, bands, time)
        return nn.functional.adaptive_avg_pool1d(frames, self.parts).flatten(1)

    if TYPE_CHECKING:
        __call__ = forward


class JoinedFunctionals(nn.Module):
    """Several kinds of functionals, one after the other in the vector.

    Arguments
    ---------
    kinds : sequence of nn.Module
        Of this file, all for one sample rate.

    Raises
    ------
    SerError
        Several sample rates.

    Example
    -------
    >>> JoinedFunctionals([MFCCStatistics(), BandMeans(parts=2)])(torch.randn(1, 16000)).shape
    torch.Size([1, 200])
    """

    def __init__(self, kinds: Sequence[nn.Module]) -> None:
        super().__init__()
        self.kinds = nn.ModuleList(kinds)
        rates = sorted({kind.sample_rate for kind in kinds})  # type: ignore[type-var]
        if len(rates) != 1:
            raise SerError(got=f"functionals for {rates} Hz", expected="one sample rate", remedy="correct the YAML")
        (self.sample_rate,) = rates
        self.settings = tuple(kind.settings for kind in kinds)

    def forward(self, waves: torch.Tensor) -> torch.Tensor:
        """(batch, samples), without padding -> (batch, functionals)."""
        return torch.cat([kind(waves) for kind in self.kinds], dim=1)

    if TYPE_CHECKING:
        __call__ = forward
