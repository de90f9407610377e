"""Before the first training: everything that a YAML names is built and goes through one step, so that errors come once.

A key that is missing, misspelt or of another kind, and modules that do not fit together, would otherwise end every
training of a run, one after the other, after the corpus was prepared.
"""

import difflib
import importlib
import inspect
import io
from pathlib import Path

import torch
import yaml
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from ser_plugins.copies import check_copies
from ser_plugins.errors import SerError
from ser_plugins.losses import utterance_outputs
from ser_plugins.subwords import pieces_of
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.settings import compose, is_number, resolved_text

_WHERE = (
    "system", "fold", "run_folder", "output_folder", "manifest_folder", "train_annotation", "valid_annotation",
    "test_annotation", "normalisation", "select",
)  # fmt: skip
_BUILT = ("compute_features", "mean_var_norm", "classifier", "modules", "opt_class", "epoch_counter", "loss")
_MODULES = ("compute_features", "mean_var_norm", "embedding_model", "classifier")
_NOT_YET = ("__set_seed", "train_logger", "checkpointer")  # these act when they are built: each training builds its own
_SECONDS = 1.0  # of noise that goes through the modules
SEED_LIMIT = 2**32  # numpy's


def check_keys(experiment: Experiment) -> None:
    """Raise :class:`SerError` for a key that training needs and the YAML lacks, or whose value is of another kind.

    Arguments
    ---------
    experiment : Experiment
        A recipe's hyper-parameters.
    """
    yaml_file = experiment.yaml_file
    refuse_misread(yaml_file, experiment.overrides)
    hparams = experiment.values()
    classical = "estimator" in hparams
    names = ("compute_functionals",) if classical else (*_BUILT, *_NOT_YET[1:], "save_folder")
    for key in (*_WHERE, *names, "seed"):
        if hparams.get(key) is None:
            raise _wrong(yaml_file, key, hparams, "a value: training needs it")
    if not _is_whole(hparams["seed"]) or not 0 <= hparams["seed"] < SEED_LIMIT:
        raise _wrong(yaml_file, "seed", hparams, f"a whole number from 0 to {SEED_LIMIT - 1}")
    if classical:
        return
    for key, least in (("number_of_epochs", 1), ("batch_size", 1), ("num_workers", 0)):
        if not _is_whole(hparams.get(key)) or hparams[key] < least:
            raise _wrong(yaml_file, key, hparams, f"a whole number, {least} or more")
    if not isinstance(hparams.get("cache_features"), bool):
        raise _wrong(yaml_file, "cache_features", hparams, "True or False")
    modules = hparams["modules"] if isinstance(hparams["modules"], dict) else {}
    if lacking := [name for name in _MODULES if name not in modules]:
        raise _wrong(yaml_file, "modules", hparams, f"{', '.join(_MODULES)}; it has no {', '.join(lacking)}")
    if ("subwords" in modules) != bool(hparams.get("transcript")):
        raise _wrong(yaml_file, "transcript", hparams, "the field with what is said, and a module subwords; or neither")


def refuse_misread(yaml_file: Path, overrides: dict) -> None:
    """Raise :class:`SerError` for a constructor that hyperpyyaml makes something else of.

    It reads a YAML, writes it and reads that. Where a comment stands behind the key of a list, what it writes has the
    arguments of the list's first constructor on the wrong line.
    """
    text = yaml_file.read_text(encoding="utf-8")
    written = compose(text)
    read = {key.value: node for key, node in compose(resolved_text(text, overrides)).value}
    for key, node in written.value:
        misread = None if key.value in overrides else _misread(node, read[key.value])
        if misread:
            line = misread.start_mark.line + 1
            raise SerError(
                got=f"{yaml_file}, line {line}: {misread.tag} in {key.value}, misread by hyperpyyaml",
                expected=f"no comment between {key.value}: and what follows",
                remedy=f"put the comment above {key.value}",
            )


def _misread(written, read):
    """The first constructor with arguments that has not stayed one."""
    if isinstance(written, yaml.MappingNode) and written.tag.startswith("!") and written.tag != read.tag:
        return written
    if type(written) is not type(read) or isinstance(written, yaml.ScalarNode):
        return None
    parts = zip(written.value, read.value, strict=False)
    if isinstance(written, yaml.MappingNode):
        parts = ((one, other) for (_, one), (_, other) in parts)
    return next((misread for pair in parts if (misread := _misread(*pair))), None)


def _is_whole(value) -> bool:
    return is_number(value) and isinstance(value, int)


def _wrong(yaml_file, key, hparams, expected):
    if hparams.get(key) is None:
        close = difflib.get_close_matches(key, hparams, 1)
        got = f"{yaml_file}: no {key}" + (f", but {close[0]}" if close and close[0] != key else "")
    elif isinstance(hparams[key], dict):
        got = f"{yaml_file}: {key}"
    else:
        got = f"{yaml_file}: {key}: {hparams[key]!r}"
    return SerError(got=got, expected=expected, remedy=f"correct {key} there, or give --{key}")


