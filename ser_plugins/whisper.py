"""The encoder of Whisper (Radford et al., ICML 2023) in plain torch: waveform -> hidden states, 50 frames a second.

Log-mel of 80 bands, two convolutions, sinusoidal positions, pre-norm transformer layers. The hidden states are the
numbers of the original for a recording of 30 s; a shorter one is not padded to 30 s, which would be up to twenty times
dearer: it is encoded on the frames that it has. Every recording of a batch is computed from its own samples only, so
that alone and in a padded batch it has the same states. What is longer than 30 s is encoded in equal windows.

The weights come from :func:`ser_plugins.whisper_weights.read_whisper`, or from a model that ``ser export`` wrote.
"""

import math
import re
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_mask, remember_wave

SAMPLE_RATE = 16000  # Hz
HOP, WINDOW = 160, 400  # samples
POSITIONS = 1500  # of 20 ms: 30 s
SAMPLES = POSITIONS * 2 * HOP  # of a window
FLOOR = 1e-10  # of power
RANGE = 8.0  # powers of ten below the loudest point of the recording; what is quieter is lifted to there
LOUDEST = 1.5  # where `level` puts the loudest point: that of speech with its peak near full scale


def parse_states(text: str | int) -> tuple[int, ...]:
    """Numbers of hidden states from ``2``, ``1-4`` or ``1,3``.

    Raises
    ------
    SerError
        Anything else, or a number twice or out of order.

    Example
    -------
    >>> parse_states("1-4"), parse_states(2)
    ((1, 2, 3, 4), (2,))
    """
    numbers = []
    for part in str(text).split(","):
        match = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", part.strip(), re.ASCII)
        if match:
            numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not numbers or numbers != sorted(set(numbers)) or not re.fullmatch(r"[\d\s,-]+", str(text)):
        raise SerError(
            got=f"states {text!r}", expected="numbers in rising order, such as 2, 1-4 or 1,3", remedy="correct the YAML"
        )
    return tuple(numbers)


