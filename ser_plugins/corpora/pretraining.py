"""What pretrained models have heard before: a register of models, their data, and whether our corpora are in these.

A system whose front end is pretrained was trained on more than its training folds. Every protocol line, table and card
of such a system says on what, and whether the corpus that it is tested on can have been a part of that. The register is
``pretraining.json`` beside this file; what it does not know is ``unknown``. Of each corpus it says:

- ``yes``, or ``no``: all that the model was trained on is named, and this corpus is none of it;
- ``unlikely, not excluded``: some of it is from the web and not listed; the corpus is distributed to researchers;
- ``not excluded``: the same, and the corpus itself was collected from videos, films or television, or is in a
  collection that training data were taken from;
- ``unknown``: nobody has looked.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ser_plugins.errors import SerError
from ser_plugins.files import read_json

REGISTER = Path(__file__).with_suffix(".json")
UNKNOWN = "unknown"
NOT_SAID = "not said"  # the corpus of a model whose owner has not named it
ANSWERS = ("yes", "no", "unlikely, not excluded", "not excluded", UNKNOWN)
_LABELS = {"no": "no emotion labels", "yes": "with emotion labels", UNKNOWN: "emotion labels unknown"}


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """What one model was trained on.

    Arguments
    ---------
    data : str
        In words.
    emotion_labels : str
        Whether any of it had them: ``yes``, ``no`` or ``unknown``.
    labels : str
        Of which kind all labels were, such as ``transcripts``; ``none`` of a self-supervised model.
    unknown : str
        What the source leaves open; empty where all is named.
    corpora : dict
        One of :data:`ANSWERS` by the name of a corpus.
    source : dict, optional
        Where that is said: ``title``, ``year`` and ``url``.
    """

    data: str
    emotion_labels: str
    labels: str
    unknown: str
    corpora: dict[str, str]
    source: dict[str, Any] | None


_NOT_REGISTERED = Pretraining(
    data=f"{UNKNOWN} data", emotion_labels=UNKNOWN, labels=UNKNOWN, unknown="everything", corpora={}, source=None
)


def pretraining_of(model: str) -> Pretraining:
    """What the register says of a model.

    Example
    -------
    >>> found = pretraining_of("openai/whisper-base")
    >>> found.data, found.source["year"]
    ('680,000 h of undisclosed web audio with transcripts', 2022)
    >>> pretraining_of("someone/something").data
    'unknown data'
    """
    return _register().get(model, _NOT_REGISTERED)


def description_of(model: str) -> str:
    """A model, its data, and whether these had emotion labels, in one line.

    Example
    -------
    >>> print(description_of("microsoft/wavlm-base"))
    microsoft/wavlm-base on 960 h of read books (LibriSpeech), no emotion labels
    """
    pretraining = pretraining_of(model)
    return f"{model} on {pretraining.data}, {_LABELS[pretraining.emotion_labels]}"


def contamination_line(model: str, corpus: str) -> str:
    """As :func:`description_of`, and, unless it is ``NOT_SAID``, whether a corpus can have been in the data.

    Arguments
    ---------
    model : str
        Such as ``openai/whisper-base``.
    corpus : str
        As a protocol names it: the name of a corpus or of a CSV file.

    Example
    -------
    >>> print(contamination_line("openai/whisper-base", "EmoDB"))
    openai/whisper-base on 680,000 h of undisclosed web audio with transcripts, no emotion labels; EmoDB in it: \
