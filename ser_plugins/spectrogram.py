"""Waveform -> frames of log power, and their z-norm with the training set's statistics.

The spectrogram is the one of the paper (Xu et al., Sensors 2024, 24, 1429, section 2.1): 16 kHz, Hamming window of
40 ms every 10 ms, DFT of 1600 points (a 10 Hz grid), bins below 4 kHz, log power. For frame t and bin k::

    X[t, k] = sum_m w[m] x[t hop + m - win/2] exp(-2 pi i k m / n_fft),    frames[t, k] = ln max(|X[t, k]|^2, floor)

with x zero outside the recording, so that a recording alone and in a zero-padded batch has the same frames. Mel bands,
where they are asked for, sum the power under triangles that are equally wide on the mel scale, before the logarithm.
"""

import math
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_counts, frame_mask, remember_wave


class LogPowerSpectrogram(nn.Module):
    """Log-power spectrogram with integer frame counts: ``1 + samples // hop`` frames.

    Arguments
    ---------
    sample_rate : int
        Of the waveform, in Hz.
    win_length, hop_length : float
        Window and step, in ms.
    n_fft : int
        Points of the DFT; the grid is ``sample_rate / n_fft`` Hz.
    max_frequency : float
        Bins from 0 Hz up to but not including this, in Hz.
    floor : float
        Smallest power before the logarithm.
    mel_bands : int
        0: the bins themselves. Else this many triangular bands between 0 Hz and ``max_frequency``, equally wide on the
        mel scale 2595 log10(1 + f / 700) (O'Shaughnessy 1987), each of peak 1.

    Attributes
    ----------
    bins : int
        Width of the frames: bins below ``max_frequency``, or bands.
    frequencies : torch.Tensor
        (bins,), the centre of each, in Hz.

    Example
    -------
    >>> compute_features = LogPowerSpectrogram()
    >>> compute_features(torch.randn(2, 48000)).shape
    torch.Size([2, 301, 400])
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        win_length: float = 40.0,
        hop_length: float = 10.0,
        n_fft: int = 1600,
        max_frequency: float = 4000.0,
        floor: float = 1e-10,
        mel_bands: int = 0,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.window_samples = round(sample_rate * win_length / 1000)
        self.hop = round(sample_rate * hop_length / 1000)
        self.n_fft = n_fft
        self.linear_bins = self.bins = round(max_frequency * n_fft / sample_rate)
        self.floor = floor
        if not (self.hop > 0 and 0 < self.window_samples <= n_fft and 0 < self.bins <= n_fft // 2 + 1):
            raise SerError(
                got=f"window {self.window_samples}, hop {self.hop}, n_fft {n_fft}, {self.bins} bins",
                expected=f"0 < window <= n_fft, hop > 0, 1..{n_fft // 2 + 1} bins",
                remedy="correct win_length, hop_length (ms), n_fft (points) or max_frequency (Hz)",
            )
        self.settings = (sample_rate, win_length, hop_length, n_fft, max_frequency, floor, mel_bands)
        self.frequencies = torch.arange(self.bins) * sample_rate / n_fft
        bands = None
        if mel_bands:
            bands, self.frequencies = _mel_bands(self.frequencies, max_frequency, mel_bands)
            self.bins = mel_bands
        self.bands: torch.Tensor | None
        self.window: torch.Tensor
        self.register_buffer("bands", bands, persistent=False)
        # Derived from the arguments, hence in no checkpoint.
        self.register_buffer("window", torch.hamming_window(self.window_samples), persistent=False)

    def forward(self, wavs: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Turn waveforms into frames.

        Arguments
        ---------
        wavs : torch.Tensor
            (batch, samples), zero-padded at the end.
        lengths : torch.Tensor, optional
            Not needed here; front ends that look further than a window do.

        Returns
        -------
        torch.Tensor
            (batch, time, bins), natural logarithm of power; float32 also under autocast.
        """
        if wavs.dim() != 2 or wavs.shape[1] == 0:
            raise SerError(
                got=f"waveforms of shape {tuple(wavs.shape)}",
                expected="(batch, samples) with at least one sample",
                remedy="add the batch dimension, mix channels down, leave empty recordings out",
            )
        with torch.autocast(wavs.device.type, enabled=False):
            spectrum = torch.stft(
                wavs.float(),
                self.n_fft,
                self.hop,
                self.window_samples,
                self.window,
                center=True,
                pad_mode="constant",
                return_complex=True,
            )[:, : self.linear_bins]  # (batch, bins, time)
            power = (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)  # (batch, time, bins)
            frames = self.logarithm(power).contiguous()
        return remember_wave(frames, partial(_frame_counts, samples=wavs.shape[1], hop=self.hop))

    if TYPE_CHECKING:
        __call__ = forward

    def logarithm(self, power: torch.Tensor) -> torch.Tensor:
        """Power of the bins (batch, time, linear bins) -> frames (batch, time, bins)."""
        if self.bands is not None:
            power = power @ self.bands
        return power.clamp(min=self.floor).log()

    def frame_counts(self, lengths: torch.Tensor, samples: int) -> torch.Tensor:
        """Relative lengths (batch,) of waveforms padded to ``samples`` -> integer frame counts (batch,)."""
        return _frame_counts(lengths, samples, self.hop)

    def least_samples(self, frames: int) -> int:
        """Fewest samples of a recording that gives ``frames`` frames, and at least an analysis window."""
        return max(self.window_samples, (frames - 1) * self.hop)


def _frame_counts(lengths, samples, hop):
    return 1 + torch.round(lengths.double() * samples).long() // hop


