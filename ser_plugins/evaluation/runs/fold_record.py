"""What ``results.json`` of a fold must say before any number is made of it, in a run folder or in a packed run."""

from pathlib import Path

from ser_plugins.errors import SerError

SCHEMA = 1


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def _is_whole(value) -> bool:
    return isinstance(value, int) and _is_number(value)


def _are_texts(values) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_counts(value) -> bool:
    return isinstance(value, dict) and "train" in value and all(map(_is_whole, value.values()))


def _is_history(value) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, dict)
        and _is_whole(row.get("epoch"))
        and all(entry is None or _is_number(entry) for entry in row.values())
        for row in value
    )


def _is_constants(value) -> bool:
    return isinstance(value, dict) and _is_number(value.get("median")) and _is_text_or_none(value.get("majority"))


def _is_auxiliary(value) -> bool:
    return isinstance(value, dict) and all(
        isinstance(part, dict) and isinstance(part.get("scale"), str) for part in value.values()
    )


def _is_text_or_none(value) -> bool:
    return value is None or isinstance(value, str)


_LARGEST = 1e300  # also keeps out what is not finite
_TEXT_OR_NONE = (_is_text_or_none, "a text, or null")
_TEXT = (lambda value: isinstance(value, str), "a text")
_WHOLE = (_is_whole, "a whole number")
_NUMBER = (_is_number, "a finite number")
_FLAG = (lambda value: isinstance(value, bool), "true or false")
_TEXTS = (lambda value: isinstance(value, list) and _are_texts(value), "a list of texts")
_OBJECT = (lambda value: isinstance(value, dict), "an object")
_VERSIONS = (lambda value: isinstance(value, dict) and _are_texts(value.values()), "texts by name")
_COUNTS = (_is_counts, "whole numbers by name, `train` among them")
_HISTORY = (_is_history, "an object per epoch, of numbers or null, `epoch` among them")
_AUXILIARY = (_is_auxiliary, "an object by target, with its scale")
# fmt: off
_KEYS = {
    "system": _TEXT, "fold": _TEXT, "seed": _WHOLE, "protocol": _OBJECT, "audit": _TEXT, "units": _OBJECT,
    "training": _OBJECT, "counts": _COUNTS, "history": _HISTORY, "parameters": _WHOLE, "settings": _OBJECT,
    "settings_sha256": _TEXT, "wall_time_s": _NUMBER, "device": _TEXT, "machine": _TEXT, "versions": _VERSIONS,
    "auxiliary": _AUXILIARY,
}
_PROTOCOL_KEYS = {
    "corpus": _TEXT, "corpus_sha256": _TEXT, "task": _TEXT, "target": _TEXT, "classes": _TEXTS, "scale": _TEXT_OR_NONE,
    "protocol": _TEXT, "unit": _TEXT, "unit_field": _TEXT, "folds": _TEXTS, "subset": _TEXT, "split_seed": _WHOLE,
    "utterances": _WHOLE, "selection": _TEXT, "normalisation": _TEXT, "leaks": _FLAG, "transductive": _FLAG,
    "partial": _FLAG, "statements": _TEXTS,
}
# fmt: on


def checked_record(results, path: Path) -> dict:
    """Check what one fold says, sealed or not.

    Arguments
    ---------
    results : object
        The content of ``results.json``.
    path : Path
        Where it was read.

    Returns
    -------
    dict
        ``results``, with every key that training writes.

    Raises
    ------
    SerError
        Another schema, a training that tested nothing, or keys that are missing or hold another kind of value.

    Example
    -------
    >>> checked_record({"schema": 2}, Path("results.json"))
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: results.json: schema 2; expected: the results of one fold, schema 1; remedy: \
train the fold again, or restore its files
    """
    if not isinstance(results, dict) or results.get("schema") != SCHEMA:
        found = results.get("schema") if isinstance(results, dict) else type(results).__name__
        raise bad_file(path, f"schema {found!s:.50}", f"the results of one fold, schema {SCHEMA}")
    if results.get("metrics", {}) is None and "sealed" not in results:
        raise SerError(
            got=f"{path.parent}: a training on everything, which tests nothing",
            expected="a fold with a test set",
            remedy="report and export by the run that measured the same settings: ser export RUN FOLDER --measured-by",
        )
    protocol = results.get("protocol")
    protocol = protocol if isinstance(protocol, dict) else {}
    missing = [key for key in _KEYS if key not in results]
    missing += [f"protocol.{key}" for key in _PROTOCOL_KEYS if key not in protocol]
    if missing:
        raise bad_file(path, f"no {', '.join(missing)}", "all the keys that training writes")
    _check_kinds(path, "", results, _KEYS)
    _check_kinds(path, "protocol.", protocol, _PROTOCOL_KEYS)
    numbers = [*results["auxiliary"], *([protocol["target"]] if protocol["task"] == "regression" else [])]
    for target in numbers:
        if not _is_constants(results["training"].get(target)):
            got = f"training of {target}: {results['training'].get(target)!a:.100}"
            raise bad_file(path, got, "an object with the median of the training set, a number")
    return results


def bad_file(path, got, expected) -> SerError:
    """What is raised of a fold's file that does not keep the format."""
    return SerError(got=f"{path}: {got}", expected=expected, remedy="train the fold again, or restore its files")


def _check_kinds(path, prefix, values, kinds):
    for key, (fits, kind) in kinds.items():
        if not fits(values[key]):
            raise bad_file(path, f"{prefix}{key}: {values[key]!a:.100}", f"{prefix}{key}: {kind}")
