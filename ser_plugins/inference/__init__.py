"""A trained model in use: files or waveforms in; probabilities of emotions, or a sentiment, out."""

from ser_plugins.errors import SerError
from ser_plugins.inference.classifiers import (
    Classification,
    EmotionClassifier,
    Prediction,
    Sentiment,
    SentimentPrediction,
    SentimentRegressor,
    open_model,
)
from ser_plugins.inference.loading import BOX, BUNDLED
from ser_plugins.sound.usable import SILENCE

__all__ = [
    "BOX",
    "BUNDLED",
    "SILENCE",
    "Classification",
    "EmotionClassifier",
    "Prediction",
    "Sentiment",
    "SentimentPrediction",
    "SentimentRegressor",
    "SerError",
    "open_model",
]
