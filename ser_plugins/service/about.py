"""What the service says of its model: what it takes and gives, how it was measured, and the card."""

from ser_plugins.cautions import CAUTIONS
from ser_plugins.inference.card_scores import CorpusScore
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.inference.texts import use_of_text
from ser_plugins.palette import colours_of
from ser_plugins.service.schemas import About, Facts, Score, TrainedOn

POLARITIES = ("negative", "neutral", "positive")


def about_model(model, card: str, limits) -> About:
    """The reply of ``GET /model``.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        Of either kind.
    card : str
        The model card, in markdown.
    limits : ser_plugins.service.uploads.Limits
        Of the service.
    """
    labels = list(getattr(model, "labels", ()))
    return About(
        card=card,
        strangers=model.strangers,
        labels=labels,
        colours=colours_of(labels or POLARITIES),
        text=use_of_text(model.members),
        facts=facts_of(model.model_card) if model.model_card else None,
        sample_rate=model.sample_rate,
        limits=limits._asdict(),
    )


def facts_of(card: ModelCard) -> Facts:
    """Three facts of a model card: what it was trained on, and its scores on other speakers and on strangers.

    Arguments
    ---------
    card : ModelCard
        Of any model.

    Example
    -------
    >>> facts = facts_of(ModelCard.unmeasured("bigru", "my own", ["calm", "angry"]))
    >>> facts.corpora, facts.measure, facts.speakers, facts.strangers
    ([TrainedOn(name='my own', language='')], 'UAR', [], [])
    """
    corpora = [TrainedOn(name=corpus.name, language=corpus.language) for corpus in card.corpora]
    return Facts(
        cautions=[word for word in CAUTIONS if getattr(card, word.lower())],
        recordings=card.this_model.train_utterances if card.this_model else None,
        corpora=corpora or [TrainedOn(name=card.corpus, language=card.about_corpus.language)],
        measure=_measure(card),
        speakers=[_score(score) for score in card.by_corpus] or _whole(card),
        strangers=[_score(score) for score in card.strangers.corpora] if card.strangers else [],
    )


def _measure(card):
    return "MAE" if card.task == "regression" else "UAR"


def _score(score: CorpusScore):
    interval = None if score.interval is None else list(score.interval)
    return Score(corpus=score.corpus, score=score.uar, interval=interval, classes=score.classes)


def _whole(card):
    """The score of a model of one corpus, where it was measured."""
    if not card.metrics:
        return []
    name = _measure(card)
    interval = (card.intervals or {}).get(name)
    return [Score(corpus=card.corpus, score=card.metrics.get(name), interval=interval, classes=len(card.classes))]
