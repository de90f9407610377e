"""Reads ``model.json``, what an exported model says of itself, and refuses one of another shape.

Every key that the product reads has a kind, so that an odd file is one error here and no surprise anywhere else.
"""

import json

from ser_plugins.errors import SerError
from ser_plugins.scales import SCALES

FORMAT = "ser_plugins model"
MAX_MEMBERS = 2**10
# What cards of version 0.1.0 may lack, all of them of classes.
_BEFORE = {"scale": None, "transductive": False, "partial": False, "statements": []}


def _is_text(value):
    return isinstance(value, str) and value.encode("utf-8", "ignore").decode("utf-8") == value


def _is_texts(value):
    return isinstance(value, list) and all(map(_is_text, value))


def _is_truth(value):
    return isinstance(value, bool)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e30  # not NaN either


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_scores(value):
    return isinstance(value, dict) and all(score is None or _is_number(score) for score in value.values())


def _is_interval(value):
    return value is None or (isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)))


def _is_intervals(value):
    return isinstance(value, dict) and all(map(_is_interval, value.values()))


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


def _is_about(value):
    return isinstance(value, dict) and all(map(_is_text, value.values()))


_KINDS = {
    "format": (lambda value: value == FORMAT, repr(FORMAT)),
    "schema": (lambda value: _is_count(value) and value == 1, "1"),
    "files": (_is_hashes, "names of files with their SHA-256"),
    "members": (lambda value: _is_hashes(value) and 0 < len(value) <= MAX_MEMBERS, "folders with the SHA-256 of each"),
    "task": (lambda value: value in ("classification", "regression"), "classification or regression"),
    "classes": (lambda value: value is None or _is_texts(value), "labels or null"),
    "scale": (lambda value: value is None or (_is_text(value) and value in SCALES), f"{', '.join(SCALES)} or null"),
    **dict.fromkeys(("system", "corpus", "target", "protocol_line"), (_is_text, "a text")),
    "statements": (_is_texts, "texts"),
    "pretrained": (_is_texts, "names of models"),
    "about_corpus": (_is_about, "texts by name"),
    "robustness": (_is_robustness, "scores by condition"),
    **dict.fromkeys(
        ("synthetic", "leaking", "transductive", "partial", "whole_protocol"), (_is_truth, "true or false")
    ),
    "metrics": (lambda value: value is None or _is_scores(value), "scores by name or null"),
    "intervals": (lambda value: value is None or _is_intervals(value), "pairs of numbers by name or null"),
    **dict.fromkeys(("sample_rate", "min_samples"), (_is_count, "a whole number")),
}
_NEEDED = ("format", "schema", "files")


def read_facts(content: bytes, path) -> dict:
    """The content of ``model.json``.

    Raises
    ------
    SerError
        No JSON, keys twice, numbers that are not finite, or a key that is missing or holds another kind of value.

    Example
    -------
    >>> read_facts(b'["format"]', "model.json")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: model.json: a list; expected: JSON as ser export writes it, an object; remedy: \
export the model again
    """
    try:
        facts = json.loads(content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise _odd(path, str(error)[:200] or type(error).__name__, "an object") from None
    if not isinstance(facts, dict):
        raise _odd(path, f"a {type(facts).__name__}", "an object")
    facts = {**_BEFORE, **facts}
    for key in _NEEDED:
        if key not in facts:
            raise _odd(path, f"no {key}", f"{key}: {_KINDS[key][1]}")
    for key, (fits, kind) in _KINDS.items():
        if key in facts and not fits(facts[key]):
            raise _odd(path, f"{key}: {facts[key]!a:.100}", f"{key}: {kind}")
    number = facts.get("task") == "regression"
    if "task" in facts and (number == bool(facts.get("classes")) or number != (facts["scale"] is not None)):
        got = f"{facts['task']}, classes {facts.get('classes')!a:.100}, scale {facts['scale']}"
        raise _odd(path, got, "classes for a classification, a scale for a regression")
    return facts


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
