"""Builds the modules that a description names, once their arguments are known to be within bounds."""

import torch
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.inference.bounds import MAX_VALUES, read_arguments, with_defaults
from ser_plugins.inference.description import WITHOUT_WEIGHTS, Description, dotted


def construct(description: Description, path) -> dict:
    """Build the modules of a model; those with weights on the meta device: no memory is taken, nothing is drawn.

    Returns
    -------
    dict
        :class:`torch.nn.Module` by name.

    Raises
    ------
    SerError
        For arguments out of bounds, and for modules that do not fit to one another.
    """
    modules = {}
    values = 0
    for name, (kind, texts) in description.modules.items():
        modules[name] = construct_one(kind, name, texts, path)
        values += sum(value.numel() for value in modules[name].state_dict().values())
        if values > MAX_VALUES:
            raise _wrong(path, f"{name}: {values:,} values (at most {MAX_VALUES:,})", "a smaller model")
    _refuse_misfits(description, modules, path)
    return modules


def construct_one(kind: type, name: str, texts: dict, path) -> nn.Module:
    """Build the module ``name`` from its arguments as texts; see :func:`construct`."""
    try:
        with torch.device("cpu" if kind in WITHOUT_WEIGHTS else "meta"):
            return kind(**read_arguments(kind, texts))
    except (TypeError, ValueError, RuntimeError, MemoryError, ArithmeticError) as error:
        raise _wrong(path, f"{name}: {error}", f"arguments of {dotted(kind)}") from None


def _refuse_misfits(description, modules, path):
    """What a module gives must be as wide as what the next one takes."""
    norm, encoder, head = (
        with_defaults(kind, read_arguments(kind, texts))
        for kind, texts in (description.modules[name] for name in ("mean_var_norm", "embedding_model", "classifier"))
    )
    width = modules["compute_features"].bins
    size = modules["embedding_model"].output_size
    for name, given, wanted in (
        ("mean_var_norm: bins", norm["bins"], width),
        ("embedding_model: bins", encoder.get("bins", width), width),
        ("classifier: input_size", head["input_size"], size),
    ):
        if given != wanted:
            raise _wrong(path, f"{name} {given}", f"{wanted}, what the module before it gives")


def _wrong(path, got, expected):
    return SerError(
        got=f"{path}: {got}",
        expected=expected,
        remedy="export the model again, with the same version of ser_plugins",
    )
