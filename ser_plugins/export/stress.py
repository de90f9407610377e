"""The lines of a stress page go into the card of the model that was tried."""

import shutil
from dataclasses import replace
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.export.destination import refuse_occupied
from ser_plugins.export.writing import seal
from ser_plugins.files import built_aside
from ser_plugins.inference.loading import CARD_FILE, load_model
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.stress.record import read_stress
from ser_plugins.stress.trial import identity


def put_into_card(folder: str | Path, stress_folder: str | Path) -> ModelCard:
    """Write what ``ser stress`` has found into ``model.json`` and ``README.md`` of a model; the rest stays as it is.

    Arguments
    ---------
    folder : str or Path
        An exported model and nothing beside it. What its card said of an earlier trial is replaced.
    stress_folder : str or Path
        With a finished trial of this very model.

    Returns
    -------
    ModelCard
        The new content of ``model.json``.

    Raises
    ------
    MissingPathError, SerError
        No such folder; other files beside the export; no finished trial, or one of a model with other weights.

    Example
    -------
    >>> put_into_card("models/nothing", "stress")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder models/nothing; expected: a local folder written by ser ...
    """
    card = load_model(folder).card
    folder = Path(folder).absolute()
    record = read_stress(stress_folder)
    if identity(card) != record.model_sha256:
        raise SerError(
            got=f"{stress_folder}: a trial of a model with other weights than {folder}",
            expected="a trial of this very model",
            remedy=f"ser stress --model {folder} --csv TEST --out NEW_FOLDER --into-card",
        )
    refuse_occupied(folder, overwrite=True)
    with built_aside(folder) as built:
        shutil.copytree(folder, built, dirs_exist_ok=True)
        (built / CARD_FILE).unlink()
        return seal(built, replace(card, stress=record.for_card()))
