"""What kind of value each key of ``model.json`` has, so that an odd file is one error and no surprise anywhere else."""

from collections.abc import Callable
from typing import Any

from ser_plugins.scales import SCALES

FORMAT = "ser_plugins model"
SCHEMA = 1
MAX_MEMBERS = 2**10

Kind = tuple[Callable[[Any], bool], str]  # whether a value is of the kind, and the kind in words


def _is_text(value):
    return isinstance(value, str) and value.encode("utf-8", "ignore").decode("utf-8") == value


def _is_texts(value):
    return isinstance(value, list) and all(map(_is_text, value))


def _is_texts_by_name(value):
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_truth(value):
    return isinstance(value, bool)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e30  # not NaN either


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_scores(value):
    return isinstance(value, dict) and all(score is None or _is_number(score) for score in value.values())


def _is_scores_by_class(value):
    return isinstance(value, dict) and all(map(_is_scores, value.values()))


def _is_interval(value):
    return value is None or (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)))


def _is_intervals(value):
    return isinstance(value, dict) and all(map(_is_interval, value.values()))


def _is_methods(value):
    return isinstance(value, dict) and all(_is_text(entry) or _is_number(entry) for entry in value.values())


def _is_baselines(value):
    return isinstance(value, list) and all(
        isinstance(row, dict) and all(_is_text(entry) or entry is None or _is_number(entry) for entry in row.values())
        for row in value
    )


def _is_calibration(value):
    return isinstance(value, dict) and {"temperature", "bins", "raw", "calibrated"} <= value.keys()


def _is_hashes(value):
    return isinstance(value, dict) and all(
        _is_name(name) and isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        for name, digest in value.items()
    )


def _is_name(name):
    """One part of a path, and no other on any system: no separators, not hidden, nothing that cannot be printed."""
    return name.isprintable() and not name.startswith(".") and not set(name) & set("/\\") and 0 < len(name) <= 255


def _is_robustness(value):
    return (
        isinstance(value, dict)
        and value.keys() == {"recordings", "conditions", "timeline"}
        and _is_count(value["recordings"])
        and _is_number(value["timeline"])
        and isinstance(value["conditions"], dict)
        and all(
            _is_text(name) and isinstance(row, dict) and row.keys() == {"WA", "UAR", "no_speech"} and _is_scores(row)
            for name, row in value["conditions"].items()
        )
    )


def _is_this_model(value):
    return isinstance(value, dict) and all(key in value and fits(value[key]) for key, (fits, _) in THIS_MODEL.items())


def _or_null(kind: Kind) -> Kind:
    fits, words = kind
    return lambda value: value is None or fits(value), f"{words} or null"


_TEXT: Kind = (_is_text, "a text")
_TEXTS: Kind = (_is_texts, "texts")
_TEXTS_BY_NAME: Kind = (_is_texts_by_name, "texts by name")
_TRUTH: Kind = (_is_truth, "true or false")
_COUNT: Kind = (_is_count, "a whole number")
_SCORES: Kind = (_is_scores, "scores by name")

THIS_MODEL: dict[str, Kind] = {
    "fold": _or_null(_TEXT),
    **dict.fromkeys(("unit", "chosen"), _TEXT),
    **dict.fromkeys(("seed", "epoch"), _or_null(_COUNT)),
    **dict.fromkeys(("train_utterances", "test_utterances"), _COUNT),
    "metrics": _or_null(_SCORES),
}
KINDS: dict[str, Kind] = {
    "format": (lambda value: value == FORMAT, repr(FORMAT)),
    "schema": (lambda value: _is_count(value) and value == SCHEMA, str(SCHEMA)),
    "files": (_is_hashes, "names of files with their SHA-256"),
    "members": (lambda value: _is_hashes(value) and 0 < len(value) <= MAX_MEMBERS, "folders with the SHA-256 of each"),
    "task": (lambda value: value in ("classification", "regression"), "classification or regression"),
    "classes": _or_null((_is_texts, "labels")),
    "scale": _or_null((lambda value: _is_text(value) and value in SCALES, ", ".join(SCALES))),
    **dict.fromkeys(("system", "corpus", "target", "protocol_line"), _TEXT),
    **dict.fromkeys(("corpus_sha256", "unit_field", "audit", "precision", "settings_sha256"), _TEXT),
    "protocol_hash": _or_null(_TEXT),
    "statements": _TEXTS,
    "pretrained": (_is_texts, "names of models"),
    **dict.fromkeys(("about_corpus", "versions", "exported_with"), _TEXTS_BY_NAME),
    "robustness": (_is_robustness, "scores by condition"),
    **dict.fromkeys(("synthetic", "leaking", "transductive", "partial", "whole_protocol"), _TRUTH),
    "metrics": _or_null(_SCORES),
    "intervals": _or_null((_is_intervals, "pairs of numbers by name")),
    "intervals_made_by": (_is_methods, "texts by name"),
    "baselines": (_is_baselines, "a list of scores by name"),
    "per_class": _or_null((_is_scores_by_class, "scores by class")),
    "calibration": _or_null((_is_calibration, "what was measured of the probabilities")),
    "temperature": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    "this_model": (_is_this_model, f"an object with {', '.join(THIS_MODEL)}"),
    **dict.fromkeys(("sample_rate", "min_samples", "parameters", "tested_utterances"), _COUNT),
}
