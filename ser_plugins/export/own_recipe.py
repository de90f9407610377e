"""Exports a model of one's own SpeechBrain recipe, made of our modules; nothing was measured, and its card says so."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hyperpyyaml import resolve_references
from speechbrain.dataio.encoder import CategoricalEncoder
from torch import nn

from ser_plugins.corpora.pretraining import NOT_SAID
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.export.destination import refuse_occupied
from ser_plugins.export.training_yaml import TRAINED, compose, described_by
from ser_plugins.export.writing import (
    checkpoint_weights,
    encoder_weights,
    package_versions,
    precision_named,
    write_model,
)
from ser_plugins.files import built_aside
from ser_plugins.inference.description import tag_of
from ser_plugins.inference.model_card import ModelCard


def export_recipe(
    yaml_file: str | Path,
    weights: str | Path | Mapping[str, nn.Module],
    labels: Sequence[str] | str | Path,
    folder: str | Path,
    overwrite: bool = False,
    *,
    half: bool = False,
    int8: bool = False,
    scale: str | None = None,
    name: str | None = None,
    corpus: str = NOT_SAID,
) -> ModelCard:
    """Write a model that was trained by a SpeechBrain recipe of one's own as a folder that loads anywhere.

    Arguments
    ---------
    yaml_file : str or Path
        The recipe's YAML, best the ``hyperparams.yaml`` that SpeechBrain left in the output folder. At its top level
        are a ``LogPowerSpectrogram`` or ``WhisperFrontEnd``, a ``ZNorm``, an ``UtteranceEncoder`` and a
        ``ClassifierHead`` or ``RegressionHead`` of ser_plugins, under any names.
    weights : str, Path or dict
        A checkpoint's folder (``CKPT+...``) with ``<name>.ckpt`` for each of the last three; or those modules by name.
    labels : sequence of str, str or Path
        The classes in the order of the outputs, or the file in which SpeechBrain's ``CategoricalEncoder`` keeps them;
        of a regression the name of what it gives.
    folder : str or Path
        Where to; does not exist or is empty.
    overwrite : bool
        Whether an earlier export in ``folder`` may be replaced.
    half : bool
        Whether to keep the weights in half precision.
    scale : str, optional
        Of a regression, one of :data:`ser_plugins.scales.SCALES`.
    name, corpus : str, optional
        What the card calls the system and what it was trained on.

    Returns
    -------
    ModelCard
        The content of ``model.json``.

    Raises
    ------
    MissingPathError, SerError
        Other modules than ours, files that are missing, weights or labels that do not fit, or a ``folder`` that is not
        free.

    Example
    -------
    >>> export_recipe("results/1986/hyperparams.yaml", "results/1986/save/CKPT+best", ["sad"], "models/own")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no file results/1986/hyperparams.yaml; expected: the YAML of a \
SpeechBrain recipe; remedy: check the path
    """
    yaml_file = Path(yaml_file)
    folder = Path(folder).absolute()
    refuse_occupied(folder, overwrite)
    nodes, names = _modules_in(yaml_file)
    description, front_end = described_by(nodes, yaml_file, scale)
    states = {
        module: _state(weights, names[module]) for module in description.with_weights if module != "compute_features"
    }
    labels = _labels(labels)
    card = ModelCard.unmeasured(
        name or yaml_file.resolve().parent.name,
        corpus,
        labels,
        scale,
        precision=precision_named(half, int8),
        exported_with=package_versions(),
    )
    if front_end is not None:
        states["compute_features"] = _encoder_state(front_end, weights, names["compute_features"])
        card = replace(card, pretrained=(front_end.pretrained,))
    with built_aside(folder) as built:
        return write_model(built, description, states, card)


def export_output_folder(
    source, labels, folder, overwrite=False, *, checkpoint=None, half=False, int8=False
) -> ModelCard:
    """As :func:`export_recipe`, from the output folder that SpeechBrain made: its YAML and the one checkpoint below.

    Example
    -------
    >>> export_output_folder("results/1986", "results/1986/save/label_encoder.txt", "models/own")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no checkpoint CKPT+... below results/1986; expected: one; remedy: check \
the path, or train first
    """
    source = Path(source)
    checkpoints = [Path(checkpoint)] if checkpoint else sorted(path for path in source.rglob("CKPT+*") if path.is_dir())
    if not checkpoints:
        raise MissingPathError(
            got=f"no checkpoint CKPT+... below {source}", expected="one", remedy="check the path, or train first"
        )
    if len(checkpoints) > 1:
        raise SerError(
            got=f"{source} with {len(checkpoints)} checkpoints: {', '.join(path.name for path in checkpoints[:3])}",
            expected="one, since nothing here says which is the best",
            remedy="name it: --checkpoint FOLDER",
        )
    return export_recipe(source / "hyperparams.yaml", checkpoints[0], labels, folder, overwrite, half=half, int8=int8)


def _modules_in(path: Path) -> tuple[dict, dict]:
    """The nodes of a YAML, our modules under the names that an export has; and the names they have in the recipe."""
    if not path.is_file():
        raise MissingPathError(
            got=f"no file {path}", expected="the YAML of a SpeechBrain recipe", remedy="check the path"
        )
    with open(path, encoding="utf-8") as stream:
        resolved = resolve_references(stream).getvalue()
    nodes = compose(resolved.encode("utf-8"), path)
    names = {}
    for module, kinds in TRAINED.items():
        tags = [tag_of(kind) for kind in kinds]
        keys = [key for key, node in nodes.items() if str(node.tag) in tags]
        if len(keys) != 1:
            raise SerError(
                got=f"{path}: {', '.join(keys) or 'nothing'} for {module}",
                expected=f"at the top level one of {' or '.join(tags)}",
                remedy="only models made of ser_plugins' own modules are exported",
            )
        names[module] = keys[0]
    return {**nodes, **{module: nodes[key] for module, key in names.items()}}, names


def _state(weights, name: str) -> dict:
    if isinstance(weights, dict):
        if name not in weights:
            raise SerError(
                got=f"modules {', '.join(weights)}", expected=f"{name} among them", remedy="hand it over as well"
            )
        return weights[name].state_dict()
    path = Path(weights) / f"{name}.ckpt"
    if not path.is_file():
        raise MissingPathError(
            got=f"no file {path}",
            expected="a checkpoint with a file for each module",
            remedy=f"put {name} among the checkpointer's recoverables, or hand the modules over in Python",
        )
    return checkpoint_weights(path)


def _encoder_state(front_end, weights, name: str) -> dict:
    if isinstance(weights, dict):
        return weights.get(name, front_end).encoder_state()
    return encoder_weights(front_end, Path(weights) / f"{name}.ckpt")


def _labels(labels) -> list:
    if not isinstance(labels, (str, Path)):
        return list(labels)
    if not Path(labels).is_file():
        raise MissingPathError(
            got=f"no file {labels}", expected="the labels as SpeechBrain keeps them", remedy="check the path"
        )
    encoder = CategoricalEncoder()
    try:
        encoder.load(labels)
        return [encoder.ind2lab[index] for index in range(len(encoder.ind2lab))]
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise SerError(
            got=f"{labels}: {type(error).__name__}: {error}",
            expected="the file of a CategoricalEncoder, indices from 0",
            remedy="give the labels one by one",
        ) from None
