"""Lists of configurations to choose from: which YAMLs with which keys changed, and which of them fused."""

import json
import re
from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from ser_plugins.corpora.protocols import INNER, RING, choose
from ser_plugins.errors import SerError
from ser_plugins.training.settings import WHERE

_NAME = re.compile(r"\w[\w.+-]*")
_FORBIDDEN = {*WHERE, "system", "protocol", "subset", "split_seed"}  # they would put entries to different tests


def read_configurations(path) -> tuple[str, dict, str]:
    """Name, configurations and inner validation of a list, checked.

    Returns
    -------
    tuple
        Name of the list; configurations by name, ``{"yaml": ..., keys to change}`` or ``{"fuse": weights by name}``;
        the protocol of the inner validation, ``loso-pairs`` where the list does not say ``inner``.

    Raises
    ------
    SerError
        When the file is no such list, fuses what it does not train, or would put entries to different tests.
    """
    try:
        content = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))  # 1.2, as recipes are read
        name = content["name"]
        configurations = dict(content["configurations"])
        inner = content.get("inner", RING)
        json.dumps(configurations)
    except (YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise SerError(
            got=f"{path}: {type(error).__name__} {error}",
            expected="`name`, and `configurations`: each with `yaml` and keys to change, or with `fuse`",
            remedy="see recipes/EmoDB/experiments.yaml",
        ) from None
    trained = {key for key, entry in configurations.items() if _is_trained(entry)}
    odd = [key for key in (name, *configurations) if not isinstance(key, str) or not _NAME.fullmatch(key)]
    odd += [key for key, entry in configurations.items() if key not in trained and not _is_fusion(entry, trained)]
    odd += [f"{key}: {option}" for key in trained for option in configurations[key] if option in _FORBIDDEN]
    if odd or not trained:
        raise SerError(
            got=f"{path}: {', '.join(map(str, odd)) or 'nothing to train'}",
            expected="names of letters, digits and . + - _, each with a `yaml` and keys of it (none that changes the "
            "test), or with `fuse`: two or more that have a `yaml`, and their weights above 0",
            remedy="correct the list",
        )
    return name, configurations, choose("inner", inner, INNER)


def parts_of(key: str, configurations: dict) -> dict:
    """What a configuration is made of, with weights.

    Example
    -------
    >>> parts_of("both", {"a": {"yaml": "a.yaml"}, "b": {"yaml": "b.yaml"}, "both": {"fuse": {"a": 2, "b": 1}}})
    {'a': 2, 'b': 1}
    >>> parts_of("a", {"a": {"yaml": "a.yaml"}})
    {'a': 1}
    """
    return configurations[key].get("fuse") or {key: 1}


def _is_trained(entry) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("yaml"), str)


def _is_fusion(entry, trained) -> bool:
    weights = entry["fuse"] if isinstance(entry, dict) and set(entry) == {"fuse"} else None
    if not isinstance(weights, dict) or len(weights) < 2 or not set(weights) <= trained:
        return False
    return all(isinstance(weight, (int, float)) and 0 < weight < float("inf") for weight in weights.values())
