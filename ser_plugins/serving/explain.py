"""What a model looked at in one recording: its attention over time, and the gradient of its answer.

Neither is a reason in a person's sense. Attention weights say what was mixed in, not what decided (Jain & Wallace,
NAACL 2019); a gradient says which small changes of the input would change the answer most.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ser_plugins.errors import SerError
from ser_plugins.files import atomic_path
from ser_plugins.serving.arrays import check_finite
from ser_plugins.serving.recordings import RecordingModel
from ser_plugins.serving.windows import open_recording

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
        (time, bins), log power, not normalised.
    gradient : numpy.ndarray
        (time, bins), of the log-odds of the predicted class, or of the score, with respect to the normalised frames.
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


def explain_file(model: RecordingModel[Any, Any, Any], path: str | Path) -> Explanation:
    """Explain what a model says of one recording.

    Arguments
    ---------
    model : ser_plugins.serving.recordings.RecordingModel
        An ``EmotionClassifier`` or a ``SentimentRegressor``.
    path : str or Path
        An audio file of any rate and number of channels.

    Raises
    ------
    MissingPathError, AudioError, SerError
        As ``predict_file``; and for a recording of more than a minute.

    Example
    -------
    >>> import soundfile, tempfile
    >>> from ser_plugins.inference import open_model
    >>> path = tempfile.mkdtemp() + "/tone.wav"
    >>> soundfile.write(path, np.sin(np.arange(8000) / 10) / 2, 16000)
    >>> explain_file(open_model(device="cpu"), path).frames.shape
    (32, 40)
    """
    blocks, samples = [], 0
    for block in open_recording(path, model.sample_rate):
        blocks.append(block)
        samples += len(block)
        if samples > LONGEST * model.sample_rate:
            raise SerError(
                got=f"{path}: more than {LONGEST} s",
                expected="an utterance",
                remedy=f"cut out what is to be explained; ser timeline {Path(path).name} says where to look",
            )
    wave = torch.cat(blocks)[None]  # (1, samples)
    result = model.classify_batch(wave)
    features = model.modules["compute_features"]
    frames = features(wave.to(model.device))
    gradient, weights = saliency(model.modules, frames)
    check_finite(gradient, "the gradient of the model's output")
    attention = None if weights is None else weights[0].mean(dim=1).cpu().numpy()  # over the queries
    hop, count = features.hop / features.sample_rate, frames.shape[1]
    fewer = count if attention is None else attention.shape[1]
    if not model.hears_speech(wave[0]):
        answer = "no speech"
    elif hasattr(model, "labels"):
        answer = f"{result.labels[0]} ({result.score[0]:.0%})"
    else:
        answer = f"{result.score[0]:.2f}"
    return Explanation(
        answer,
        np.arange(count) * hop,
        features.frequencies.numpy(),
        frames[0].cpu().numpy(),
        gradient[0].cpu().numpy(),
        (np.arange(fewer) + 0.5) * count / fewer * hop - hop / 2,
        attention,
    )


def saliency(modules, frames: torch.Tensor, lengths: torch.Tensor | None = None):
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
        normed = modules["mean_var_norm"](frames, lengths)
    # cuDNN's recurrent layers have no gradient in evaluation mode
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        normed.requires_grad_()
        embedding, weights = modules["embedding_model"](normed, lengths, return_weights=True)
        outputs = modules["classifier"](embedding).squeeze(1)  # (batch, classes or 1)
        (gradient,) = torch.autograd.grad(_answer(outputs).sum(), normed)
    return gradient, None if weights is None else weights.detach()


def _answer(outputs):
    """(batch, classes) -> (batch,), log-odds of the most probable class; (batch, 1) -> (batch,), the score."""
    best, index = outputs.max(dim=-1, keepdim=True)
    if outputs.shape[1] == 1:
        return best.squeeze(1)
    return best.squeeze(1) - outputs.scatter(1, index, -torch.inf).logsumexp(dim=-1)
