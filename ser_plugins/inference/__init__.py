"""A trained model in use: files or waveforms in; probabilities of emotions, or a sentiment, out."""

from ser_plugins.errors import SerError
from ser_plugins.inference.classifiers import (
    BOX,
    BUNDLED,
    SILENCE,
    Classification,
    EmotionClassifier,
    Prediction,
    Sentiment,
    SentimentPrediction,
    SentimentRegressor,
    open_model,
)

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
