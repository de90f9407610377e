"""The header of a model card, in YAML, by which the Hugging Face hub lists a model and shows its scores.

The keys are those of https://huggingface.co/docs/hub/model-cards. What is not known is left out.
"""

import re

from ser_plugins.evaluation.metrics.scores import SCORES
from ser_plugins.export.licences import licences_in
from ser_plugins.inference.loading import FENCE

# What the hub calls our scores. WA is the recall over all utterances, UAR the mean of the classes' recalls.
_METRICS = {
    "WA": {"type": "accuracy"},
    "UAR": {"type": "recall", "args": {"average": "macro"}},
    "macro_F1": {"type": "f1", "args": {"average": "macro"}},
    "MAE": {"type": "mae"},
    "r": {"type": "pearsonr"},
    "CCC": {"type": "concordance_correlation"},
}


def front_matter(facts: dict) -> str:
    """Write the header of a card.

    Arguments
    ---------
    facts : dict
        The content of ``model.json``.

    Returns
    -------
    str
        From ``---`` to ``---``. Scores are fractions, or points of the scale, with four decimals.
    """
    import yaml  # those who only read cards go without

    about = facts.get("about_corpus", {})
    encoders = [name for name in facts.get("pretrained", ()) if re.fullmatch(r"[\w.-]+/[\w.-]+", name)]
    header = {
        **_licence(facts),
        "library_name": "ser_plugins",
        "pipeline_tag": "audio-classification",
        **({"language": about["language"]} if "language" in about else {}),
        **({"datasets": [facts["corpus"]]} if re.fullmatch(r"[\w.-]+", facts["corpus"]) else {}),
        **({"base_model": encoders} if encoders else {}),
        "tags": ["speech-emotion-recognition" if facts["classes"] else "speech-sentiment-analysis", "speechbrain"],
        **_model_index(facts),
    }
    return FENCE + yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000) + FENCE


def _licence(facts):
    """The licence that binds whoever passes the model on, as far as corpus and encoders decide on it."""
    licences = licences_in(facts)
    if None in licences.values():
        return {}
    names = [name for name in dict.fromkeys(licences.values()) if name != "CC0-1.0"] or ["CC0-1.0"]
    if len(names) == 1 and re.fullmatch(r"[\w.-]+", names[0]):
        return {"license": names[0].lower()}  # an identifier of SPDX, which the hub has in small letters
    return {"license": "other", "license_name": "; ".join(names)}


def _model_index(facts):
    """Leaking scores are left out: the hub would show them without the warning of the card."""
    if facts["metrics"] is None or facts["leaking"]:
        return {}
    scores = SCORES["classes" if facts["classes"] else facts["scale"]]
    metrics = [
        {**_METRICS.get(key, {"type": key.lower()}), "name": score.label, "value": round(facts["metrics"][key], 4)}
        for key, score in scores.items()
        if facts["metrics"][key] is not None
    ]
    dataset = {"type": facts["corpus"], "name": facts["corpus"]}
    task = {"type": "audio-classification"}
    return {
        "model-index": [{"name": facts["system"], "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}]
    }
