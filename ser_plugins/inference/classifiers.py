"""Use a trained model: files or waveforms in; probabilities of emotions, or a sentiment, out.

>>> EmotionClassifier.from_hparams("no/such/model")  # doctest: +ELLIPSIS
Traceback (most recent call last):
ser_plugins.errors.MissingPathError: got: no folder no/such/model; expected: a local folder written by ser export \
(paths are never fetched), hf:OWNER/NAME@COMMIT, or a name: ...; remedy: check the path
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ser_plugins.classifier import CLASSIFIERS, RegressionHead
from ser_plugins.errors import SerError
from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.loading import load_model
from ser_plugins.inference.windows import SentimentWindow, Window
from ser_plugins.scales import Scale, scale_named


class Classification(NamedTuple):
    """What ``classify_*`` return, in SpeechBrain's order; ours are probabilities where SpeechBrain's are logarithms.

    Arguments
    ---------
    probabilities : torch.Tensor
        (batch, classes), of an ensemble the mean of its members', in the order of ``EmotionClassifier.labels``.
    score : torch.Tensor
        (batch,), the highest probability.
    index : torch.Tensor
        (batch,), the class that has it.
    labels : list of str
        The name of that class, one per item; None where the model abstains, and where nobody speaks.
    """

    probabilities: torch.Tensor
    score: torch.Tensor
    index: torch.Tensor  # type: ignore[assignment]  # SpeechBrain's name hides tuple.index
    labels: list[str | None]


class Prediction(NamedTuple):
    """What :meth:`EmotionClassifier.predict` returns: plain Python values for one recording.

    Arguments
    ---------
    label : str or None
        None where the model abstains, and where nobody speaks; then the next two are None as well.
    probability : float or None
        The highest one.
    probabilities : dict or None
        By class name.
    """

    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None


class EmotionClassifier(RecordingModel[Classification, Prediction, Window]):
    """A trained model that names the emotion of whole recordings.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``compute_features``, ``mean_var_norm``, ``embedding_model``, ``classifier``.
    labels : sequence of str
        Class names in the order of the classifier's outputs.
    device : str or torch.device
        Where to compute.
    abstain_below : float
        0..1: a recording whose highest probability is lower gets the label None. The card of a model says how many
        recordings of its corpus that would have answered, and how many of those rightly.
    others : sequence of torch.nn.ModuleDict
        Further members of an ensemble, whose probabilities are averaged.
    any_sound : bool
        Name an emotion also where nobody speaks: see :func:`ser_plugins.sound.voice.holds_speech`.

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
    >>> model = EmotionClassifier(modules, ["anger", "sadness", "neutral"], any_sound=True)
    >>> probabilities, score, index, labels = model.classify_batch(torch.randn(2, 16000), torch.tensor([1.0, 0.5]))
    >>> probabilities.shape, round(float(probabilities[0].sum()), 4), labels[0] == model.labels[index[0]]
    (torch.Size([2, 3]), 1.0, True)
    >>> model.predict([torch.randn(8000), torch.randn(2, 16000).numpy()], sample_rate=8000)[1].label in model.labels
    True
    """

    heads, window = CLASSIFIERS, Window

    def __init__(
        self,
        modules: torch.nn.ModuleDict,
        labels: Sequence[str],
        device: str | torch.device = "cpu",
        *,
        abstain_below: float = 0.0,
        others: Sequence[torch.nn.ModuleDict] = (),
        any_sound: bool = False,
    ) -> None:
        super().__init__(modules, device, others, any_sound)
        if not 0 <= abstain_below <= 1:
            raise SerError(
                got=f"abstain_below={abstain_below}", expected="a probability, 0 to 1", remedy="correct the option"
            )
        self.labels: list[str] = list(labels)
        self.abstain_below = abstain_below

    @staticmethod
    def _meaning(model):
        return model.labels

    def _result(self, outputs, speech) -> Classification:
        probabilities = outputs.exp().mean(dim=0)  # (batch, classes)
        score, index = probabilities.max(dim=-1)
        sure = (score >= self.abstain_below).tolist()
        places = zip(index.tolist(), sure, speech, strict=True)
        labels = [self.labels[place] if certain and spoken else None for place, certain, spoken in places]
        return Classification(probabilities, score, index, labels)

    def _predictions(self, result: Classification) -> list[Prediction]:
        rows = zip(result.labels, result.score.tolist(), result.probabilities.tolist(), strict=True)
        return [Prediction(label, score, dict(zip(self.labels, row, strict=True))) for label, score, row in rows]


class Sentiment(NamedTuple):
    """What ``classify_*`` of :class:`SentimentRegressor` return.

    Arguments
    ---------
    score : torch.Tensor
        (batch,), on the scale that the model was trained on.
    polarity : list
        ``negative``, ``neutral`` or ``positive``, as the scale has it, one per item; None on a scale without polarity,
        and where nobody speaks.
    """

    score: torch.Tensor
    polarity: list[str | None]


class SentimentPrediction(NamedTuple):
    """What :meth:`SentimentRegressor.predict` returns: plain Python values, both None where nobody speaks."""

    score: float | None
    polarity: str | None


class SentimentRegressor(RecordingModel[Sentiment, SentimentPrediction, SentimentWindow]):
    """A trained model that rates whole recordings with a number.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``compute_features``, ``mean_var_norm``, ``embedding_model``, ``classifier``.
    scale : str
        Of :data:`ser_plugins.scales.SCALES`.
    device : str or torch.device
        Where to compute.
    others : sequence of torch.nn.ModuleDict
        Further members of an ensemble, whose scores are averaged.
    any_sound : bool
        Rate also what does not sound like speech.

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
    >>> model = SentimentRegressor(modules, "mosi", any_sound=True)
    >>> score, polarity = model.classify_batch(torch.randn(2, 16000), torch.tensor([1.0, 0.5]))
    >>> score.shape, polarity[0] == ("positive" if score[0] > 0 else "negative")
    (torch.Size([2]), True)
    """

    heads, window = (RegressionHead,), SentimentWindow

    def __init__(
        self,
        modules: torch.nn.ModuleDict,
        scale: str,
        device: str | torch.device = "cpu",
        *,
        others: Sequence[torch.nn.ModuleDict] = (),
        any_sound: bool = False,
    ) -> None:
        super().__init__(modules, device, others, any_sound)
        self.scale: Scale = scale_named(scale)

    @staticmethod
    def _meaning(model):
        return model.scale

    def _result(self, outputs, speech) -> Sentiment:
        score = outputs.mean(dim=0).squeeze(-1)  # (batch,)
        numbers = zip(score.tolist(), speech, strict=True)
        return Sentiment(score, [self.scale.polarity(number) if spoken else None for number, spoken in numbers])

    def _predictions(self, result: Sentiment) -> list[SentimentPrediction]:
        return [SentimentPrediction(*row) for row in zip(result.score.tolist(), result.polarity, strict=True)]


def open_model(
    source: str | Path | None = None, device: str | torch.device | None = None, **options: Any
) -> EmotionClassifier | SentimentRegressor:
    """Load a folder that ``ser export`` wrote, or a model in the package by its name; see ``from_hparams``.

    Example
    -------
    >>> open_model(device="cpu", abstain_below=0.5).labels  # the bundled model
    ['anger', 'boredom', 'disgust', 'fear', 'happiness', 'neutral', 'sadness']
    """
    model = load_model(source)
    kind = next(kind for kind in (EmotionClassifier, SentimentRegressor) if kind.fits(model))
    unknown = [name for name in options if name != "any_sound"]
    if kind is SentimentRegressor and unknown:
        raise SerError(
            got=f"{', '.join(unknown)} for a model of sentiment",
            expected="a model that gives probabilities",
            remedy="leave it out",
        )
    return kind.of(model, device, **options)