unlikely, not excluded
    >>> print(contamination_line("someone/something", "EmoDB"))
    someone/something on unknown data, emotion labels unknown; EmoDB in it: unknown
    """
    if corpus == NOT_SAID:
        return description_of(model)
    answers = {_plain(name): answer for name, answer in pretraining_of(model).corpora.items()}
    return f"{description_of(model)}; {corpus} in it: {answers.get(_plain(corpus), UNKNOWN)}"


def contamination_lines(models: Iterable[str], corpus: str) -> list[str]:
    """One line for each pretrained model of a protocol, or of a model card: none for a system without any.

    Example
    -------
    >>> print(*contamination_lines(["microsoft/wavlm-base"], "EmoDB"))
    pretrained: microsoft/wavlm-base on 960 h of read books (LibriSpeech), no emotion labels; EmoDB in it: no
    """
    return [f"pretrained: {contamination_line(model, corpus)}" for model in models]


def source_of(model: str) -> str:
    """Where the register has it from, in one line; empty for a model that it does not know.

    Example
    -------
    >>> print(source_of("microsoft/wavlm-base"))
    Chen et al., WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing, 2021, \
https://arxiv.org/abs/2110.13900
    """
    source = pretraining_of(model).source
    return ", ".join(str(source[key]) for key in ("title", "year", "url")) if source else ""


def registered(name: str) -> str:
    """The model of the register that a name means: its whole name, or what stands after the owner.

    Raises
    ------
    SerError
        A name that is none, or is that of several owners' models of different data.

    Example
    -------
    >>> registered("whisper-base"), registered("facebook/hubert-base-ls960")
    ('openai/whisper-base', 'facebook/hubert-base-ls960')
    """
    models = _register()
    found = [model for model in models if name.casefold() in (model.casefold(), model.casefold().rpartition("/")[2])]
    if not found or any(models[model] != models[found[0]] for model in found):
        raise SerError(
            got=f"the pretrained model {name}: " + (" or ".join(found) or "not in the register"),
            expected="one of " + ", ".join(models),
            remedy="correct the name; of other models nothing is known here",
        )
    return found[0]


def register_lines(name: str, corpus: str = NOT_SAID) -> list[str]:
    """All that the register says of a model, a line each.

    Arguments
    ---------
    name : str
        As :func:`registered` takes it.
    corpus : str
        Whether that can have been in the data; without it, all corpora of the register.

    Example
    -------
    >>> register_lines("spkrec-ecapa-voxceleb", "EmoDB")[1:]  # doctest: +ELLIPSIS
    ['labels: speakers', 'source: Model card of speechbrain/spkrec-ecapa-voxceleb, 2021, https:...']
    """
    model = registered(name)
    pretraining = pretraining_of(model)
    lines = [*contamination_lines([model], corpus), f"labels: {pretraining.labels}"]
    if corpus == NOT_SAID:
        lines += [f"{name} in it: {answer}" for name, answer in pretraining.corpora.items()]
    if pretraining.unknown:
        lines.append(f"unknown: {pretraining.unknown}")
    return [*lines, f"source: {source_of(model)}"]


def pretrained_in(front_end) -> list[str]:
    """The names of the pretrained models in a module: its attribute ``pretrained``, and those of its modules.

    Arguments
    ---------
    front_end : torch.nn.Module
        What a recipe calls ``compute_features``, ``compute_functionals`` or ``embedding_model``.

    Returns
    -------
    list of str
        Empty for a spectrogram.
    """
    names = (getattr(module, "pretrained", None) for module in front_end.modules())
    return [name for name in names if isinstance(name, str)]


def pretrained_key(models: Iterable[str]) -> dict[str, list[str]]:
    """The key ``pretrained`` of a protocol: each model once, sorted; no key at all where there is none.

    Example
    -------
    >>> pretrained_key(["b", "a", "b"]), pretrained_key([])
    ({'pretrained': ['a', 'b']}, {})
    """
    names = sorted(set(models))
    return {"pretrained": names} if names else {}


@cache
def _register() -> dict[str, Pretraining]:
    entries = read_json(REGISTER)
    return {
        model: Pretraining(**{key: value for key, value in entry.items() if key != "models"})
        for entry in entries
        for model in entry["models"]
    }


def _plain(corpus: str) -> str:
    """A corpus by its letters and digits alone: ``CREMA-D``, ``cremad`` and ``crema_d.csv`` are one."""
    return re.sub(r"\.csv$|[\W_]", "", corpus.casefold())
