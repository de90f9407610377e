"""Fetches an exported model from the Hugging Face hub; what arrives is loaded as any other folder, by the same checks.

A model there is named ``hf:OWNER/NAME@COMMIT``. The prefix is asked for, so that a mistyped path is never taken for
somebody's repository, and the whole commit, because branches and tags move: the same name is the same bytes for ever.
"""

import os
import re
import tempfile
from pathlib import Path

from ser_plugins.errors import SerError

PREFIX = "hf:"
TIMEOUT = 10.0  # s, until the hub has answered at all


def on_hub(source) -> bool:
    """Whether a model is named as one on the hub.

    Example
    -------
    >>> on_hub("hf:someone/emodb@" + 40 * "0"), on_hub("someone/emodb")
    (True, False)
    """
    return str(source).startswith(PREFIX)


def fetch(source, largest: dict) -> Path:
    """Download a model's files, once; afterwards no network is needed.

    Arguments
    ---------
    source : str
        ``hf:OWNER/NAME@COMMIT``, the commit as 40 hexadecimal digits.
    largest : dict
        The files to download, each with the bytes it may have at most; the repository's other files are left alone.

    Returns
    -------
    Path
        A folder in the hub's own cache (environment variable ``HF_HOME``), complete.

    Raises
    ------
    SerError
        No such name, no network, no such repository or commit, files missing or too large.

    Example
    -------
    >>> fetch("hf:someone/emodb@main", {})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: hf:someone/emodb@main; expected: hf:OWNER/NAME@COMMIT ...
    """
    name = str(source).replace("\\", "/")  # a path on Windows has other separators
    found = re.fullmatch(rf"{PREFIX}(\w[\w.-]*/\w[\w.-]*)@([0-9a-f]{{40}})", name)
    if not found:
        raise SerError(
            got=str(source),
            expected="hf:OWNER/NAME@COMMIT with all 40 digits of the commit, since branches and tags move",
            remedy="copy the commit from the repository's history, or give a local folder",
        )
    repository, commit = found.groups()
    from huggingface_hub.constants import HF_HOME

    folder = Path(HF_HOME) / "ser_plugins" / repository.replace("/", "--") / commit
    if folder.is_dir():
        return folder
    try:
        _refuse_unfit(_sizes(repository, commit), largest, source)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            arriving = Path(temporary) / "model"
            arriving.mkdir()
            _download(repository, commit, list(largest), arriving)
            os.replace(arriving, folder)
    except SerError:
        raise
    except Exception as error:  # the hub's client raises its own kinds, those of HTTP and those of the system
        raise SerError(
            got=f"{source}: {type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}",
            expected="a repository on the Hugging Face hub, and a network to reach it by",
            remedy="check name, commit and network; without a network, copy the folder here and give its path",
        ) from None
    return folder


def _sizes(repository: str, commit: str) -> dict:
    """Bytes of every file of the repository by name, without downloading any."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(repository, revision=commit, files_metadata=True, timeout=TIMEOUT)
    return {file.rfilename: file.size for file in info.siblings}


def _download(repository: str, commit: str, names: list, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=names)


def _refuse_unfit(sizes: dict, largest: dict, source) -> None:
    missing = [name for name in largest if name not in sizes]
    if missing:
        raise SerError(
            got=f"{source} has no {', '.join(missing)}",
            expected="a repository that holds what ser export wrote",
            remedy="upload the whole folder, or choose another repository",
        )
    for name, most in largest.items():
        if (sizes[name] or 0) > most:
            raise SerError(
                got=f"{source}: {name} has {sizes[name]:,} bytes",
                expected=f"at most {most:,}",
                remedy="choose a repository that holds what ser export wrote",
            )
