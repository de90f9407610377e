"""What defines an experiment: the YAML with its overrides, minus everything that only says where or how fast.

Two runs with the same fingerprint may share a folder, be resumed by one another and be averaged; others may not.
"""

import difflib
import hashlib
import io
import json
import math
import re
from functools import lru_cache
from pathlib import Path

import yaml
from hyperpyyaml import resolve_references
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from ser_plugins.errors import SerError

# Keys that say where files are, which repetition this is, or how fast it goes; not what is computed.
WHERE = (
    "data_folder", "csv", "results_folder", "run_folder", "output_folder", "save_folder", "manifest_folder",
    "train_annotation", "valid_annotation", "test_annotation", "train_log", "train_logger", "checkpointer",
    "seed", "__set_seed", "fold", "cache_folder", "features_folder", "cache_features", "num_workers", "noprogressbar",
    "needs_sound", "ckpt_interval_minutes", "ckpt_interval_steps",
)  # fmt: skip
# SpeechBrain's run options that change what is computed.
RUN_OPTIONS = (
    "precision", "eval_precision", "auto_mix_prec", "bfloat16_mix_prec", "max_grad_norm", "skip_nonfinite_grads",
    "grad_accumulation_factor", "optimizer_step_limit", "remove_vector_weight_decay",
    "debug", "debug_batches", "debug_epochs",
)  # fmt: skip


# Keys whose values are paths or names: text as it stands, whatever YAML would make of it.
PATHS = (
    "data_folder", "csv", "results_folder", "run_folder", "output_folder", "save_folder", "manifest_folder",
    "cache_folder", "features_folder", "train_annotation", "valid_annotation", "test_annotation", "train_log",
)  # fmt: skip
NAMES = ("system", "protocol", "fold", "subset", "select", "unit", "target", "task", "transcript")
WORD_OR_NUMBER = ("n_classes", "layer", "gamma")  # `auto`, `mean`, `scale`: read as YAML all the same


_LOADER = getattr(yaml, "CLoader", yaml.Loader)
REMEMBERED = 8  # texts: reading one takes a tenth of a second
_resolved: dict[tuple[str, str], str] = {}


def read_value(key: str, text: str | None, default):
    """What an option ``--key text`` means for a key whose value in the YAML is ``default``; text None: a bare
    ``--key``.

    Raises
    ------
    SerError
        Where the YAML has a number and the option none, and so on.

    Example
    -------
    >>> read_value("results_folder", "2024_05_01", "results/EmoDB"), read_value("lr", "1e-3", 0.0001)
    ('2024_05_01', 0.001)
    """
    if key in PATHS + NAMES or (isinstance(default, str) and key not in WORD_OR_NUMBER):
        if not text:
            expected = f"one, such as {default}"
            raise SerError(got=f"--{key} without a value", expected=expected, remedy="complete the option")
        if re.search("<[^>]*>", text):
            raise SerError(
                got=f"--{key} {text}",
                expected="text without <...>, by which a YAML refers to a key",
                remedy="rename it",
            )
        return _path(text) if key in PATHS else text
    try:
        value = True if text is None else YAML(typ="safe", pure=True).load(text)
    except (YAMLError, TypeError, ValueError):
        raise SerError(
            got=f"--{key} {text}", expected=f"a value in YAML, such as {default}", remedy="correct or quote it"
        ) from None
    if isinstance(default, bool) and not isinstance(value, bool):
        raise SerError(got=f"--{key} {text}", expected="True or False", remedy="correct the option")
    if is_number(default) and not is_number(value):
        raise SerError(
            got=f"--{key} {'without a value' if text is None else text}",
            expected=f"a number, such as {default}",
            remedy="correct the option",
        )
    return value


def _path(text: str) -> str:
    if text.startswith("~"):
        return str(Path(text).expanduser())
    # hyperpyyaml works out what looks like a sum, and stops at 2024/0.
    return f"./{text}" if re.fullmatch(r"[\d\s./*%]*([/%]\s*0|\*\*)[\d\s./*%]*", text) else text


