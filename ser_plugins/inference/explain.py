"""What a model looked at in one recording: its attention over time, and the gradient of its answer.

Neither is a reason in a person's sense. Attention weights say what was mixed in, not what decided (Jain & Wallace,
NAACL 2019); a gradient says which small changes of the input would change the answer most.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ser_plugins.errors import SerError
from ser_plugins.files import atomic_path
from ser_plugins.inference.arrays import check_finite
from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.windows import open_recording
from ser_plugins.subwords import pieces_of
from ser_plugins.whisper import HOP, SAMPLE_RATE, SAMPLES, WhisperEncoder

LONGEST = 60  # s: attention is (heads, time, time), and training utterances are a few seconds long


class Explanation(NamedTuple):
    """What :func:`explain_file` returns; times and frequencies are those of the middle of a cell.

    Arguments
    ---------
    answer : str
        The label with its probability, or the score; ``no speech`` where nobody speaks.
    times : numpy.ndarray
        (time,), of the frames, in s.
    frequencies : numpy.ndarray
        (bins,), in Hz.
    frames : numpy.ndarray
        (time, bins), log power, not normalised; of a pretrained encoder, the log-mel that it hears.
    gradient : numpy.ndarray
        (time, bins), of the log-odds of the predicted class, or of the score, with respect to the normalised frames, or
        to that log-mel.
    attention_times : numpy.ndarray
        (fewer,), of the frames that attention works on, in s.
    attention : numpy.ndarray or None
        (heads, fewer), how much of a frame is mixed into all others on average; each head sums to 1. None for a model
        without attention.
    """

    answer: str
    times: np.ndarray
    frequencies: np.ndarray
    frames: np.ndarray
    gradient: np.ndarray
    attention_times: np.ndarray
    attention: np.ndarray | None

    @property
    def saliency(self) -> np.ndarray:
        """(time, bins), the magnitude of the gradient (Simonyan, Vedaldi & Zisserman, ICLR workshop 2014)."""
        return np.abs(self.gradient)

    def save(self, path: str | Path) -> None:
        """Write every array to an ``.npz``, whole or not at all."""
        arrays = {name: value for name, value in self._asdict().items() if value is not None}
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **arrays, saliency=self.saliency)


def explain_file(model: RecordingModel[Any, Any, Any], path: str | Path, text: str | None = None) -> Explanation:
    """Explain what a model says of one recording.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        An ``EmotionClassifier`` or a ``SentimentRegressor``.
    path : str or Path
        An audio file of any rate and number of channels.
    text : str, optional
        What is said, for a model that reads.

    Raises
    ------
    MissingPathError, AudioError, SerError
        As ``predict_file``; and for a recording of more than a minute, with a pretrained encoder of more than 30 s.

    Example
    -------
    >>> import soundfile, tempfile
    >>> from ser_plugins.inference import open_model
    >>> path = tempfile.mkdtemp() + "/tone.wav"
    >>> soundfile.write(path, np.sin(np.arange(8000) / 10) / 2, 16000)
    >>> explain_file(open_model("small", device="cpu"), path).frames.shape
    (32, 40)
    """
    features = model.modules["compute_features"]
    blocks = []
    samples = 0
    longest = SAMPLES / SAMPLE_RATE if isinstance(features, WhisperEncoder) else LONGEST
    for block in open_recording(path, model.sample_rate):
        blocks.append(block)
        samples += len(block)
        if samples > longest * model.sample_rate:
            raise SerError(
                got=f"{path}: more than {longest:g} s",
                expected="an utterance",
                remedy=f"cut out what is to be explained; ser timeline {Path(path).name} says where to look",
            )
    wave = torch.cat(blocks)[None]  # (1, samples)
    result = model.classify_batch(wave, texts=[text])
    frames, encode = _spectrum(model.modules, wave.to(model.device))
    gradient, weights = saliency(model.modules, frames, encode=encode, texts=[text])
    check_finite(gradient, "the gradient of the model's output")
    attention = None if weights is None else weights[0].mean(dim=1).cpu().numpy()  # over the queries
    times = np.arange(frames.shape[1]) * (HOP if encode else features.hop) / features.sample_rate
    if not model.hears_speech(wave[0]):
        answer = "no speech"
    elif hasattr(model, "labels"):
        answer = f"{result.labels[0]} ({result.score[0]:.0%})"
    else:
        answer = f"{result.score[0]:.2f}"
    return Explanation(
        answer,
        times,
        (features.log_mel if encode else features).frequencies.numpy(),
        frames[0].cpu().numpy(),
        gradient[0].cpu().numpy(),
        times if attention is None else _attention_times(features, wave.shape[1], attention.shape[1]),
        attention,
    )


def _spectrum(modules, wave):
    """What a model hears of a waveform (1, samples): frames (1, time, bins), and what makes normalised frames of them.

    The latter is None where that takes the normalisation alone.
    """
    features = modules["compute_features"]
    if not isinstance(features, WhisperEncoder):
        return features(wave), None
    count = torch.tensor([wave.shape[1]], device=wave.device)

    def encode(log_mel):
        return modules["mean_var_norm"](features.encode_bands(log_mel.transpose(1, 2), count // HOP))

    return features.log_mel(wave, count).transpose(1, 2), encode


def _attention_times(features, samples, count) -> np.ndarray:
    """The middles of what ``count`` frames of attention are made of, in s."""
    made_of = int(features.frame_counts(torch.ones(1), samples)) / count
    finest = 2 * HOP if isinstance(features, WhisperEncoder) else features.hop  # the first one is around 0 s
    return ((np.arange(count) + 0.5) * made_of * features.hop - finest / 2) / features.sample_rate


def saliency(
    modules,
    frames: torch.Tensor,
    lengths: torch.Tensor | None = None,
    encode: Callable[[torch.Tensor], torch.Tensor] | None = None,
    texts: Sequence[str | None] | None = None,
):
    """Gradient of the predicted class's log-odds (or of the score) with respect to the normalised frames.

    Log-odds, because where a model is sure, probabilities and their logarithms hardly change with anything.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``mean_var_norm``, ``embedding_model``, ``classifier``, in evaluation mode.
    frames : torch.Tensor
        (batch, time, bins), log power.
    lengths : torch.Tensor, optional
        (batch,), relative or frame counts.
    encode : callable, optional
        Makes normalised frames of ``frames``, with respect to which the gradient then is.
    texts : sequence of str or None, optional
        What is said in each, for modules that read.

    Returns
    -------
    gradient : torch.Tensor
        (batch, time, bins); zero on padding.
    weights : torch.Tensor or None
        (batch, heads, fewer, fewer), of the attention.

    Example
    -------
    >>> from ser_plugins.classifier import ClassifierHead, UtteranceEncoder
    >>> from ser_plugins.spectrogram import ZNorm
    >>> modules = {
    ...     "mean_var_norm": ZNorm(mode="utterance"),
    ...     "embedding_model": UtteranceEncoder(hidden_size=8, heads=2),
    ...     "classifier": ClassifierHead(16, classes=3),
    ... }
    >>> gradient, weights = saliency(modules, torch.randn(1, 40, 400))
    >>> gradient.shape, weights.shape
    (torch.Size([1, 40, 400]), torch.Size([1, 2, 10, 10]))
    """
    with torch.no_grad():
        heard = modules["mean_var_norm"](frames, lengths) if encode is None else frames.clone()
    # cuDNN's recurrent layers have no gradient in evaluation mode
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        heard.requires_grad_()
        normed = heard if encode is None else encode(heard)
        pieces = pieces_of(modules, texts or [None] * len(frames))
        embedding, weights = modules["embedding_model"](normed, lengths, *pieces, return_weights=True)
        outputs = modules["classifier"](embedding).squeeze(1)  # (batch, classes or 1)
        answer = answer_of(outputs).sum() + 0.0 * heard.sum()  # of words alone there is no other way to the frames
        (gradient,) = torch.autograd.grad(answer, heard)
    return gradient, None if weights is None else weights.detach()


def answer_of(outputs):
    """(batch, classes) -> (batch,), log-odds of the most probable class; (batch, 1) -> (batch,), the score."""
    best, index = outputs.max(dim=-1, keepdim=True)
    if outputs.shape[1] == 1:
        return best.squeeze(1)
    return best.squeeze(1) - outputs.scatter(1, index, -torch.inf).logsumexp(dim=-1)
