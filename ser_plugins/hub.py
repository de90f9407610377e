"""Fetches models from the Hugging Face hub, whole and unchanged; what arrives is read as any other folder.

A model there is named ``hf:OWNER/NAME@COMMIT``. The prefix is asked for, so that a mistyped path is never taken for
somebody's repository, and the whole commit, because branches and tags move: the same name is the same bytes for ever.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from ser_plugins.errors import SerError
from ser_plugins.files import read_json, sha256_of

PREFIX = "hf:"
TIMEOUT = 10.0  # s, until the hub has answered at all
OWNER_AND_NAME = r"\w[\w.-]*/\w[\w.-]*"


def on_hub(source) -> bool:
    """Whether a model is named as one on the hub.

    Example
    -------
    >>> on_hub("hf:someone/emodb@" + 40 * "0"), on_hub("someone/emodb")
    (True, False)
    """
    return str(source).startswith(PREFIX)


def model_name(source: str) -> str:
    """The name under which a pretrained model is known, for :mod:`ser_plugins.corpora.pretraining`.

    Arguments
    ---------
    source : str
        ``hf:OWNER/NAME``, with or without ``@COMMIT``; or a folder, whose ``config.json`` may say where it is from, in
        ``_name_or_path``. Any other folder has its own name, without the path.

    Raises
    ------
    MissingPathError, SerError
        No ``config.json`` in the folder, or one that is no JSON.

    Example
    -------
    >>> model_name("hf:microsoft/wavlm-base-plus@4c66d4806a428f2e922ccfa1a962776e232d487b")
    'microsoft/wavlm-base-plus'
    """
    if on_hub(source):
        return source.removeprefix(PREFIX).partition("@")[0]
    name = read_json(Path(source) / "config.json").get("_name_or_path")
    named = isinstance(name, str) and re.fullmatch(OWNER_AND_NAME, name)
    return name if named else Path(source).resolve().name


def fetch(source, largest: dict, kind: str = "what ser export wrote", optional: tuple = ()) -> Path:
    """Download a model's files, once; afterwards no network is needed.

    Arguments
    ---------
    source : str
        ``hf:OWNER/NAME@COMMIT``, the commit as 40 hexadecimal digits.
    largest : dict
        The files to download, each with the bytes it may have at most; the repository's other files are left alone.
    kind : str
        What the repository should hold, in words, for errors.
    optional : tuple of str
        The files that may be missing.

    Returns
    -------
    Path
        A folder in the hub's own cache (environment variable ``HF_HOME``), complete.

    Raises
    ------
    SerError
        No such name, no network, no such repository or commit, files missing or too large, or other than the hub's
        own SHA-256 says.

    Example
    -------
    >>> fetch("hf:someone/emodb@main", {})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: hf:someone/emodb@main; expected: hf:OWNER/NAME@COMMIT ...
    """
    name = str(source).replace("\\", "/")  # a path on Windows has other separators
    match = re.fullmatch(rf"{PREFIX}({OWNER_AND_NAME})@([0-9a-f]{{40}})", name)
    if not match:
        raise SerError(
            got=str(source),
            expected="hf:OWNER/NAME@COMMIT with all 40 digits of the commit, since branches and tags move",
            remedy="copy the commit from the repository's history, or give a local folder",
        )
    repository, commit = match.groups()
    from huggingface_hub.constants import HF_HOME

    folder = Path(HF_HOME) / "ser_plugins" / repository.replace("/", "--") / commit
    if folder.is_dir():
        return folder
    try:
        listing = _listing(repository, commit)
        largest = {name: most for name, most in largest.items() if name in listing or name not in optional}
        _refuse_unfit(listing, largest, source, kind)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            arriving = Path(temporary) / "model"
            arriving.mkdir()
            _download(repository, commit, list(largest), arriving)
            _refuse_changed(arriving, {name: listing[name].sha256 for name in largest}, source)
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


class Listed(NamedTuple):
    """A file of a repository: its bytes, and its SHA-256 where the hub knows it (of large files it does)."""

    size: int
    sha256: str | None = None


def _listing(repository: str, commit: str) -> dict:
    """Every file of the repository by name, without downloading any."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(repository, revision=commit, files_metadata=True, timeout=TIMEOUT)
    return {
        file.rfilename: Listed(file.size or 0, file.lfs.sha256 if file.lfs else None) for file in info.siblings or ()
    }


def _download(repository: str, commit: str, names: list, folder: Path) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=names)


def _refuse_unfit(listing: dict, largest: dict, source, kind) -> None:
    missing = [name for name in largest if name not in listing]
    if missing:
        raise SerError(
            got=f"{source} has no {', '.join(missing)}",
            expected=f"a repository that holds {kind}",
            remedy="upload the whole folder, or choose another repository",
        )
    for name, most in largest.items():
        if listing[name].size > most:
            raise SerError(
                got=f"{source}: {name} has {listing[name].size:,} bytes",
                expected=f"at most {most:,}",
                remedy=f"choose a repository that holds {kind}",
            )


def _refuse_changed(folder: Path, hashes: dict, source) -> None:
    for name, expected in hashes.items():
        digest = sha256_of(folder / name) if expected else None
        if digest != expected:
            raise SerError(
                got=f"{source}: {name} with SHA-256 {digest}",
                expected=f"{expected}, as the hub lists it",
                remedy="try again: the download was damaged",
            )
