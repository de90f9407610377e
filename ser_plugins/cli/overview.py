"""Which models are there, and what was measured of each: its card's words, once the folder has passed safe loading."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ser_plugins.corpora.pretraining import contamination_lines, pretrained_key
from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.tasks import task_of
from ser_plugins.inference.loading import BUNDLED, CARD_FILE, YAML_FILE, card_in, load_model
from ser_plugins.inference.model_card import ModelCard

KEYS = ("corpus", "system", "task", "target", "classes", "scale", "metrics", "intervals", "protocol_line")


def overview(folders: Iterable = ()) -> Iterator[dict]:
    """The models in the package, then those in ``folders``, each a model or a folder with models one level down.

    Yields
    ------
    dict
        ``model`` (a path, or the name of a model in the package; the first is the default), ``corpus``, ``system``,
        ``task``, ``target``, ``classes`` or ``scale``, ``metrics`` and ``intervals`` by score (fractions, or points of
        the scale), ``protocol_line``, ``measured`` (what the numbers are of), ``cautions``, ``bytes`` of the folder,
        ``strangers``, what was measured on corpora that training lacked, in one line, where it was tried ``stress``,
        another one, and where a part is pretrained ``pretrained``, a line for each of its models; or ``model`` and
        ``error`` where it does not load.

    Example
    -------
    >>> small = next(row for row in overview() if row["model"] == "small")
    >>> small["corpus"], small["system"], len(small["classes"])
    ('EmoDB', 'bigru_mha_mel_mean', 7)
    """
    for name, folder in BUNDLED.items():
        yield _row(name, folder)
    for folder in map(Path, folders):
        for path in models_in(folder):
            yield _row(str(path), path)


def models_in(folder: Path) -> list:
    """A model, or the models one level down; a folder without any stands for itself, and says what it lacks."""
    if _is_model(folder) or not os.path.isdir(folder):
        return [folder]
    try:
        return sorted(filter(_is_model, folder.iterdir())) or [folder]
    except OSError:
        return [folder]


def _is_model(folder: Path) -> bool:
    return any(os.path.lexists(folder / name) for name in (CARD_FILE, YAML_FILE))


def _row(name: str, folder: Path) -> dict:
    try:
        card = load_model(folder).card
        _refuse_missing_scores(folder, card)
        values = card.to_json()
        return {
            "model": name,
            **{key: values[key] for key in KEYS},
            "measured": _measured(card),
            "strangers": card.strangers_line,
            **({"stress": card.stress.line} if card.stress else {}),
            **pretrained_key(contamination_lines(card.pretrained, card.corpus)),
            "cautions": card.cautions,
            "bytes": _size(folder, card),
        }
    except SerError as error:
        return {"model": name, "error": str(error)}


def _refuse_missing_scores(folder: Path, card: ModelCard) -> None:
    if card.metrics is None:
        return
    scores = task_of(card.task, card.classes, card.scale).scores
    parts = card.metrics, card.intervals or {}
    if missing := [key for key in scores if not all(key in part for part in parts)]:
        raise SerError(
            got=f"{folder / CARD_FILE}: no metrics or intervals of {', '.join(missing)}",
            expected="a card as ser export writes it",
            remedy="use the model all the same, or export it again",
        )


def _size(folder: Path, card: ModelCard) -> int:
    members = sum(_size(folder / name, card_in(folder / name)) for name in card.members)
    return sum(os.stat(folder / name).st_size for name in (*card.files, CARD_FILE)) + members


def _measured(card: ModelCard) -> str:
    if card.metrics is None:
        return card.protocol_line
    parts = card.protocol_line.split("; ")
    how = next((part for part in parts if part.startswith("protocol ")), parts[0])
    if not card.whole_protocol:
        how += "; one fold only"
    return f"{how}; each member, not their mean" if card.members else how
