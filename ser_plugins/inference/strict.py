"""Whether plain SpeechBrain may load a model's folder: there a YAML, a pickle and a Python file run what they hold."""

import os
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.inference.loading import CARD_FILE, find_model, load_model


def refuse_harmful(folder) -> None:
    """Raise :class:`SerError` unless a folder is an export, to the letter, and holds nothing else.

    Our own loading reads what ``model.json`` lists and looks at nothing beside it. SpeechBrain may be told to import a
    Python file that lies there, or to unpickle a checkpoint, so here every other file, link and folder is refused too.
    Of an ensemble, which only we can load, this holds for each member.

    Example
    -------
    >>> from ser_plugins.inference.loading import BOX
    >>> refuse_harmful(BOX)
    """
    folder = find_model(folder)
    card = load_model(folder).card
    _refuse_strangers(folder, {*card.files, CARD_FILE}, set(card.members))
    for name in card.members:
        refuse_harmful(folder / name)


def _refuse_strangers(folder: Path, files: set, folders: set) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            expected = entry.is_file(follow_symlinks=False) and entry.name in files
            if not expected and not (entry.is_dir(follow_symlinks=False) and entry.name in folders):
                kind = "a link" if entry.is_symlink() else "a folder" if entry.is_dir() else "a file"
                raise SerError(
                    got=f"{folder}: {kind} that no export writes: {entry.name!a}",
                    expected=f"{', '.join(sorted(files | folders))} and nothing else",
                    remedy="do not load it in plain SpeechBrain; ser_plugins itself reads only the listed files",
                )
