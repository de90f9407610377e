"""Weights as safetensors: names, shapes and numbers, and nothing that could run."""

import torch
from safetensors.torch import load, save
from torch import nn

from ser_plugins.errors import SerError


def as_safetensors(state: dict) -> bytes:
    """A state dict as the content of a file; the same values give the same bytes.

    Example
    -------
    >>> content = as_safetensors({"bias": torch.ones(2)})
    >>> read_weights(content, "head.safetensors")
    {'bias': tensor([1., 1.])}
    """
    # Cloned: weights of one recurrent layer may be views of one storage, which the format has no word for.
    return save({name: value.clone(memory_format=torch.contiguous_format) for name, value in state.items()})


def read_weights(content: bytes, path) -> dict:
    """The state dict in the content of a file; sizes that the header claims are held against what is there.

    Raises
    ------
    SerError
        For anything else than safetensors: a pickle, a damaged file.

    Example
    -------
    >>> read_weights(b"nonsense", "head.safetensors")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: head.safetensors: ...; expected: weights in safetensors and nothing else; ...
    """
    try:
        return load(content)
    except Exception as error:  # the reader's own class, and nearly anything of torch for types it lacks
        raise SerError(
            got=f"{path}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}",
            expected="weights in safetensors and nothing else",
            remedy="copy the file again from where it came; do not load models from sources you do not trust",
        ) from None


def fill(module: nn.Module, state: dict, path) -> None:
    """Give a module from :func:`construct` its values, once names and shapes are known to fit."""
    places = module.state_dict()
    wanted = {name: tuple(value.shape) for name, value in places.items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    wrong = [
        f"{name} {found.get(name, 'missing')} instead of {wanted.get(name, 'none')}"
        for name in [*wanted, *(found.keys() - wanted.keys())]
        if found.get(name) != wanted.get(name)
    ]
    wrong += [
        f"{name} {_kind(state[name])} instead of {_kind(place)}"
        for name, place in places.items()
        if name in state and state[name].dtype != place.dtype and not _halved(state[name], place)
    ]
    if wrong:
        raise SerError(
            got=f"{path}: {'; '.join(wrong[:3])}" + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""),
            expected=f"the {len(wanted)} tensors of the module that the YAML describes",
            remedy="keep weights and YAML of one export together, or export the model again",
        )
    # Assigned, not copied into to_empty(), which imports sympy: four fifths of the time that loading takes. The layout
    # is the module's own: convolutions want their channels last, and a file has no say in that.
    values = {
        name: torch.empty_strided(place.shape, place.stride(), dtype=place.dtype).copy_(state[name])
        for name, place in places.items()
    }
    module.load_state_dict(values, assign=True)


def _kind(value: torch.Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _halved(value: torch.Tensor, place: torch.Tensor) -> bool:
    return value.dtype == torch.float16 and place.is_floating_point()
