"""Sound in memory -> float32 of one channel, checked."""

import numpy as np
import torch

from ser_plugins.errors import AudioError, SerError
from ser_plugins.sound.usable import Downmix

MAX_CHANNELS = 64  # beyond, the two axes are the wrong way round


def one_channel(sound, name: str = "waveform") -> np.ndarray:
    """Mix an array or tensor of a whole recording down.

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
        For anything else, for NaN, infinity and samples beyond the ceiling, and for channels that cancel each other
        out.

    Example
    -------
    >>> one_channel(torch.tensor([[0.25, 0.5], [0.75, 0.5]])).tolist()
    [0.5, 0.5]
    """
    downmix = Downmix(name)
    wave = downmix.average(channels_last(sound, name))
    downmix.check()
    return wave


def channels_last(sound, name: str) -> np.ndarray:
    """An array or tensor as :func:`one_channel` takes it -> (samples, channels), a copy."""
    wave = sound.detach().cpu().numpy() if isinstance(sound, torch.Tensor) else sound
    usable = isinstance(wave, np.ndarray) and np.issubdtype(wave.dtype, np.floating) and wave.ndim in (1, 2)
    if not usable or (wave.ndim == 2 and not 1 <= len(wave) <= MAX_CHANNELS):
        kind = f"{wave.shape} of {wave.dtype}" if isinstance(wave, np.ndarray) else type(sound).__name__
        raise AudioError(
            got=f"{name}: {kind}",
            expected="an array or tensor (samples,) or (channels, samples), floating point, full scale +-1",
            remedy="transpose (samples, channels); divide 16-bit integers by 32768",
        )
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused as such
        return np.atleast_2d(wave).T.astype(np.float32)


def as_batch(wavs, wav_lens=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Waveforms (batch, samples) and their sample counts (batch,), both on the CPU.

    Arguments and errors are those of ``classify_batch``; the sound itself is not looked at.
    """
    if isinstance(wavs, np.ndarray):
        wavs = torch.from_numpy(wavs)
    if not isinstance(wavs, torch.Tensor) or not wavs.is_floating_point() or wavs.dim() not in (1, 2):
        kind = f"{tuple(wavs.shape)} of {wavs.dtype}" if isinstance(wavs, torch.Tensor) else type(wavs).__name__
        raise AudioError(
            got=f"waveforms: {kind}",
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


def check_finite(outcome: torch.Tensor, what: str) -> None:
    """Raise :class:`SerError` for a result with NaN or infinity: recordings are checked before, so it is the model.

    Example
    -------
    >>> check_finite(torch.tensor([0.5, torch.nan]), "the output of the model")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: the output of the model: NaN or infinity; expected: finite numbers; ...
    """
    if not bool(outcome.isfinite().all()):
        raise SerError(
            got=f"{what}: NaN or infinity",
            expected="finite numbers",
            remedy="its weights or statistics are damaged: fetch, export or train it again",
        )
