"""Where an export may be written."""

from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.inference.loading import CARD_FILE, card_in


def refuse_occupied(folder: Path, overwrite: bool) -> None:
    """Raise :class:`SerError` unless ``folder`` is new, empty, or an export that may be replaced."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not folder.is_symlink():
        present = {path.name for path in folder.iterdir()}
        if not present:
            return
        ours = present <= _written(folder)
        if ours and overwrite:
            return
        if ours:
            raise SerError(
                got=f"{folder} holds an exported model",
                expected="an empty or new folder",
                remedy="choose another, or allow it to be replaced: --overwrite",
            )
    raise SerError(
        got=f"{folder} is not empty" if folder.is_dir() else f"{folder} is not a folder",
        expected="an empty or new folder, or with --overwrite an export and nothing beside it",
        remedy="choose another folder",
    )


def _written(folder: Path) -> set:
    """What an export has written into ``folder``, by its ``model.json``."""
    try:
        card = card_in(folder)
    except SerError:
        return set()
    return {*card.files, *card.members, CARD_FILE}