def rehearse(experiment: Experiment, tasks: dict) -> None:
    """Build all that a YAML names, and let noise go through it: forward, loss, backward and one step.

    Arguments
    ---------
    experiment : Experiment
        A recipe's hyper-parameters.
    tasks : dict
        What :func:`ser_plugins.evaluation.metrics.tasks.tasks_of` gives.

    Raises
    ------
    SerError
        Names the key, and what was wrong with it.
    """
    yaml_file = experiment.yaml_file
    plain = experiment.values()
    for key in _NOT_YET[1:]:
        if key in plain:
            _stage(yaml_file, key, plain, lambda key=key: _bind(plain[key]))
    with torch.random.fork_rng(devices=[]):
        hparams = build(experiment, [key for key in plain if key not in _NOT_YET])
        _stage(yaml_file, "copies", plain, lambda: check_copies(hparams.get("copies") or []))
        if "estimator" in hparams:
            _stage(yaml_file, "estimator", plain, lambda: _validate(hparams["estimator"]))
        else:
            _one_step(yaml_file, plain, hparams, tasks)


def _one_step(yaml_file, plain, hparams, tasks):
    def stage(key, function):
        return _stage(yaml_file, key, plain, function)

    modules = stage("modules", lambda: torch.nn.ModuleDict(hparams["modules"]).train())
    features = modules["compute_features"]
    norm = modules["mean_var_norm"]
    waves = torch.randn(2, round(_SECONDS * features.sample_rate))
    lengths = torch.tensor([1.0, 0.5])
    frames = stage("compute_features", lambda: features(waves, lengths))
    counts = stage("compute_features", lambda: features.frame_counts(lengths, waves.shape[1]))
    if "augmentation" in modules:
        frames, counts = stage("augmentation", lambda: modules["augmentation"](frames, counts))
    frames = stage("mean_var_norm", lambda: norm.fit([(frames.detach(), counts)])(frames, counts))
    pieces = stage("subwords", lambda: _pieces(modules))
    embedding = stage("embedding_model", lambda: modules["embedding_model"](frames, counts, *pieces))
    outputs = stage("classifier", lambda: modules["classifier"](embedding))
    check_heads(modules["classifier"], tasks)
    targets = {
        name: torch.zeros(2, dtype=torch.float if task.kind == "regression" else torch.long)
        for name, task in tasks.items()
    }
    if isinstance(outputs, dict):
        outputs = {name: utterance_outputs(output) for name, output in outputs.items()}
    else:
        outputs = utterance_outputs(outputs)
        (targets,) = targets.values()
    loss = stage("loss", lambda: hparams["loss"](outputs, targets))
    trained = [parameter for parameter in modules.parameters() if parameter.requires_grad]
    optimizer = stage("opt_class", lambda: hparams["opt_class"](trained))
    stage("loss", loss.backward)
    stage("opt_class", optimizer.step)
    if schedule := hparams.get("lr_schedule"):
        stage("lr_schedule", lambda: float(schedule(0.5)))


def _pieces(modules) -> tuple:
    """Those of two transcripts, one of them empty, where the system reads any."""
    if "subwords" in modules:
        modules["subwords"].fit(["a word"])
    return pieces_of(modules, ["a word", None])


def check_heads(classifier, tasks) -> None:
    """Raise :class:`SerError` unless a classifier has a head for each task."""
    heads = getattr(classifier, "heads", [next(iter(tasks))])  # a single head is for the corpus' own target
    if set(heads) != set(tasks):
        raise SerError(
            got=f"a classifier for {', '.join(heads)}",
            expected=f"a head for each of {', '.join(tasks)}",
            remedy="let `auxiliary` and the heads of the MultiTaskHead in the YAML name the same targets",
        )


def build(experiment: Experiment, keys) -> dict:
    """Build some keys of a YAML; the :class:`SerError` names the first that cannot be built."""
    text = experiment.yaml_file.read_text(encoding="utf-8")
    document = YAML().load(resolved_text(text, experiment.overrides))
    try:
        return _load(document, keys)
    except Exception:
        plain = experiment.values()
        for key in keys:
            _stage(experiment.yaml_file, key, plain, lambda key=key: _load(document, [key]))
        raise


def _load(document, keys) -> dict:
    part = CommentedMap((key, document[key]) for key in keys)
    stream = io.StringIO()
    YAML().dump(part, stream)
    return load_hyperpyyaml(stream.getvalue())


def _bind(node):
    """Raise ``TypeError`` when a constructor does not take its arguments, another error when there is none."""
    ((tag, arguments),) = node.items()
    module, _, name = tag.partition(":")[2].rpartition(".")
    constructor = getattr(importlib.import_module(module), name)
    inspect.signature(constructor).bind(**arguments if isinstance(arguments, dict) else {})


def _validate(estimator):
    """What scikit-learn checks when it fits, of an estimator and of those inside it."""
    for part in [estimator, *estimator.get_params(deep=True).values()]:
        if hasattr(part, "_validate_params"):
            part._validate_params()


def _stage(yaml_file, key, plain, function):
    try:
        return function()
    except SerError as error:
        raise SerError(got=f"{yaml_file}, {key}: {error.got}", expected=error.expected, remedy=error.remedy) from None
    except Exception as error:
        reason = ": ".join(str(part) for part in error.args).splitlines() or [""]
        raise SerError(
            got=f"{yaml_file}, {key}{_texts(plain.get(key))}: {type(error).__name__}: {reason[0]}",
            expected="arguments that it takes, and modules that fit together",
            remedy=f"correct {key}, or the keys that it refers to",
        ) from None


def _texts(node) -> str:
    """The arguments of a constructor that are text: one of them may stand where a number should."""
    arguments = next(iter(node.values())) if isinstance(node, dict) and len(node) == 1 else None
    texts = (
        [f"{key}: {value}" for key, value in (arguments or {}).items() if isinstance(value, str)]
        if isinstance(arguments, dict)
        else []
    )
    return f" ({', '.join(texts)})" if texts else ""
