"""Puts an exported model on the Hugging Face hub, whole, after the checks that loading it from there makes."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.hub import OWNER_AND_NAME
from ser_plugins.inference.loading import CARD_FILE, FENCE, README_FILE, card_in
from ser_plugins.inference.strict import refuse_harmful

_LOGIN = "log in with `hf auth login`, or set HF_TOKEN"
_REMEDIES = {  # by the hub's status: what it means, and what to do
    401: ("a token that the hub knows", _LOGIN),
    403: ("a token that may write there", "make a token with the right to write to that owner's repositories"),
    404: ("a repository that this token may see", "check the name; without --update a new one is made"),
    409: ("a name that is free", "choose another name, or put a new commit there with --update"),
}


def push(folder: str | Path, repository: str, *, public: bool = False, update: bool = False) -> str:
    """Upload an export as one commit; the token is the one that ``huggingface_hub`` finds.

    Arguments
    ---------
    folder : str or Path
        Written by ``ser export``, with nothing beside it; no ensemble, which is loaded from a folder alone.
    repository : str
        ``OWNER/NAME``.
    public : bool
        Make a repository that everyone can read.
    update : bool
        Add a commit to a repository that is there, and leave who can read it as it is.

    Returns
    -------
    str
        The commit, 40 hexadecimal digits.

    Raises
    ------
    MissingPathError, SerError
        No such folder, or one that loading would refuse or that holds more than an export; no token, one that the hub
        refuses, a name that is taken, no network. Nothing is sent before the folder has passed.

    Example
    -------
    >>> push("no/such/model", "me/model")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder no/such/model; ...
    """
    if not re.fullmatch(OWNER_AND_NAME, repository):
        raise SerError(got=repository, expected="OWNER/NAME", remedy="name the owner too")
    folder = Path(folder)
    names = _checked_files(folder)
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    _asked(repository, api.whoami)
    if not update:
        _asked(repository, api.create_repo, repository, private=not public)
    files = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(folder / name)) for name in names]
    message = "A model of ser_plugins"
    return _asked(repository, api.create_commit, repository, files, commit_message=message).oid


def _checked_files(folder: Path) -> list[str]:
    """The names of an export's files, once it has been loaded."""
    if not os.path.isdir(folder):
        raise MissingPathError(got=f"no folder {folder}", expected="a folder written by ser export", remedy="export it")
    refuse_harmful(folder)
    card = card_in(folder)
    if card.members:
        raise SerError(
            got=f"{folder}: an ensemble", expected="one model: hf: names have no members", remedy="push a member"
        )
    text = (folder / README_FILE).read_text(encoding="utf-8") if README_FILE in card.files else ""
    if not text.startswith(FENCE):
        raise SerError(
            got=f"{folder}: no {README_FILE} with the header that the hub reads",
            expected="a card as ser export writes it",
            remedy="export the model again",
        )
    return sorted((*card.files, CARD_FILE))


def _asked(repository: str, call: Callable, *arguments, **options) -> Any:
    """What the hub answers; whatever goes wrong is one line."""
    from huggingface_hub.errors import LocalTokenNotFoundError

    try:
        return call(*arguments, **options)
    except LocalTokenNotFoundError:
        raise SerError(got="no token of the Hugging Face hub", expected="one that may write", remedy=_LOGIN) from None
    except Exception as error:  # the hub's client raises its own kinds, those of HTTP and those of the system
        if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):  # of the upload of one file
            error = error.__cause__
        status = getattr(getattr(error, "response", None), "status_code", 0)
        reason = next(iter(str(error).strip().splitlines()), "")
        expected, remedy = _REMEDIES.get(
            status, ("a hub that can be reached and takes the files", "check the network and try again, with --update")
        )
        raise SerError(
            got=f"{repository}: {type(error).__name__}: {reason}", expected=expected, remedy=remedy
        ) from None
