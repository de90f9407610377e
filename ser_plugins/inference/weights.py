"""Weights as safetensors: names, shapes and numbers, and nothing that could run."""

import json
import struct

import torch
from safetensors.torch import load, save
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.inference.bounds import MAX_VALUES
from ser_plugins.quantization import SCALE, dequantized
from ser_plugins.spectrogram import ZNorm

MAX_WEIGHTS = 4 * MAX_VALUES + 2**20  # bytes of a file


def as_safetensors(state: dict) -> bytes:
    """A state dict as the content of a file; the same values give the same bytes.

    Example
    -------
    >>> module = nn.Linear(1, 2)
    >>> content = as_safetensors({"weight": torch.ones(2, 1), "bias": torch.ones(2)})
    >>> read_weights(content, "head.safetensors", module)["bias"], len(content) <= largest_file(module)
    (tensor([1., 1.]), True)
    """
    # Cloned: weights of one recurrent layer may be views of one storage, which the format has no word for.
    return save({name: value.clone(memory_format=torch.contiguous_format) for name, value in state.items()})


def largest_file(module: nn.Module) -> int:
    """Bytes that a file with a module's values has at most."""
    places = module.state_dict()
    # The header has a name, a shape and two offsets for each, and for its scales where it is kept in 8 bits.
    header = sum(2 * (256 + len(name)) for name in places)
    scales = sum(4 * len(value) for value in places.values() if value.dim() > 1)
    return 1024 + header + scales + sum(value.numel() * value.element_size() for value in places.values())


def read_weights(content: bytes, path, module: nn.Module) -> dict:
    """The state dict in the content of a file, once its header is known to fit the module; 8 bits as floats.

    Raises
    ------
    SerError
        For anything else than safetensors, such as a pickle or a damaged file; for other tensors than the module's; for
        values that are not finite.

    Example
    -------
    >>> read_weights(b"nonsense", "head.safetensors", nn.Linear(1, 2))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: head.safetensors: ...; expected: weights in safetensors and nothing else; ...
    """
    _refuse_misfits(_header(content, path), module.state_dict(), path)
    try:
        state = dequantized(load(content))
    except Exception as error:  # the reader's own class, and nearly anything of torch for types it lacks
        raise _no_weights(path, str(error).strip() or type(error).__name__) from None
    if odd := [name for name, value in state.items() if value.is_floating_point() and not value.isfinite().all()]:
        raise SerError(
            got=f"{path}: {odd[0]} has values that are not finite",
            expected="finite weights",
            remedy="train the model again, or export an earlier checkpoint",
        )
    return state


def _header(content, path) -> dict:
    """Type and shape of each tensor by name, as the file's header has them."""
    try:
        (length,) = struct.unpack("<Q", content[:8])
        if length > len(content) - 8:
            raise ValueError(f"a header of {length:,} bytes")
        header = json.loads(content[8 : 8 + length].decode("utf-8"))
        header.pop("__metadata__", None)
        return {name: (str(entry["dtype"]), tuple(entry["shape"])) for name, entry in header.items()}
    except (ValueError, RecursionError, MemoryError, struct.error, AttributeError, KeyError, TypeError) as error:
        raise _no_weights(path, str(error) or type(error).__name__) from None


def _no_weights(path, reason):
    return SerError(
        got=f"{path}: {reason.splitlines()[0][:200]}",
        expected="weights in safetensors and nothing else",
        remedy="copy the file again from where it came; do not load models from sources you do not trust",
    )


# The first is a module's own; weights may be kept in half precision instead.
_TYPES = {torch.float32: ("F32", "F16"), torch.int64: ("I64",)}


def _refuse_misfits(found: dict, places: dict, path) -> None:
    expected = _expected(found, places)
    wrong = []
    for name in [*expected, *(found.keys() - expected.keys())]:
        kind, shape = found.get(name, (None, "missing"))
        kinds, wanted = expected.get(name, ((), "none"))
        if shape != wanted:
            wrong.append(f"{str(name)[:60]} {str(shape)[:60]} instead of {wanted}")
        elif kind not in kinds:
            wrong.append(f"{name} {kind[:20]} instead of {kinds[0]}")
    if wrong:
        raise SerError(
            got=f"{path}: {'; '.join(wrong[:3])}" + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""),
            expected=f"the {len(places)} tensors of the module that the YAML describes",
            remedy="keep weights and YAML of one export together, or export the model again",
        )


def _expected(found: dict, places: dict) -> dict:
    """Types and shape of each tensor that a file should have: a matrix in 8 bits asks for scales beside it."""
    expected = {}
    for name, place in places.items():
        expected[name] = _TYPES[place.dtype], tuple(place.shape)
        if place.dtype == torch.float32 and place.dim() > 1 and found.get(name, ("",))[0] == "I8":
            expected[name] = ("I8",), tuple(place.shape)
            expected[name + SCALE] = ("F32",), (len(place),)
    return expected


def fill(module: nn.Module, state: dict, path) -> None:
    """Give a module from :func:`construct` its values, as :func:`read_weights` has them."""
    places = module.state_dict()
    # Assigned, not copied into to_empty(), which imports sympy: four fifths of the time that loading takes. The layout
    # is the module's own: convolutions want their channels last, and a file has no say in that.
    values = {
        name: torch.empty_strided(place.shape, place.stride(), dtype=place.dtype).copy_(state[name])
        for name, place in places.items()
    }
    module.load_state_dict(values, assign=True)
    if isinstance(module, ZNorm) and module.mode != "utterance" and module.count == 0:
        raise SerError(
            got=f"{path}: a z-norm without statistics",
            expected="those of a training set",
            remedy="fit it before exporting: ZNorm.fit",
        )
