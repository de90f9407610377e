"""What the faces of a trained model share: recordings in, checked, through the modules, each as if it were alone."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

import numpy as np
import torch

from ser_plugins.errors import SerError
from ser_plugins.inference.arrays import as_batch, check_finite, one_channel
from ser_plugins.inference.devices import usable_device
from ser_plugins.inference.loading import Model, load_model
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.inference.recording import Heard, Recording, read_recording, refuse_longer
from ser_plugins.inference.stream import Stream
from ser_plugins.inference.texts import check_texts, one_for_each
from ser_plugins.inference.windows import batched, cut_windows, open_recording
from ser_plugins.sound.resample import check_rate, resample
from ser_plugins.sound.usable import SILENCE, check_length, check_usable, peak
from ser_plugins.sound.voice import holds_speech
from ser_plugins.subwords import pieces_of

Sound = str | Path | np.ndarray | torch.Tensor  # a file, or samples in memory
Result = TypeVar("Result")  # of `classify_batch` and `classify_file`
Outcome = TypeVar("Outcome")  # of `predict`, for one recording
Piece = TypeVar("Piece")  # of `classify_windows` and streams, for one window
Own = TypeVar("Own", bound="RecordingModel[Any, Any, Any]")  # the class that a method is called on


class RecordingModel(Generic[Result, Outcome, Piece]):
    """A trained model that judges whole recordings; its subclasses say what the outputs mean.

    It keeps nothing between calls, so threads may share one. A subclass has ``head``, the class of the module
    ``classifier``, and ``window``, what :meth:`classify_windows` yields. Its ``_meaning`` picks out of a loaded model
    what else it has to know, ``_result`` makes a result of the outputs, and ``_predictions`` plain values of that.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``compute_features``, ``mean_var_norm``, ``embedding_model``, ``classifier``; ``subwords`` if it reads.
    device : str or torch.device
        Where to compute.
    others : sequence of torch.nn.ModuleDict
        Further members of an ensemble; ``modules`` is the first.
    any_sound : bool
        Judge also what does not sound like speech: see :func:`ser_plugins.sound.voice.holds_speech`.

    Attributes
    ----------
    sample_rate : int
        Of the waveforms that the model takes, in Hz.
    min_samples : int
        Fewest samples that can be judged: one analysis window, or the frames that the front end needs.
    card : str
        The model card in markdown, of a loaded model; its hash was checked as that of every other file.
    model_card : ModelCard or None
        The content of ``model.json``, of a loaded model.
    """

    card = ""
    model_card: ModelCard | None = None
    heads: ClassVar[tuple[type[torch.nn.Module], ...]]
    window: ClassVar[type[Any]]

    def __init__(self, modules, device="cpu", others=(), any_sound=False):
        self.members = [member.eval().requires_grad_(False).to(device) for member in (modules, *others)]
        self.modules = self.members[0]
        self.device = torch.device(device)
        self.any_sound = any_sound
        self.sample_rate = modules["compute_features"].sample_rate
        self.min_samples = max(_min_samples(member) for member in self.members)

    @property
    def strangers(self) -> str:
        """What was measured on corpora that training lacked, in one line; empty of a model that was not loaded."""
        return self.model_card.strangers_line if self.model_card else ""

    @classmethod
    def from_hparams(
        cls: type[Own], source: str | Path | None = None, device: str | torch.device | None = None, **options: Any
    ) -> Own:
        """Load a folder that ``ser export`` wrote, or a model in the package; the caller's random state stays as it is.

        Arguments
        ---------
        source : str or Path, optional
            A local folder (never fetched), ``hf:OWNER/NAME@COMMIT`` on the Hugging Face hub, or the name of a model in
            the package, as ``ser models`` lists them; nothing in it is executed. By default the first of those: seven
            emotions of acted German speech.
        device : str or torch.device, optional
            By default the GPU when there is one, else the CPU.
        options : dict
            Further keywords of the class, such as ``abstain_below`` and ``any_sound``.

        Raises
        ------
        MissingPathError, SerError
            See :func:`ser_plugins.inference.loading.load_model`; and for a model whose outputs mean something else.
        """
        model = load_model(source)
        if not cls.fits(model):
            raise SerError(
                got=f"{source or 'the bundled model'}: a model with a {type(model.modules['classifier']).__name__}",
                expected=f"one with a {' or '.join(head.__name__ for head in cls.heads)}, for {cls.__name__}",
                remedy="open it with ser_plugins.inference.open_model, which takes either",
            )
        return cls.of(model, device, **options)

    if TYPE_CHECKING:

        @staticmethod
        def _meaning(model: Model) -> Any: ...

        def _result(self, outputs: torch.Tensor, speech: list[bool]) -> Result: ...

        def _predictions(self, result: Result) -> list[Outcome]: ...

    @classmethod
    def fits(cls, model: Model) -> bool:
        """Whether a loaded model is one of this kind."""
        return isinstance(model.modules["classifier"], cls.heads)

    @classmethod
    def of(cls: type[Own], model: Model, device: str | torch.device | None = None, **options: Any) -> Own:
        """Take a loaded model."""
        construct: Any = cls
        face = construct(model.modules, cls._meaning(model), usable_device(device), others=model.others, **options)
        face.card = model.text
        face.model_card = model.card
        return face

    @overload  # a text is a sequence of texts, too
    def predict(  # type: ignore[overload-overlap]
        self, sounds: Sound, sample_rate: int | None = None, *, text: str | None = None, batch_size: int = 8
    ) -> Outcome: ...

    @overload
    def predict(
        self,
        sounds: Sequence[Sound],
        sample_rate: int | None = None,
        *,
        text: Sequence[str | None] | None = None,
        batch_size: int = 8,
    ) -> list[Outcome]: ...

    def predict(self, sounds, sample_rate=None, *, text=None, batch_size=8):
        """Judge files, or sound in memory, which is resampled and mixed down as files are.

        Arguments
        ---------
        sounds : str, Path, numpy.ndarray, torch.Tensor, or a list of those
            Files; arrays and tensors (samples,) or (channels, samples), floating point, full scale is +-1.
        sample_rate : int, optional
            Of the arrays and tensors, in Hz; files say theirs.
        text : str, or a list of those for a list
            What is said, for models that read; None where nobody has written it down.
        batch_size : int
            Recordings of a list that are judged at once; the outcome is that of each alone.

        Returns
        -------
        NamedTuple, or a list of those for a list
            What :meth:`predict_file` gives.

        Raises
        ------
        MissingPathError, AudioError
            As :meth:`classify_file`; for an array without a rate; nothing is returned then.
        """
        several = isinstance(sounds, (list, tuple))
        sounds = list(sounds) if several else [sounds]
        texts = one_for_each(text if several else [text], len(sounds))
        outcomes = []
        for batch in batched(zip(sounds, texts, strict=True), batch_size):
            outcomes += self._judge([self._wave(sound, sample_rate) for sound, _ in batch], [said for _, said in batch])
        return outcomes if several else outcomes[0]

    def stream(self, sample_rate: int, *, window: float = 3.0, hop: float = 1.0) -> Stream[Piece]:
        """Judge sound as it comes, window after window; see :class:`~ser_plugins.inference.stream.Stream`.

        Arguments
        ---------
        sample_rate : int
            Of what will be fed, in Hz.
        window, hop : float
            As in :meth:`classify_windows`.
        """
        return Stream(self, sample_rate, window, hop)

    def classify_batch(
        self,
        wavs: torch.Tensor | np.ndarray,
        wav_lens: torch.Tensor | Sequence[float] | None = None,
        texts: Sequence[str | None] | None = None,
    ) -> Result:
        """Judge waveforms at ``sample_rate``; each as if it were alone.

        Arguments
        ---------
        wavs : torch.Tensor or numpy.ndarray
            (batch, samples) or (samples,), floating point, full scale is +-1.
        wav_lens : torch.Tensor or sequence of float, optional
            (batch,), relative to the longest; what lies beyond is ignored.
        texts : sequence of str or None, optional
            What is said in each, for models that read.

        Raises
        ------
        AudioError
            For a wrong shape or type, lengths outside (0, 1], NaN, samples beyond the ceiling, and recordings too short
            or silent.
        SerError
            For a model whose output is not finite.
        """
        return self._classified(wavs, wav_lens, texts)[0]

    def _classified(self, wavs, wav_lens=None, texts=None):
        """What :meth:`classify_batch` returns, and whether anybody speaks in each, a list of bool."""
        wavs, counts = as_batch(wavs, wav_lens)
        for place, (wave, count) in enumerate(zip(wavs, counts.tolist(), strict=True)):
            self._check_recording(wave[:count], "waveform" if len(wavs) == 1 else f"waveform {place}")
        speech = [self.hears_speech(wave[:count]) for wave, count in zip(wavs, counts.tolist(), strict=True)]
        beyond = torch.arange(wavs.shape[1])[None, :] >= counts[:, None]
        outputs, _ = self._outputs(wavs.masked_fill(beyond, 0.0), counts.double() / wavs.shape[1], texts)
        return self._result(outputs, speech), speech

    @torch.no_grad()
    def _outputs(self, wavs, lengths, texts=None):
        """Checked outputs as of :meth:`outputs`, and the frames (batch, time, bins) of the first member."""
        texts = one_for_each(texts, len(wavs))
        check_texts(self.members, texts)
        wavs = wavs.to(self.device)
        lengths = lengths.to(self.device)
        frames = self.frames(wavs, lengths)
        outputs = self.outputs(frames, lengths, texts)
        check_finite(outputs, "the output of the model")
        return outputs, frames[self.modules["compute_features"]]

    def frames(self, wavs: torch.Tensor, lengths: torch.Tensor) -> dict[torch.nn.Module, torch.Tensor]:
        """(batch, samples), zero beyond relative lengths (batch,) -> (batch, time, bins), by front end.

        The members of an ensemble may share one.
        """
        front_ends = dict.fromkeys(member["compute_features"] for member in self.members)
        return {front_end: front_end(wavs, lengths) for front_end in front_ends}

    def outputs(
        self,
        frames: dict[torch.nn.Module, torch.Tensor],
        lengths: torch.Tensor,
        texts: Sequence[str | None] = (),
    ) -> torch.Tensor:
        """What :meth:`frames` gives, the same lengths, and texts -> (members, batch, classes or 1); nothing is checked.

        No texts at all are those of a model that hears alone.
        """
        outputs = []
        for member in self.members:
            normalised = member["mean_var_norm"](frames[member["compute_features"]], lengths)
            embedding = member["embedding_model"](normalised, lengths, *pieces_of(member, texts))
            outputs.append(member["classifier"](embedding).squeeze(1))
        return torch.stack(outputs)

    def hears_speech(self, wave: torch.Tensor) -> bool:
        """Whether anybody may speak in a waveform (samples,) at ``sample_rate``; always, where ``any_sound`` is set."""
        return self.any_sound or holds_speech(wave.numpy(), self.sample_rate)

    def classify_file(self, path: str | Path, text: str | None = None) -> Result:
        """Judge one audio file of any rate and number of channels; a batch of one.

        The file is one utterance to the model, so memory grows with its length, by a few MB per second of audio. Beyond
        half a minute, far from the utterances that models are trained on, use :meth:`classify_windows`; beyond ten
        minutes a recording is refused, read no further than that.

        Raises
        ------
        MissingPathError, AudioError
            No such file; or unreadable, empty, cut short, too short, too long, silent, or holding NaN.
        """
        return self.classify_batch(self.read(path).wave[None], texts=[text])

    def predict_file(self, path: str | Path, text: str | None = None) -> Outcome:
        """Judge one audio file; the outcome as plain Python values, all None where nobody speaks."""
        return self.predict_recordings([self.read(path)], [text])[0][0]

    def read(self, path: str | Path) -> Recording:
        """Open, decode, mix down, resample, measure and check a file, once; errors as of :meth:`classify_file`."""
        return read_recording(path, self.sample_rate, self.min_samples)

    def predict_recordings(
        self, recordings: Sequence[Recording], texts: Sequence[str | None] | None = None
    ) -> list[tuple[Outcome, Heard]]:
        """Judge what :meth:`read` gave, together: outcomes as of :meth:`predict_file`, and what they were made of."""
        waves, lengths = _padded([recording.wave for recording in recordings])
        speech = [holds_speech(recording.wave.numpy(), self.sample_rate) for recording in recordings]
        spoken = [self.any_sound or each for each in speech]
        outputs, frames = self._outputs(waves, lengths, texts)
        counts = self.modules["compute_features"].frame_counts(lengths, waves.shape[1]).tolist()
        heard = [Heard(rows[:count], each) for rows, count, each in zip(frames, counts, speech, strict=True)]
        return list(zip(self._plain(self._result(outputs, spoken), spoken), heard, strict=True))

    def classify_windows(
        self, path: str | Path, *, window: float = 3.0, hop: float = 1.0, batch_size: int = 8
    ) -> Iterator[Piece]:
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
            ``start`` and ``end`` in s, then what :meth:`predict_file` gives; that is None where the window is silent or
            nobody speaks, as it may well be in a long recording.

        Raises
        ------
        MissingPathError, AudioError, SerError
            At the call: no such file, unreadable, or a window that is too short for the model. Later, once the windows
            before are yielded: cut short, damaged or NaN, with the second; or a recording too short altogether.
        """
        self.check_windows(window, hop, batch_size)
        cuts = cut_windows(open_recording(path, self.sample_rate), self.sample_rate, window, hop, self.min_samples)
        return self._judge_batches(batched(cuts, batch_size), str(path))

    def check_windows(self, window: float, hop: float, batch_size: int = 1) -> None:
        """Raise :class:`SerError` for a window (s) too short for the model, or a hop (s) or batch that is none."""
        least = self.min_samples / self.sample_rate
        hop_samples = hop * self.sample_rate
        if not (least <= window < math.inf and 1 <= hop_samples < math.inf and batch_size >= 1):
            raise SerError(
                got=f"window={window}, hop={hop}, batch_size={batch_size}",
                expected=f"a window of at least {least:.3f} s, a hop above 0 s, a batch of at least 1",
                remedy="give window and hop in seconds, for example window=3.0, hop=1.0",
            )

    def _judge_batches(self, batches, name) -> Iterator:
        for batch in batches:
            yield from self.judge_cuts(batch, name)

    def judge_cuts(self, cuts: list[tuple[int, torch.Tensor]], name: str) -> Iterator[Piece]:
        """Windows with their outcome, for a list of (first sample, wave) pairs of the recording ``name``."""
        for _, wave in cuts:
            check_length(len(wave), self.min_samples, self.sample_rate, name)
        audible = [peak(wave.numpy()) >= SILENCE for _, wave in cuts]
        outcomes = iter(self._judge([wave for (_, wave), loud in zip(cuts, audible, strict=True) if loud]))
        for (start, wave), loud in zip(cuts, audible, strict=True):
            outcome = next(outcomes) if loud else [None] * (len(self.window._fields) - 2)
            yield self.window(start / self.sample_rate, (start + len(wave)) / self.sample_rate, *outcome)

    def _judge(self, waves: list, texts: list | None = None) -> list:
        """Plain outcomes of good waveforms of any lengths, each (samples,), together."""
        if not waves:
            return []
        return self._plain(*self._classified(*_padded(waves), texts))

    def _plain(self, result, speech) -> list:
        """The outcomes of a result as plain values, all None where nobody speaks."""
        nothing = [None] * (len(self.window._fields) - 2)
        outcomes = zip(self._predictions(result), speech, strict=True)
        return [outcome if spoken else type(outcome)(*nothing) for outcome, spoken in outcomes]

    def _wave(self, sound, sample_rate) -> torch.Tensor:
        """A file, or sound in memory, as :meth:`read` has it: (samples,)."""
        if isinstance(sound, (str, Path)):
            return self.read(sound).wave
        check_rate(sample_rate, self.sample_rate, "sample_rate of the waveform")
        wave = torch.from_numpy(resample(one_channel(sound), sample_rate, self.sample_rate))
        refuse_longer(len(wave) / self.sample_rate, "waveform")
        self._check_recording(wave, "waveform")
        return wave

    def _check_recording(self, wave: torch.Tensor, name: str) -> None:
        check_usable(wave.numpy(), self.sample_rate, name, self.min_samples)


def _padded(waves: list) -> tuple[torch.Tensor, torch.Tensor]:
    """Waveforms, each (samples,), as (batch, samples) and relative lengths (batch,), which double precision keeps."""
    counts = torch.tensor([len(wave) for wave in waves], dtype=torch.float64)
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    return padded, counts / padded.shape[1]


def _min_samples(modules) -> int:
    """Fewest samples that can be judged."""
    front_end = modules["embedding_model"].front_end
    return modules["compute_features"].least_samples(1 if front_end is None else front_end.min_frames)
