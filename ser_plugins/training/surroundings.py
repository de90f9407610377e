"""What a training ran on, for ``env.log``: Python, packages, revision, CUDA."""

import subprocess
import sys
from functools import cache
from importlib.metadata import distributions

import torch


@cache
def surroundings() -> str:
    """Describe this process: its Python, the packages that it would import, the git revision of the working folder.

    SpeechBrain's ``get_environment_description`` takes two seconds, and asks whichever ``pip`` the shell finds first:
    that of another Python, where an environment is used without being activated.

    Example
    -------
    >>> print(surroundings())  # doctest: +ELLIPSIS
    Python: 3...
    """
    lines = [f"Python: {sys.version}", f"Git revision: {_revision()}", f"CUDA: {torch.version.cuda or 'not available'}"]
    packages = {f"{package['Name']}=={package['Version']}" for package in (found.metadata for found in distributions())}
    return "\n".join([*lines, "Packages:", *sorted(packages, key=str.lower), ""])


def _revision() -> str:
    try:
        command = ["git", "rev-parse", "HEAD"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except OSError as error:
        return f"no git ({error.strerror})"
    return done.stdout.strip() or "none"
