"""The header of a model card, in YAML, by which the Hugging Face hub lists a model and shows its scores.

The keys are those of https://huggingface.co/docs/hub/model-cards. What is not known is left out.
"""

import re
from copy import deepcopy

from ser_plugins.evaluation.metrics.tasks import task_of
from ser_plugins.export.licences import licences_in
from ser_plugins.inference.loading import FENCE
from ser_plugins.inference.model_card import ModelCard

# What the hub calls our scores. WA is the recall over all utterances, UAR the mean of the classes' recalls.
_METRICS = {
    "WA": {"type": "accuracy"},
    "UAR": {"type": "recall", "args": {"average": "macro"}},
    "macro_F1": {"type": "f1", "args": {"average": "macro"}},
    "MAE": {"type": "mae"},
    "r": {"type": "pearsonr"},
    "CCC": {"type": "concordance_correlation"},
}


def front_matter(card: ModelCard) -> str:
    """Write the header of a card.

    Returns
    -------
    str
        From ``---`` to ``---``. Scores are fractions, or points of the scale, with four decimals.
    """
    import yaml  # those who only read cards go without

    corpora = [corpus.name for corpus in card.corpora] or [card.corpus]
    datasets = [name for name in corpora if re.fullmatch(r"[\w.-]+", name)]
    languages = sorted({corpus.language for corpus in card.corpora} - {""})
    language = languages or card.about_corpus.language
    encoders = [name for name in card.pretrained if re.fullmatch(r"[\w.-]+/[\w.-]+", name)]
    header = {
        **_licence(card),
        "library_name": "ser_plugins",
        "pipeline_tag": "audio-classification",
        **({"language": language} if language else {}),
        **({"datasets": datasets} if datasets else {}),
        **({"base_model": encoders} if encoders else {}),
        "tags": ["speech-emotion-recognition" if card.classes else "speech-sentiment-analysis", "speechbrain"],
        **_model_index(card),
    }
    return FENCE + yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000) + FENCE


def _licence(card):
    """The licence that binds whoever passes the model on, as far as corpus and encoders decide on it."""
    licences = licences_in(card)
    if None in licences.values():
        return {}
    names = [name for name in dict.fromkeys(licences.values()) if name != "CC0-1.0"] or ["CC0-1.0"]
    if len(names) == 1 and re.fullmatch(r"[\w.-]+", names[0]):
        return {"license": names[0].lower()}  # an identifier of SPDX, which the hub has in small letters
    return {"license": "other", "license_name": "; ".join(names)}


def _model_index(card):
    """Leaking scores are left out: the hub would show them without the warning of the card."""
    if card.metrics is None or card.leaking:
        return {}
    if card.by_corpus:  # which all of them together say little about
        results = [_result(score.corpus, {"UAR": ("UAR", score.uar)}) for score in card.by_corpus]
    else:
        scores = task_of(card.task, card.classes, card.scale).scores
        values = {key: (score.label, card.metrics[key]) for key, score in scores.items()}
        results = [_result(card.corpus, values)]
    return {"model-index": [{"name": card.system, "results": results}]}


def _result(corpus, values):
    metrics = [
        {**deepcopy(_METRICS.get(key, {"type": key.lower()})), "name": label, "value": round(value, 4)}
        for key, (label, value) in values.items()
        if value is not None
    ]
    dataset = {"type": corpus, "name": corpus}
    return {"task": {"type": "audio-classification"}, "dataset": dataset, "metrics": metrics}
