"""Sound in memory -> float32 of one channel, checked."""

import numpy as np
import torch

from ser_plugins.errors import AudioError

SILENCE = 1e-3  # -60 dB of full scale: a recording that never departs further from its mean is called silent
MAX_CHANNELS = 64  # beyond, the two axes are the wrong way round


def one_channel(sound, name: str = "waveform") -> np.ndarray:
    """Mix an array or tensor down.

    Arguments
    ---------
    sound : numpy.ndarray or torch.Tensor
        (samples,) or (channels, samples), floating point, full scale is +-1.
    name : str
        What it is called in errors.

    Returns
    -------
    numpy.ndarray
        (samples,), float32; channels are averaged.

    Raises
    ------
    AudioError
        For anything else, and for NaN or infinity.

    Example
    -------
    >>> one_channel(torch.tensor([[0.25, 0.5], [0.75, 0.5]])).tolist()
    [0.5, 0.5]
    """
    wave = sound.detach().cpu().numpy() if isinstance(sound, torch.Tensor) else sound
    good = isinstance(wave, np.ndarray) and np.issubdtype(wave.dtype, np.floating) and wave.ndim in (1, 2)
    if not good or (wave.ndim == 2 and not 1 <= len(wave) <= MAX_CHANNELS):
        what = f"{wave.shape} of {wave.dtype}" if isinstance(wave, np.ndarray) else type(sound).__name__
        raise AudioError(
            got=f"{name}: {what}",
            expected="an array or tensor (samples,) or (channels, samples), floating point, full scale +-1",
            remedy="transpose (samples, channels); divide 16-bit integers by 32768",
        )
    wave = (wave.mean(axis=0) if wave.ndim == 2 else wave).astype(np.float32)  # (samples,), a copy
    if not np.isfinite(wave).all():
        raise AudioError(
            got=f"{name}: NaN or infinity in the samples", expected="finite samples", remedy="record it again"
        )
    return wave


def as_batch(wavs, wav_lens=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Waveforms (batch, samples) and their sample counts (batch,), both on the CPU.

    Arguments and errors are those of ``classify_batch``; the sound itself is not looked at.
    """
    if isinstance(wavs, np.ndarray):
        wavs = torch.from_numpy(wavs)
    if not isinstance(wavs, torch.Tensor) or not wavs.is_floating_point() or wavs.dim() not in (1, 2):
        what = f"{tuple(wavs.shape)} of {wavs.dtype}" if isinstance(wavs, torch.Tensor) else type(wavs).__name__
        raise AudioError(
            got=f"waveforms: {what}",
            expected="a tensor or array (batch, samples) or (samples,), floating point, full scale +-1",
            remedy="mix channels down; divide 16-bit integers by 32768",
        )
    wavs = torch.atleast_2d(wavs.detach()).float().cpu()
    batch, samples = wavs.shape
    if batch == 0 or samples == 0:
        raise AudioError(
            got=f"waveforms of shape {(batch, samples)}",
            expected="at least one sample of at least one recording",
            remedy="leave empty recordings out",
        )
    lengths = torch.ones(batch) if wav_lens is None else torch.as_tensor(wav_lens).cpu()
    fits = lengths.shape == (batch,) and lengths.is_floating_point()
    if not fits or not bool(((lengths > 0) & (lengths <= 1)).all()):
        raise AudioError(
            got=f"wav_lens {lengths.tolist()}",
            expected=f"{batch} fractions in (0, 1], relative to the {samples} samples of the longest",
            remedy="divide the numbers of samples by the longest",
        )
    counts = torch.round(lengths.double() * samples).long()
    return wavs, counts


def peak(wave: torch.Tensor) -> float:
    """The farthest that a recording departs from its mean; full scale is 1."""
    return float((wave - wave.mean()).abs().max())
