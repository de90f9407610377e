"""What an exported model says of itself, ``model.json``: :mod:`ser_plugins.export` writes it, all others read it."""

import json
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from ser_plugins.cautions import CAUTIONS
from ser_plugins.corpora.about import AboutCorpus
from ser_plugins.errors import SerError
from ser_plugins.inference.card_kinds import FORMAT, KINDS, SCHEMA
from ser_plugins.inference.card_scores import CardParts
from ser_plugins.typed_json import noun_json, read_noun

# What cards of version 0.1.0 may lack, all of them of classes.
_BEFORE = {
    "task": "classification",
    "target": "emotion",
    "scale": None,
    "transductive": False,
    "partial": False,
    "statements": [],
}
_NAMES = {"format": FORMAT, "schema": SCHEMA}


@dataclass(frozen=True)
class ThisModel:
    """The fold whose weights are in a folder.

    Arguments
    ---------
    fold, unit : str
        Its name, and what folds hold out; the fold is None for an ensemble.
    seed, epoch : int
        With which it was trained, and the epoch of its weights; None for an ensemble.
    chosen : str
        Why this one.
    train_utterances, test_utterances : int
        How many.
    metrics : dict
        Its own scores on its test set; None where it has none, or for an ensemble.
    """

    fold: str | None
    seed: int | None
    unit: str
    chosen: str
    train_utterances: int
    test_utterances: int
    epoch: int | None
    metrics: dict[str, float | None] | None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "ThisModel":
        """Read it from a card; other keys are left out."""
        return cls(**{name: content[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class ModelCard(CardParts):
    """What is known of a model, with what :class:`CardParts` has.

    Arguments
    ---------
    system, corpus : str
        What was trained, on what.
    task, target : str
        ``classification`` or ``regression``, and of what.
    classes : tuple of str
        In the order of the outputs; empty for a number.
    scale : str
        Of a number, one of :data:`ser_plugins.scales.SCALES`; else None.
    synthetic, leaking, transductive, partial : bool
        What must be said beside every score: :mod:`ser_plugins.cautions`.
    statements : tuple of str
        What else the corpus has to say.
    protocol_line : str
        How it was measured, in one line; ``not measured``.
    whole_protocol : bool
        Whether the scores are of all folds of the protocol, or of one.
    metrics, intervals : dict
        Scores by name, as fractions or points of the scale, and their 95 % intervals; None where nothing was measured.
    files : dict
        SHA-256 of each file of the folder by name.
    calibration, temperature
        What was measured of the probabilities, and what the logits are divided by.
    precision : str
        How weights are kept: ``float32``, ``float16`` or ``int8``.
    parameters, sample_rate, min_samples : int
        Numbers of the weights, Hz, and the samples of the shortest recording.
    reads : str
        ``alone``: words, without sound; ``too``: words beside sound; empty: sound alone.
    exported_with, versions : dict
        Versions of packages at the export and at the training.
    corpus_sha256, about_corpus, unit_field
        The corpus: a digest, what it says of itself, and the field that says which recordings are independent.
    pretrained : tuple of str
        Names of the models that a part of this one was taken from.
    protocol_hash : str
        Of :class:`ser_plugins.evaluation.runs.definition.TestDefinition`; None unless the whole protocol was measured.
    tested_utterances, per_class, intervals_made_by, baselines
        The rest of the measurement.
    this_model : ThisModel
        Of the fold whose weights these are; None where nothing was measured.
    audit, settings_sha256 : str
        What the auditor found in the split; a digest of the settings.
    members : dict
        Of an ensemble, the SHA-256 of each member's own ``model.json`` by the name of its folder; else empty.
    robustness : dict
        Scores under other conditions, where they were measured.
    """

    system: str
    task: str
    target: str
    classes: tuple[str, ...]
    scale: str | None
    corpus: str
    synthetic: bool
    leaking: bool
    transductive: bool
    partial: bool
    statements: tuple[str, ...]
    protocol_line: str
    whole_protocol: bool
    metrics: dict[str, float | None] | None
    intervals: dict[str, list[float] | None] | None
    files: dict[str, str] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    temperature: float = 1.0
    precision: str = "float32"
    parameters: int = 0
    sample_rate: int | None = None
    min_samples: int | None = None
    reads: str = ""
    exported_with: dict[str, str] = field(default_factory=dict)
    corpus_sha256: str = ""
    about_corpus: AboutCorpus = field(default_factory=AboutCorpus)
    unit_field: str = "speaker"
    pretrained: tuple[str, ...] = ()
    protocol_hash: str | None = None
    tested_utterances: int = 0
    per_class: dict[str, dict[str, float | None]] | None = None
    intervals_made_by: dict[str, Any] = field(default_factory=dict)
    baselines: tuple[dict[str, Any], ...] = ()
    this_model: ThisModel | None = None
    audit: str = ""
    settings_sha256: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    robustness: dict[str, Any] | None = None

    @classmethod
    def unmeasured(
        cls, system: str, corpus: str, labels: Sequence[str], scale: str | None = None, **others: Any
    ) -> "ModelCard":
        """The card of a model of whose scores nothing is known.

        Arguments
        ---------
        system, corpus, scale
            As above.
        labels : sequence of str
            The classes; with a scale the name of the number.
        others
            What else is known, by name.

        Example
        -------
        >>> ModelCard.unmeasured("bigru", "my own", ["calm", "angry"]).metrics is None
        True
        """
        return cls(
            system=system,
            task="regression" if scale else "classification",
            target=labels[0] if scale else "emotion",
            classes=() if scale else tuple(labels),
            scale=scale,
            corpus=corpus,
            synthetic=False,
            leaking=False,
            transductive=False,
            partial=False,
            statements=(),
            protocol_line="not measured",
            whole_protocol=False,
            metrics=None,
            intervals=None,
            **others,
        )

    @property
    def min_seconds(self) -> float | None:
        """Of the shortest recording; None where the card does not say it."""
        return self.min_samples / self.sample_rate if self.min_samples and self.sample_rate else None

    @property
    def cautions(self) -> list[str]:
        """Those of :data:`ser_plugins.cautions.CAUTIONS` that hold."""
        return [word for word in CAUTIONS if getattr(self, word.lower())]

    def to_json(self) -> dict[str, Any]:
        """The content of ``model.json``."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        values |= {"about_corpus": self.about_corpus.to_json(), "min_seconds": self.min_seconds}
        parts = noun_json(CardParts(**{name: getattr(self, name) for name in _PARTS}))
        said = {key: value for key, value in values.items() if key in _REQUIRED or value not in _NOT_SAID}
        return {**_NAMES, **{key: value for key, value in said.items() if key not in _PARTS}, **parts}

    @classmethod
    def from_json(cls, content: dict[str, Any], path) -> "ModelCard":
        """Read what :meth:`to_json` has made, in this version or an earlier one; other keys are left out.

        Raises
        ------
        SerError
            A key that is missing or holds another kind of value; ``path`` is named in it.
        """
        content = {**_BEFORE, **content}
        for key in (*_NAMES, "files", *_REQUIRED):
            if key not in content:
                raise _odd(path, f"no {key}", f"{key}: {KINDS[key][1]}")
        for key, (fits, kind) in KINDS.items():
            if key in content and not fits(content[key]):
                raise _odd(path, f"{key}: {content[key]!a:.100}", f"{key}: {kind}")
        number = content["task"] == "regression"
        if number == bool(content["classes"]) or number != (content["scale"] is not None):
            got = f"{content['task']}, classes {content['classes']!a:.100}, scale {content['scale']}"
            raise _odd(path, got, "classes for a classification, a scale for a regression")
        values = {name: content[name] for name in cls.__dataclass_fields__ if name in content}
        values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        values["classes"] = tuple(content["classes"] or ())
        values["about_corpus"] = AboutCorpus.from_json(content.get("about_corpus", {}))
        if "this_model" in content:
            values["this_model"] = ThisModel.from_json(content["this_model"])
        parts = read_noun(CardParts, content, lambda got, expected: _odd(path, got, expected))
        return cls(**{**values, **vars(parts)})


_PARTS = [entry.name for entry in fields(CardParts)]
_REQUIRED = [entry.name for entry in fields(ModelCard) if entry.default is MISSING and entry.default_factory is MISSING]
_NOT_SAID = (None, "", 0, [], {})  # optional values that stand for nothing known


def read_card(content: bytes, path) -> ModelCard:
    """Read a file ``model.json``.

    Raises
    ------
    SerError
        No JSON, keys twice, numbers that are not finite, or as :meth:`ModelCard.from_json`.

    Example
    -------
    >>> read_card(b'["format"]', "model.json")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: model.json: a list; expected: JSON as ser export writes it, an object; remedy: \
export the model again
    """
    try:
        values = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise _odd(path, str(error)[:200] or type(error).__name__, "an object") from None
    if not isinstance(values, dict):
        raise _odd(path, f"a {type(values).__name__}", "an object")
    return ModelCard.from_json(values, path)


def _once(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def _no_constant(name):
    raise ValueError(f"the number {name}")


def _odd(path, got, expected):
    return SerError(
        got=f"{path}: {got}", expected=f"JSON as ser export writes it, {expected}", remedy="export the model again"
    )
