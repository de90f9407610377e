"""What defines an experiment: the YAML with its overrides, minus everything that only says where or how fast.

Two runs with the same fingerprint may share a folder, be resumed by one another and be averaged; others may not.
"""

import difflib
import hashlib
import io
import json
from pathlib import Path

import yaml
from hyperpyyaml import resolve_references
from ruamel.yaml import YAML, YAMLError

from ser_plugins.errors import SerError

# Keys that say where files are, which repetition this is, or how fast it goes; not what is computed.
WHERE = (
    "data_folder", "csv", "results_folder", "run_folder", "output_folder", "save_folder", "manifest_folder",
    "train_annotation", "valid_annotation", "test_annotation", "train_log", "train_logger", "checkpointer",
    "seed", "__set_seed", "fold", "cache_folder", "cache_features", "num_workers", "noprogressbar",
    "ckpt_interval_minutes", "ckpt_interval_steps",
)  # fmt: skip
# SpeechBrain's run options that change what is computed.
RUN_OPTIONS = (
    "precision", "eval_precision", "auto_mix_prec", "bfloat16_mix_prec", "max_grad_norm", "skip_nonfinite_grads",
    "grad_accumulation_factor", "optimizer_step_limit", "remove_vector_weight_decay",
    "debug", "debug_batches", "debug_epochs",
)  # fmt: skip


def parse_overrides(text: str) -> dict:
    """The overrides of SpeechBrain's command line (a line ``key: value`` each) as a dictionary; the last one wins.

    A bare ``--key`` comes as ``key:`` and means True.
    """
    overrides = {}
    for line in text.splitlines():
        try:
            bare = not line.partition(":")[2].strip()
            overrides.update(YAML(typ="safe", pure=True).load(f"{line} True" if bare else line))
        except (YAMLError, TypeError, ValueError):
            raise SerError(
                got=f"the option {line!r}", expected="--KEY VALUE, the value in YAML", remedy="correct or quote it"
            ) from None
    return overrides


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
        keys = [key.value for key, _ in yaml.compose(text).value]
        _check_keys(overrides, keys, yaml_file)
        resolved = yaml.compose(resolve_references(io.StringIO(text), dict(overrides)).getvalue())
        return {key.value: _plain(value) for key, value in resolved.value}
    except (yaml.YAMLError, YAMLError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, SerError):
            raise
        raise SerError(
            got=f"{yaml_file}: {error}", expected="a HyperPyYAML mapping of hyper-parameters", remedy="mend it there"
        ) from None


def _check_keys(overrides, keys, yaml_file):
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
    settings = {key: value for key, value in hparams.items() if key not in WHERE}
    settings["corpus_sha256"] = protocol["corpus_sha256"]
    settings["split"] = protocol["fingerprint"]
    settings["run_options"] = {key: run_options[key] for key in RUN_OPTIONS if key in run_options.overridden_args}
    return settings


def sha256(settings: dict) -> str:
    """SHA-256 of settings, independent of the order of keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def differences(old: dict, new: dict) -> str:
    """Name the keys that differ: ``lr: 0.0001 -> 0.001, heads: 8 -> 4``."""
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return ", ".join(f"{key}: {old.get(key)} -> {new.get(key)}" for key in keys)


def _plain(node):
    """A YAML node as plain values; a constructor such as ``!new:X`` becomes ``{"!new:X": arguments}``."""
    if isinstance(node, yaml.MappingNode):
        value = {key.value: _plain(item) for key, item in node.value}
    elif isinstance(node, yaml.SequenceNode):
        value = [_plain(item) for item in node.value]
    else:
        # YAML 1.2, as hyperpyyaml reads it: 1e-4 is a number.
        value = node.value if node.style or node.tag.startswith("!") else YAML(typ="safe", pure=True).load(node.value)
    return {node.tag: value} if node.tag.startswith("!") else value