def _mel_bands(frequencies, max_frequency, bands):
    """Triangles (bins, bands) and their centres in Hz (bands,)."""
    top = 2595 * math.log10(1 + max_frequency / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2, dtype=torch.float64) / 2595) - 1)  # (bands + 2,)
    rising = (frequencies[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies[:, None]) / (edges[2:] - edges[1:-1])
    triangles = torch.minimum(rising, falling).clamp(min=0).float()
    if not bool((triangles > 0).any(0).all()):
        raise SerError(
            got=f"{bands} mel bands on {len(frequencies)} bins: a band without a bin",
            expected="a bin or more in every band",
            remedy="fewer mel_bands, or a larger n_fft",
        )
    return triangles, edges[1:-1].float()


class ZNorm(nn.Module):
    """Zero mean and unit deviation, with statistics of the training fold only; padding stays exactly zero.

    SpeechBrain's ``InputNormalization`` keeps a running estimate that is not in ``state_dict()``; this one is fitted in
    one exact pass and frozen into buffers, so that a checkpoint and an export carry it.

    Arguments
    ---------
    bins : int
        Width of the frames.
    mode : str
        ``bin``: a mean and deviation per bin. ``scalar``: one for all bins. ``utterance``: every item by its own, per
        bin; nothing to fit. ``utterance_mean``: every item's own mean, the training set's deviation around such means
        (``mean`` is the training set's all the same, for whoever asks how far from it a recording is).
        ``speaker``: as ``bin``, of frames that training has normalised speaker by speaker before (transductive).
    floor : float
        Smallest deviation divided by, so that a constant bin gives 0.

    Attributes
    ----------
    fitted : bool
        Whether there are statistics, by :meth:`fit` or from a checkpoint; without, there is nothing to normalise with.

    Example
    -------
    >>> norm = ZNorm(bins=4).fit([(torch.randn(2, 50, 4) * 3 + 1, torch.tensor([50, 20]))])
    >>> norm(torch.full((1, 2, 4), float(norm.mean[0])))[0, 0, 0].item()
    0.0
    """

    MODES = ("bin", "scalar", "utterance", "utterance_mean", "speaker")

    def __init__(self, bins: int = 400, mode: str = "bin", floor: float = 1e-5) -> None:
        super().__init__()
        if mode not in self.MODES:
            raise SerError(
                got=f"normalisation {mode!r}", expected=f"one of {', '.join(self.MODES)}", remedy="correct the YAML key"
            )
        self.mode, self.floor = mode, floor
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.count: torch.Tensor
        self.register_buffer("mean", torch.zeros(bins))
        self.register_buffer("std", torch.ones(bins))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))  # frames seen by fit
        self.fitted = mode == "utterance"
        self.register_load_state_dict_post_hook(_look_at_count)

    @torch.no_grad()
    def fit(self, batches: Iterable[tuple[torch.Tensor, torch.Tensor | None]]) -> "ZNorm":
        """Take the statistics of an iterable of (frames, lengths), in one pass.

        In a SpeechBrain recipe, before ``brain.fit``, with a loader of the training set::

            norm.fit((compute_features(*batch.sig), batch.sig.lengths) for batch in loader)

        Partial means and squared deviations are merged in float64 (Chan, Golub & LeVeque 1983), so the outcome does not
        depend on how the frames are cut into batches.
        """
        count, mean, deviation = 0, torch.zeros(()), torch.zeros(())
        for frames, lengths in batches:
            counts = frame_counts(lengths, frames)
            mask = frame_mask(counts, frames.shape[1])
            real = frames[mask].double()  # (frames, bins)
            if real.shape[1] != len(self.mean):
                raise SerError(
                    got=f"frames of {real.shape[1]} bins for a z-norm of {len(self.mean)}",
                    expected="the same number",
                    remedy="bins: !ref <compute_features.bins> in the YAML",
                )
            if self.mode == "scalar":
                real = real.reshape(-1, 1)
            new_mean = real.mean(0)
            step = new_mean - mean
            total = count + len(real)
            if self.mode == "utterance_mean":
                centred = (frames - _utterance_mean(frames, mask[..., None], counts))[mask].double()
                deviation = deviation + centred.square().sum(0)
            else:
                deviation = deviation + (real - new_mean).square().sum(0) + step.square() * (count * len(real) / total)
            mean = mean + step * (len(real) / total)
            count = total
        if count == 0:
            raise SerError(got="no frames", expected="a training set", remedy="check the training manifest")
        self.mean.copy_(mean)
        self.std.copy_((deviation / count).sqrt())
        self.count.fill_(count // len(self.mean) if self.mode == "scalar" else count)
        self.fitted = True
        return self

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Normalise frames (batch, time, bins); lengths (batch,) are relative or integer counts."""
        if not self.fitted:
            raise SerError(
                got="a z-norm without statistics",
                expected="those of the training set",
                remedy="call ZNorm.fit before training, or load a checkpoint; or choose the mode `utterance`",
            )
        counts = frame_counts(lengths, frames)
        mask = frame_mask(counts, frames.shape[1])[..., None]  # (batch, time, 1)
        mean = _utterance_mean(frames, mask, counts) if self.mode.startswith("utterance") else self.mean
        std = self.std
        if self.mode == "utterance":
            std = (((frames - mean) * mask).square().sum(1, keepdim=True) / counts[:, None, None]).sqrt()
        normed = (frames - mean).div_(std.clamp(min=self.floor)).mul_(mask)
        return remember_wave(normed, getattr(frames, "count_frames", None))

    if TYPE_CHECKING:
        __call__ = forward


def _look_at_count(norm, incompatible_keys):
    norm.fitted = norm.mode == "utterance" or bool(norm.count > 0)


def _utterance_mean(frames, mask, counts):
    return (frames * mask).sum(1, keepdim=True) / counts[:, None, None]  # (batch, 1, bins)