def is_number(value) -> bool:
    """Whether a value of a YAML is a finite number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def compose(text: str) -> yaml.Node:
    """The nodes of a YAML as PyYAML reads it, by libyaml where it is there: in a tenth of the time.

    Raises
    ------
    yaml.YAMLError
        As PyYAML words it, with the line that is wrong.
    """
    try:
        return yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        return yaml.compose(text)


def texts_as_written(yaml_file) -> dict:
    """Paths and names of a YAML as they are written there, where reading them as YAML would change them.

    ``results_folder: 2024_05_01`` is that folder and not the number 20240501, and ``~`` is the user's home.
    """
    texts = {}
    for key, node in compose(Path(yaml_file).read_text(encoding="utf-8")).value:
        if key.value in PATHS + NAMES and not node.tag.startswith("!") and _plain(node) is not None:
            text = read_value(key.value, node.value, "")
            if text != node.value or not isinstance(_plain(node), str):
                texts[key.value] = text
    return texts


def values_as_written(yaml_file) -> dict:
    """The values of a YAML by key as they are written there, references unresolved.

    Raises
    ------
    SerError
        When the file is not a YAML mapping.
    """
    try:
        return {key.value: _plain(node) for key, node in compose(Path(yaml_file).read_text(encoding="utf-8")).value}
    except (yaml.YAMLError, YAMLError, AttributeError, TypeError, ValueError) as error:
        raise _no_mapping(yaml_file, error) from None


def quoted(overrides: dict) -> dict:
    """Overrides for hyperpyyaml, which writes them into the YAML and reads that again: text stays text."""
    return {
        key: DoubleQuotedScalarString(value) if isinstance(value, str) else value for key, value in overrides.items()
    }


def resolved_text(text: str, overrides: dict) -> str:
    """A HyperPyYAML with the overrides in it and its references replaced; the last ones are remembered."""
    key = (text, repr(overrides))
    if key not in _resolved:
        if len(_resolved) == REMEMBERED:
            del _resolved[next(iter(_resolved))]
        _resolved[key] = resolve_references(io.StringIO(text), quoted(overrides)).getvalue()
    return _resolved[key]


def resolve(yaml_file, overrides: dict) -> dict:
    """The values of a recipe's YAML with overrides applied and nothing built: no module, no folder, no random state.

    A constructor such as ``!new:X`` becomes ``{"!new:X": arguments}``.

    Raises
    ------
    SerError
        When the file is not a YAML mapping, or an override names no key of it.
    """
    text = Path(yaml_file).read_text(encoding="utf-8")
    try:
        check_names(overrides, [key.value for key, _ in compose(text).value], yaml_file)
        resolved = compose(resolved_text(text, overrides))
        return {key.value: _plain(value) for key, value in resolved.value}
    except (yaml.YAMLError, YAMLError, AttributeError, TypeError, LookupError, ArithmeticError, ValueError) as error:
        if isinstance(error, SerError):
            raise
        raise _no_mapping(yaml_file, error) from None


def _no_mapping(yaml_file, error) -> SerError:
    return SerError(
        got=f"{yaml_file}: {error}", expected="a HyperPyYAML mapping of hyper-parameters", remedy="mend it there"
    )


def check_names(overrides, keys, yaml_file) -> None:
    """Raise :class:`SerError`, with what is most alike, for an override that is none of the keys."""
    for key in overrides:
        if key not in keys:
            close = difflib.get_close_matches(key, keys, 1)
            raise SerError(
                got=f"--{key}",
                expected=f"a key of {yaml_file}" + (f", such as --{close[0]}" if close else ""),
                remedy="correct the option, or add the key to the YAML",
            )


def fingerprint(hparams: dict, protocol: dict, run_options) -> dict:
    """Everything that defines the experiment, by key, from the values of :func:`resolve`."""
    settings = _by_content({key: value for key, value in hparams.items() if key not in WHERE})
    if settings.get("corpora"):  # of recipes/Cross: name=path,name=path
        settings["corpora"] = ",".join(place.partition("=")[0].strip() for place in str(settings["corpora"]).split(","))
    settings["corpus_sha256"] = protocol["corpus_sha256"]
    settings["split"] = protocol["fingerprint"]
    settings["run_options"] = {key: run_options[key] for key in RUN_OPTIONS if key in run_options.overridden_args}
    return settings


def _by_content(settings: dict) -> dict:
    """Settings in which an encoder's weights are known by their hash, wherever a copy of them lies."""
    from ser_plugins.whisper_weights import encoder_sha256

    kind = "!new:ser_plugins.pretrained.WhisperFrontEnd"
    hashes = {}
    for node in settings.values():
        if isinstance(node, dict) and kind in node:
            source, *states = (node[kind][key] for key in ("source", "states") if key in node[kind])
            hashes[source] = f"sha256:{encoder_sha256(source, *states)}"
    return _with_hashes(settings, hashes) if hashes else settings


def _with_hashes(value, hashes):
    if isinstance(value, list):
        return [_with_hashes(item, hashes) for item in value]
    if isinstance(value, dict):
        return {key: _with_hashes(item, hashes) for key, item in value.items()}
    return hashes.get(value, value)


def sha256(settings) -> str:
    """SHA-256 of settings, independent of the order of keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def differences(old: dict, new: dict) -> str:
    """Name the keys that differ: ``lr: 0.0001 -> 0.001, heads: 8 -> 4``.

    What follows from a key that is named, as the arguments of modules do, is left out.

    Example
    -------
    >>> differences({"lr": 1, "opt_class": {"lr": 1}}, {"lr": 2, "opt_class": {"lr": 2}})
    'lr: 1 -> 2'
    """
    changes = {}
    for place, (before, after) in sorted(_changes(old, new), key=lambda change: change[0].count(".")):
        if (before, after) not in changes.values():
            changes[place] = before, after
    named = [f"{place}: {_short(before)} -> {_short(after)}" for place, (before, after) in changes.items()]
    if len(named) > _NAMED:
        named[_NAMED:] = [f"and {len(named) - _NAMED} more"]
    return ", ".join(named)


_NAMED = 8  # differences; more of them say no more


def _changes(old, new, place=""):
    """Differences of two values: pairs (``key.key``, (old, new)), mappings and lists gone through."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _changes(old.get(key), new.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from _changes(*pair, f"{place}[{number}]")
    elif old != new:
        yield place, (old, new)


def _short(value) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _plain(node):
    """A YAML node as plain values; a constructor such as ``!new:X`` becomes ``{"!new:X": arguments}``."""
    if isinstance(node, yaml.MappingNode):
        value = {key.value: _plain(item) for key, item in node.value}
    elif isinstance(node, yaml.SequenceNode):
        value = [_plain(item) for item in node.value]
    else:
        value = node.value if node.style or node.tag.startswith("!") else _scalar(node.value)
    return {node.tag: value} if node.tag.startswith("!") else value


@lru_cache(maxsize=4096)  # every scalar asks for a parser of its own, and the same ones come again
def _scalar(text: str):
    """An unquoted scalar as hyperpyyaml reads it, which is YAML 1.2: 1e-4 is a number."""
    return YAML(typ="safe", pure=True).load(text)