class LogMel(nn.Module):
    """Waveform -> log-mel bands as Whisper hears them: (batch, samples) -> (batch, bands, time), 100 frames a second.

    Power under 80 triangles of the Slaney scale, logarithm to base 10, lifted to 8 below the recording's maximum, then
    ``(x + 4) / 4``. The waveform is mirrored at both ends, of every recording its own.

    Arguments
    ---------
    bands : int
        Number of mel bands between 0 Hz and 8 kHz.
    level : bool
        Whether a recording's loudest point is put at one fixed value, so that a gain makes no difference.

    Attributes
    ----------
    frequencies : torch.Tensor
        (bands,), the middle of each in Hz.

    Example
    -------
    >>> LogMel()(torch.randn(2, 16000), torch.tensor([16000, 8000])).shape
    torch.Size([2, 80, 100])
    """

    def __init__(self, bands: int = 80, level: bool = False) -> None:
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        self.level = level
        # Made on the CPU also for a model on the meta device: these are no weights, and no file has them.
        with torch.device("cpu"):
            scale = {"norm": "slaney", "mel_scale": "slaney"}
            filters = melscale_fbanks(WINDOW // 2 + 1, 0.0, SAMPLE_RATE / 2, bands, SAMPLE_RATE, **scale)
            self.register_buffer("filters", filters, persistent=False)  # (frequencies, bands)
            self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
            points = torch.arange(len(filters)) * SAMPLE_RATE / WINDOW
            self.frequencies = points @ filters / filters.sum(0)

    def forward(self, wavs: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Waveforms (batch, samples) of ``counts`` (batch,) real samples; frames beyond ``counts // HOP`` are zero."""
        return self.scaled(self.power(self.mirrored(wavs, counts)), counts // HOP)

    def mirrored(self, wavs, counts):
        """Half a window more at both ends, (batch, samples + WINDOW); behind it, what nothing reads."""
        places = torch.arange(-(WINDOW // 2), wavs.shape[1] + WINDOW // 2, device=wavs.device).abs()[None]
        ends = counts[:, None] - 1
        places = torch.where(places > ends, (2 * ends - places).clamp(min=0), places)
        return wavs.gather(1, places)

    def power(self, wavs):
        """(batch, samples + WINDOW) -> (batch, time, frequencies)."""
        spectrum = torch.stft(wavs, WINDOW, HOP, WINDOW, self.window, center=False, return_complex=True)
        return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2)

    def scaled(self, power, counts):
        """Power (batch, time, frequencies) -> log-mel (batch, bands, time - 1): the original drops the last frame."""
        bands = (power[:, :-1] @ self.filters).clamp(min=FLOOR).log10()
        mask = frame_mask(counts, bands.shape[1])[..., None]
        loudest = bands.masked_fill(~mask, -math.inf).amax((1, 2), keepdim=True)
        bands = torch.maximum(bands, loudest - RANGE)
        if self.level:
            bands = bands - loudest + LOUDEST
        return ((bands + 4) / 4 * mask).transpose(1, 2)


class _Layer(nn.Module):
    """Pre-norm transformer layer (Vaswani et al. 2017; Xiong et al. 2020): (batch, time, width) -> the same.

    With ``means``, a function of frames that takes means over time, the means of its output. They are taken before the
    last product, which is linear, so that it is of fewer frames.
    """

    def __init__(self, width, heads, hidden_size):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.dense_norm = nn.LayerNorm(width)
        self.dense = nn.Linear(width, hidden_size)
        self.dense_output = nn.Linear(hidden_size, width)

    def forward(self, states, mask, means=None):
        batch, time, width = states.shape
        split = self.queries_keys_values(self.attention_norm(states)).view(batch, time, 3, self.heads, -1)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # each (batch, heads, time, width / heads)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        states = states + self.attention_output(attended.transpose(1, 2).reshape(batch, time, width))
        hidden = F.gelu(self.dense(self.dense_norm(states)))
        if means is not None:
            states, hidden = means(states), means(hidden)
        return states + self.dense_output(hidden)


def sinusoids(positions: int, width: int) -> torch.Tensor:
    """Positions as sines and cosines side by side, (positions, width), of wavelengths 2 pi to 20,000 pi."""
    rates = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(positions)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class WhisperEncoder(nn.Module):
    """Hidden states of Whisper's encoder, in the place of a spectrogram.

    Arguments
    ---------
    states : str or int
        Which hidden states: 0 is what the convolutions give, 1 what the first layer gives; ``2``, ``1-4``, ``1,3``.
        Only the layers up to the highest are built.
    mix : str
        Of several states: ``stack`` puts them side by side, lowest first; ``mean`` is their mean.
    pool : int
        The mean of this many frames of 20 ms is one frame of the output; the last one is of what is left.
    merge : int
        1; or 2: means of pairs of frames go into the layers, which then see 25 frames a second and cost half.
    level : bool
        See :class:`LogMel`.
    width, heads, hidden_size, bands : int
        Of the encoder: of its frames, of attention, of the dense layers, of the log-mel. The defaults are Whisper base.
    last : int
        Layers of the whole encoder, whose last state alone is normalised at its end.

    Attributes
    ----------
    bins : int
        Width of the frames.
    stacked : int
        How many states stand side by side in them.
    sample_rate : int
        16000 Hz.
    hop : int
        Samples from one frame to the next.
    settings : tuple
        What the frames depend on, beside waveform and weights.

    Example
    -------
    >>> encoder = WhisperEncoder(states="1-2", pool=8, width=16, heads=2, hidden_size=32)
    >>> encoder(torch.randn(2, 16000), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 7, 32])
    """

    def __init__(
        self,
        states: str | int = "1-4",
        mix: str = "stack",
        pool: int = 1,
        merge: int = 1,
        level: bool = False,
        width: int = 512,
        heads: int = 8,
        hidden_size: int = 2048,
        bands: int = 80,
        last: int = 6,
    ) -> None:
        super().__init__()
        numbers = parse_states(states)
        fits = width % heads == width % 2 == 0
        if numbers[-1] > last or mix not in ("stack", "mean") or pool < 1 or merge not in (1, 2) or not fits:
            raise SerError(
                got=f"states {states} of {last} layers, mix {mix!r}, pool {pool}, merge {merge}, {heads} heads",
                expected=f"states 0 to {last}; mix stack or mean; pool 1 or more; merge 1 or 2; a divisor of {width}",
                remedy="correct the YAML keys",
            )
        self.states, self.mix, self.pool, self.merge = numbers, mix, pool, merge
        self.stacked = len(numbers) if mix == "stack" else 1
        self.bins = width * self.stacked
        self.sample_rate, self.hop = SAMPLE_RATE, 2 * HOP * merge * pool
        self.settings: tuple = ("whisper", numbers, mix, pool, merge, level)
        self.log_mel = LogMel(bands, level)
        self.convolution_1 = nn.Conv1d(bands, width, 3, padding=1)
        self.convolution_2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        with torch.device("cpu"):
            self.positions: torch.Tensor
            self.register_buffer("positions", sinusoids(POSITIONS, width), persistent=False)
        self.layers = nn.ModuleList(_Layer(width, heads, hidden_size) for _ in range(numbers[-1]))
        self.norm = nn.LayerNorm(width) if numbers[-1] == last else None

    def forward(self, wavs: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Turn waveforms into frames.

        Arguments
        ---------
        wavs : torch.Tensor
            (batch, samples), anything beyond ``lengths``.
        lengths : torch.Tensor, optional
            (batch,), relative.

        Returns
        -------
        torch.Tensor
            (batch, time, bins), zero where padded; see :meth:`frame_counts`.

        Raises
        ------
        SerError
            Of a recording that is shorter than a window of 25 ms.
        """
        batch, length = wavs.shape
        counts = wavs.new_full((batch,), length, dtype=torch.long) if lengths is None else _samples(lengths, length)
        if int(counts.min()) < WINDOW:
            raise SerError(
                got=f"a waveform of {int(counts.min())} samples",
                expected=f"{WINDOW} or more: a window of Whisper's log-mel",
                remedy="leave out or lengthen the recording",
            )
        if length <= SAMPLES:
            frames = self.encode(wavs.float(), counts)
        else:
            items = [self._in_windows(wav[:count].float()) for wav, count in zip(wavs, counts.tolist(), strict=True)]
            frames = nn.utils.rnn.pad_sequence(items, batch_first=True)
        return remember_wave(frames, partial(_frame_counts, samples=length, sizes=(self.merge, self.pool)))

    if TYPE_CHECKING:
        __call__ = forward

    def _in_windows(self, wav):
        """A waveform (samples,) in as few equal windows as 30 s allow, each of whole frames -> (time, bins)."""
        frame = 2 * HOP * self.merge * self.pool  # samples
        frames = math.ceil(len(wav) / frame)
        windows = math.ceil(frames / (SAMPLES // frame))
        sizes = [frame * (frames // windows + (number < frames % windows)) for number in range(windows)]
        sizes[-1] += len(wav) - sum(sizes)
        parts = [self.encode(part[None], torch.tensor([len(part)], device=wav.device)) for part in wav.split(sizes)]
        return torch.cat(parts, dim=1)[0]

    def encode(self, wavs: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Waveforms (batch, samples) of at most 30 s, of which ``counts`` (batch,) are real -> (batch, time, bins)."""
        log_mel = self.log_mel(wavs, counts)  # (batch, bands, time)
        return self.encode_bands(log_mel, counts // HOP)

    def encode_bands(self, log_mel: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Log-mel (batch, bands, time), zero beyond ``counts`` frames (batch,) -> (batch, time, bins)."""
        maps = F.gelu(self.convolution_1(log_mel)) * frame_mask(counts, log_mel.shape[2])[:, None]
        frames = F.gelu(self.convolution_2(maps)).transpose(1, 2)  # (batch, time, width)
        counts = (counts + 1) // 2
        positions = self.positions[: frames.shape[1]]
        if self.merge > 1:
            frames, positions = _means(frames, counts, self.merge), positions[:: self.merge]
            counts = (counts + self.merge - 1) // self.merge
        state = frames + positions
        mask = frame_mask(counts, state.shape[1])[:, None, None]
        means = partial(_means, counts=counts, size=self.pool)
        early = self.pool > 1 and len(self.layers) > 0 and self.norm is None
        states = [state]
        for layer in self.layers[: len(self.layers) - early]:
            states.append(layer(states[-1], mask))
        if self.norm is not None:
            states[-1] = self.norm(states[-1])
        chosen = [means(states[number]) for number in self.states if number < len(states)]
        if early:
            frames = self.layers[-1](states[-1], mask, means)
            counts = (counts + self.pool - 1) // self.pool
            chosen.append(frames * frame_mask(counts, frames.shape[1])[..., None])
        return torch.cat(chosen, dim=2) if self.mix == "stack" else torch.stack(chosen).mean(0)

    def frame_counts(self, lengths: torch.Tensor, samples: int) -> torch.Tensor:
        """Relative lengths (batch,) of waveforms padded to ``samples`` -> integer frame counts (batch,)."""
        return _frame_counts(lengths, samples, (self.merge, self.pool))

    def least_samples(self, frames: int) -> int:
        """Fewest samples of a recording that gives ``frames`` frames, and at least a window of the log-mel."""
        return max(WINDOW, (2 * self.merge * self.pool * (frames - 1) + 1) * HOP)


def _frame_counts(lengths, samples, sizes):
    counts = (_samples(lengths, samples) // HOP + 1) // 2
    for size in sizes:
        counts = (counts + size - 1) // size
    return counts


def _samples(lengths, samples):
    return torch.round(lengths.double() * samples).long()


def _means(frames, counts, size):
    """Means of ``size`` frames: (batch, time, width) of ``counts`` real ones -> (batch, ceil(time / size), width)."""
    real = frame_mask(counts, frames.shape[1])[..., None]
    frames = frames * real
    if size == 1:
        return frames
    batch, time, width = frames.shape
    missing = -time % size
    groups = F.pad(frames, (0, 0, 0, missing)).view(batch, -1, size, width).sum(2)
    numbers = F.pad(real.to(frames.dtype), (0, 0, 0, missing)).view(batch, -1, size, 1).sum(2)
    return groups / numbers.clamp(min=1)
