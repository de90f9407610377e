"""Use a trained model: files or waveforms in; probabilities of emotions, or a sentiment, out.

>>> EmotionClassifier.from_hparams("no/such/model")
Traceback (most recent call last):
ser_plugins.errors.MissingPathError: got: no folder no/such/model; expected: a local folder written by ser export \
(models are never fetched); remedy: check the path
"""

from typing import NamedTuple

import torch

from ser_plugins.classifier import ClassifierHead, RegressionHead
from ser_plugins.scales import scale_named
from ser_plugins.serving.loading import load_model
from ser_plugins.serving.recordings import SILENCE, RecordingModel
from ser_plugins.serving.windows import SentimentWindow, Window

__all__ = [
    "SILENCE",
    "Classification",
    "EmotionClassifier",
    "Prediction",
    "Sentiment",
    "SentimentRegressor",
    "open_model",
]


class Classification(NamedTuple):
    """What ``classify_*`` return, in SpeechBrain's order; ours are probabilities where SpeechBrain's are logarithms.

    Arguments
    ---------
    probabilities : torch.Tensor
        (batch, classes), in the order of ``EmotionClassifier.labels``.
    score : torch.Tensor
        (batch,), the highest probability.
    index : torch.Tensor
        (batch,), the class that has it.
    labels : list of str
        The name of that class, one per item.
    """

    probabilities: torch.Tensor
    score: torch.Tensor
    index: torch.Tensor
    labels: list


class Prediction(NamedTuple):
    """What :meth:`EmotionClassifier.predict_file` returns: plain Python values for one recording."""

    label: str
    probability: float
    probabilities: dict


class EmotionClassifier(RecordingModel):
    """A trained model that names the emotion of whole recordings.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``compute_features``, ``mean_var_norm``, ``embedding_model``, ``classifier``.
    labels : sequence of str
        Class names in the order of the classifier's outputs.
    device : str or torch.device
        Where to compute.

    Attributes
    ----------
    labels : list of str
        Class names in the order of the probabilities.

    Example
    -------
    >>> from ser_plugins.classifier import ClassifierHead, UtteranceEncoder
    >>> from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
    >>> modules = torch.nn.ModuleDict({
    ...     "compute_features": LogPowerSpectrogram(),
    ...     "mean_var_norm": ZNorm(mode="utterance"),
    ...     "embedding_model": UtteranceEncoder(hidden_size=8, heads=2),
    ...     "classifier": ClassifierHead(16, classes=3),
    ... })
    >>> model = EmotionClassifier(modules, ["anger", "sadness", "neutral"])
    >>> probabilities, score, index, labels = model.classify_batch(torch.randn(2, 16000), torch.tensor([1.0, 0.5]))
    >>> probabilities.shape, round(float(probabilities[0].sum()), 4), labels[0] == model.labels[index[0]]
    (torch.Size([2, 3]), 1.0, True)
    """

    head, window = ClassifierHead, Window

    def __init__(self, modules, labels, device="cpu"):
        super().__init__(modules, device)
        self.labels = list(labels)

    @staticmethod
    def _meaning(model):
        return model.labels

    def _result(self, outputs) -> Classification:
        probabilities = outputs.exp()  # (batch, classes)
        score, index = probabilities.max(dim=-1)
        return Classification(probabilities, score, index, [self.labels[place] for place in index.tolist()])

    def _predictions(self, result: Classification) -> list[Prediction]:
        rows = zip(result.labels, result.score.tolist(), result.probabilities.tolist(), strict=True)
        return [Prediction(label, score, dict(zip(self.labels, row, strict=True))) for label, score, row in rows]


class Sentiment(NamedTuple):
    """What :class:`SentimentRegressor` returns: of ``classify_*`` for every item, of ``predict_file`` for one.

    Arguments
    ---------
    score : torch.Tensor or float
        (batch,), on the scale that the model was trained on.
    polarity : list or str
        ``negative``, ``neutral`` or ``positive``, as the scale has it; None on a scale without polarity.
    """

    score: torch.Tensor | float
    polarity: list | str | None


class SentimentRegressor(RecordingModel):
    """A trained model that rates whole recordings with a number.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``compute_features``, ``mean_var_norm``, ``embedding_model``, ``classifier``.
    scale : str
        Of :data:`ser_plugins.scales.SCALES`.
    device : str or torch.device
        Where to compute.

    Attributes
    ----------
    scale : ser_plugins.scales.Scale
        Ends of the scale, and what is positive on it.

    Example
    -------
    >>> from ser_plugins.classifier import UtteranceEncoder
    >>> from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
    >>> modules = torch.nn.ModuleDict({
    ...     "compute_features": LogPowerSpectrogram(),
    ...     "mean_var_norm": ZNorm(mode="utterance"),
    ...     "embedding_model": UtteranceEncoder(hidden_size=8, heads=2),
    ...     "classifier": RegressionHead(16),
    ... })
    >>> model = SentimentRegressor(modules, "mosi")
    >>> score, polarity = model.classify_batch(torch.randn(2, 16000), torch.tensor([1.0, 0.5]))
    >>> score.shape, polarity[0] == ("positive" if score[0] > 0 else "negative")
    (torch.Size([2]), True)
    """

    head, window = RegressionHead, SentimentWindow

    def __init__(self, modules, scale, device="cpu"):
        super().__init__(modules, device)
        self.scale = scale_named(scale)

    @staticmethod
    def _meaning(model):
        return model.scale

    def _result(self, outputs) -> Sentiment:
        score = outputs.squeeze(-1)  # (batch,)
        return Sentiment(score, [self.scale.polarity(number) for number in score.tolist()])

    def _predictions(self, result: Sentiment) -> list[Sentiment]:
        return [Sentiment(*row) for row in zip(result.score.tolist(), result.polarity, strict=True)]


def open_model(source, device=None) -> EmotionClassifier | SentimentRegressor:
    """Load a folder that ``ser export`` wrote, whichever kind of model it holds; see ``from_hparams``."""
    model = load_model(source)
    kind = next(kind for kind in (EmotionClassifier, SentimentRegressor) if kind.fits(model))
    return kind.of(model, device)
