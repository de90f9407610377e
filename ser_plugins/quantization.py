"""Weights kept in 8 bits: of a matrix or a convolution kernel, integers and a scale for each row of its output.

They become floating point again when they are loaded: a quarter of the bytes in the file, and the same numbers on every
machine, since no product is made of integers.
"""

import torch

SCALE = ".scale"  # behind the name of a weight: the name of its scales, (rows,)
LARGEST = 127


def quantized(state: dict) -> dict:
    """A state dict with its matrices and kernels in 8 bits; vectors stay as they are.

    Arguments
    ---------
    state : dict
        Tensors by name.

    Returns
    -------
    dict
        For each of two or more dimensions: int8 under its name, and float32 scales (rows,) under ``NAME.scale``.

    Example
    -------
    >>> quantized({"weight": torch.tensor([[0.5, -1.27], [0.0, 0.0]])})["weight"]
    tensor([[  50, -127],
            [   0,    0]], dtype=torch.int8)
    """
    weights = {}
    for name, value in state.items():
        if value.dim() < 2:
            weights[name] = value
            continue
        rows = value.float().flatten(1)
        scale = rows.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / LARGEST
        weights[name] = (rows / scale[:, None]).round().to(torch.int8).view(value.shape)
        weights[name + SCALE] = scale
    return weights


def dequantized(state: dict) -> dict:
    """The state dict that :func:`quantized` was given, each weight off by half a step at most; others stay as they are.

    Example
    -------
    >>> dequantized({"weight": torch.tensor([[50, -127]], dtype=torch.int8), "weight.scale": torch.tensor([0.01])})
    {'weight': tensor([[ 0.5000, -1.2700]])}
    """
    scales = {name + SCALE for name, value in state.items() if value.dtype == torch.int8}
    return {
        name: _product(value, state[name + SCALE]) if value.dtype == torch.int8 else value
        for name, value in state.items()
        if name not in scales
    }


def _product(integers, scale):
    return integers.float() * scale.float().view(-1, *[1] * (integers.dim() - 1))
