"""Where an export may be written, and that it is written whole or not at all."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.serving.facts import read_facts
from ser_plugins.serving.loading import CARD_FILE, read_inside


@contextmanager
def built_aside(folder: Path):
    """An empty folder beside ``folder``, which takes its place at the end, when nothing has failed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        built = temporary / "new"
        built.mkdir()
        yield built
        _put_in_place(built, folder, aside=temporary / "old")
    finally:
        shutil.rmtree(temporary)


def _put_in_place(built: Path, folder: Path, aside: Path) -> None:
    """Rename ``built`` to ``folder``; what was there is set aside, and put back when that fails."""
    if folder.exists():
        os.replace(folder, aside)
    try:
        os.replace(built, folder)
    except OSError:
        if aside.exists():
            os.replace(aside, folder)
        raise


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
        card = read_facts(read_inside(folder, CARD_FILE), folder / CARD_FILE)
    except SerError:
        return set()
    return {*card["files"], *card.get("members", ()), CARD_FILE}
