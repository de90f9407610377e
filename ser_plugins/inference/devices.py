"""Which devices there are to compute on, and whether one that was named is there."""

import torch

from ser_plugins.errors import SerError


def devices() -> list[str]:
    """Names of the devices of this machine, as ``--device`` takes them.

    Example
    -------
    >>> devices()[0]
    'cpu'
    """
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ["cpu", *gpus, *(["mps"] if torch.backends.mps.is_available() else [])]


def usable_device(device: str | torch.device | None = None) -> torch.device:
    """The device that was named; without a name, the first CUDA GPU where there is one, else the CPU.

    Raises
    ------
    SerError
        For one that this machine lacks.

    Example
    -------
    >>> usable_device("cpu")
    device(type='cpu')
    >>> usable_device("gpu")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: device gpu; expected: one of this machine: cpu...
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError):  # no such name; no such device; one without numbers
        raise SerError(
            got=f"device {device}", expected=f"one of this machine: {', '.join(devices())}", remedy="name one of those"
        ) from None
    return torch.device(device)
