"""What the faces of a trained model share: recordings in, checked, through the modules, each as if it were alone."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from ser_plugins.errors import AudioError, SerError
from ser_plugins.serving.loading import Model, load_model
from ser_plugins.serving.windows import batched, cut_windows, open_recording

SILENCE = 1e-3  # -60 dB of full scale: a recording that never departs further from its mean is called silent


class RecordingModel:
    """A trained model that judges whole recordings; its subclasses say what the outputs mean.

    It keeps nothing between calls, so threads may share one. A subclass has ``head``, the class of the module
    ``classifier``, and ``window``, what :meth:`classify_windows` yields. Its ``_meaning`` picks out of a loaded model
    what else it has to know, ``_result`` makes a result of the outputs, and ``_predictions`` plain values of that.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``compute_features``, ``mean_var_norm``, ``embedding_model``, ``classifier``.
    device : str or torch.device
        Where to compute.

    Attributes
    ----------
    sample_rate : int
        Of the waveforms that the model takes, in Hz.
    min_samples : int
        Fewest samples that can be judged: one analysis window, or the frames that the front end needs.
    """

    def __init__(self, modules, device="cpu"):
        self.modules = modules.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)
        features = modules["compute_features"]
        front_end = modules["embedding_model"].front_end
        min_frames = 1 if front_end is None else front_end.min_frames
        self.sample_rate = features.sample_rate
        self.min_samples = max(features.window_samples, (min_frames - 1) * features.hop)

    @classmethod
    def from_hparams(cls, source, device=None):
        """Load a folder that ``ser export`` wrote; the caller's random state stays as it is.

        Arguments
        ---------
        source : str or Path
            A local folder; nothing is ever fetched, and nothing in the folder is executed.
        device : str or torch.device, optional
            By default the GPU when there is one, else the CPU.

        Raises
        ------
        MissingPathError, SerError
            See :func:`ser_plugins.serving.loading.load_model`; and for a model whose outputs mean something else.
        """
        model = load_model(source)
        if not cls.fits(model):
            raise SerError(
                got=f"{source}: a model with a {type(model.modules['classifier']).__name__}",
                expected=f"one with a {cls.head.__name__}, for {cls.__name__}",
                remedy="open it with ser_plugins.inference.open_model, which takes either",
            )
        return cls.of(model, device)

    @classmethod
    def fits(cls, model: Model) -> bool:
        """Whether a loaded model is one of this kind."""
        return isinstance(model.modules["classifier"], cls.head)

    @classmethod
    def of(cls, model: Model, device=None):
        """Take a loaded model."""
        return cls(model.modules, cls._meaning(model), device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def classify_batch(self, wavs, wav_lens=None):
        """Judge waveforms at ``sample_rate``; each as if it were alone.

        Arguments
        ---------
        wavs : torch.Tensor or numpy.ndarray
            (batch, samples) or (samples,), floating point, full scale is +-1.
        wav_lens : torch.Tensor or sequence of float, optional
            (batch,), relative to the longest; what lies beyond is ignored.

        Raises
        ------
        AudioError
            For a wrong shape or type, lengths outside (0, 1], NaN, and recordings too short or silent.
        """
        wavs, counts = self._check_batch(wavs, wav_lens)
        beyond = torch.arange(wavs.shape[1])[None, :] >= counts[:, None]
        lengths = counts.double() / wavs.shape[1]
        with torch.no_grad():
            wavs = wavs.masked_fill(beyond, 0.0).to(self.device)
            lengths = lengths.to(self.device)
            frames = self.modules["compute_features"](wavs)  # (batch, time, bins)
            frames = self.modules["mean_var_norm"](frames, lengths)
            embedding = self.modules["embedding_model"](frames, lengths)  # (batch, 1, size)
            outputs = self.modules["classifier"](embedding).squeeze(1)  # (batch, classes or 1)
        return self._result(outputs)

    def classify_file(self, path):
        """Judge one audio file of any rate and number of channels; a batch of one.

        The file is one utterance to the model, so memory grows with its length, by a few MB per second of audio. Beyond
        half a minute, far from the utterances that models are trained on, use :meth:`classify_windows`.

        Raises
        ------
        MissingPathError, AudioError
            No such file; or unreadable, empty, cut short, too short, silent, or holding NaN.
        """
        return self.classify_batch(self._load(path)[None])

    def predict_file(self, path):
        """Judge one audio file; the outcome as plain Python values."""
        return self._predictions(self.classify_file(path))[0]

    def classify_windows(self, path, *, window=3.0, hop=1.0, batch_size=8) -> Iterator:
        """Judge a recording of any length, window after window; each as if it were a file of its own.

        The file is read as the windows are asked for: time is linear in its length, and memory is that of
        ``batch_size`` windows for any length.

        Arguments
        ---------
        path : str or Path
            An audio file of any rate and number of channels.
        window, hop : float
            Length of a window and the step from one to the next, in s. A shorter window ends the recording when the
            last whole one leaves a rest that is in no window and long enough to be judged.
        batch_size : int
            Windows judged at once: more is faster on a GPU, fewer gives the first result sooner.

        Yields
        ------
        NamedTuple
            ``start`` and ``end`` in s, then what :meth:`predict_file` gives; that is None where the window is silent,
            as it may well be in a long recording.

        Raises
        ------
        MissingPathError, AudioError, SerError
            At the call: no such file, unreadable, or a window that is too short for the model. Later, once the windows
            before are yielded: cut short, damaged or NaN, with the second; or a recording too short altogether.
        """
        least, hop_samples = self.min_samples / self.sample_rate, hop * self.sample_rate
        if not (least <= window < math.inf and 1 <= hop_samples < math.inf and batch_size >= 1):
            raise SerError(
                got=f"window={window}, hop={hop}, batch_size={batch_size}",
                expected=f"a window of at least {least:.3f} s, a hop above 0 s, a batch of at least 1",
                remedy="give window and hop in seconds, for example window=3.0, hop=1.0",
            )
        cuts = cut_windows(open_recording(path, self.sample_rate), self.sample_rate, window, hop, self.min_samples)
        return self._classify_cuts(batched(cuts, batch_size), str(path))

    def _classify_cuts(self, batches, name):
        for batch in batches:
            for _, wave in batch:
                self._check_length(wave, name)
            audible = [_peak(wave) >= SILENCE for _, wave in batch]
            heard = [wave for (_, wave), loud in zip(batch, audible, strict=True) if loud]
            found = iter(())
            if heard:
                counts = torch.tensor([len(wave) for wave in heard], dtype=torch.float64)
                padded = torch.nn.utils.rnn.pad_sequence(heard, batch_first=True)  # (heard windows, samples)
                found = iter(self._predictions(self.classify_batch(padded, counts / padded.shape[1])))
            for (start, wave), loud in zip(batch, audible, strict=True):
                outcome = next(found) if loud else [None] * (len(self.window._fields) - 2)
                yield self.window(start / self.sample_rate, (start + len(wave)) / self.sample_rate, *outcome)

    def _load(self, path) -> torch.Tensor:
        """Read, downmix, resample, check: (samples,)."""
        wave = torch.cat(list(open_recording(path, self.sample_rate, seconds=60.0)))
        self._check_recording(wave, str(path))
        return wave

    def _check_batch(self, wavs, wav_lens):
        """Waveforms (batch, samples) and their sample counts (batch,), both on the CPU, once they are found good."""
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
        for place, (wave, count) in enumerate(zip(wavs, counts.tolist(), strict=True)):
            self._check_recording(wave[:count], "waveform" if batch == 1 else f"waveform {place}")
        return wavs, counts

    def _check_length(self, wave: torch.Tensor, name: str) -> None:
        if len(wave) < self.min_samples:
            raise AudioError(
                got=f"{name}: {len(wave) / self.sample_rate:.3f} s ({len(wave)} samples at {self.sample_rate} Hz)",
                expected=f"at least {self.min_samples / self.sample_rate:.3f} s ({self.min_samples} samples)",
                remedy="leave out or lengthen the recording",
            )

    def _check_recording(self, wave: torch.Tensor, name: str) -> None:
        self._check_length(wave, name)
        if not bool(wave.isfinite().all()):
            raise AudioError(
                got=f"{name}: NaN or infinity in the samples",
                expected="finite samples",
                remedy="record or convert it again",
            )
        peak = _peak(wave)
        if peak < SILENCE:
            level = f"{20 * math.log10(peak):.0f} dB of full scale" if peak > 0 else "digital silence"
            raise AudioError(
                got=f"{name}: silent (peak {level})",
                expected=f"a peak of at least {20 * math.log10(SILENCE):.0f} dB, the mean taken off",
                remedy="check the microphone and the file; classify recordings in which somebody speaks",
            )


def _peak(wave: torch.Tensor) -> float:
    """The farthest that a recording departs from its mean; full scale is 1."""
    return float((wave - wave.mean()).abs().max())
