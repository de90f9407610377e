"""Which models are there, and what was measured of each: its card's words, once the folder has passed safe loading."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ser_plugins.corpora.pretraining import contamination_lines, pretrained_key
from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.tasks import tasks_of
from ser_plugins.inference.facts import read_facts
from ser_plugins.inference.loading import BUNDLED, CARD_FILE, YAML_FILE, load_model, read_inside

KEYS = ("corpus", "system", "task", "target", "classes", "scale", "metrics", "intervals", "protocol_line")
CAUTIONS = ("synthetic", "leaking", "transductive", "partial")


def overview(folders: Iterable = ()) -> Iterator[dict]:
    """The models in the package, then those in ``folders``, each a model or a folder with models one level down.

    Yields
    ------
    dict
        ``model`` (a path, or the name of a model in the package; the first is the default), ``corpus``, ``system``,
        ``task``, ``target``, ``classes`` or ``scale``, ``metrics`` and ``intervals`` by score (fractions, or points of
        the scale), ``protocol_line``, ``measured`` (what the numbers are of), ``cautions``, ``bytes`` of the folder,
        and where a part is pretrained ``pretrained``, a line for each of its models; or ``model`` and ``error`` where
        it does not load.

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
        if missing := [key for key in (*KEYS, *CAUTIONS, "whole_protocol") if key not in card]:
            raise _incomplete(folder, f"no {', '.join(missing)}")
        scores = tasks_of(card)[card["target"]].scores if card["metrics"] else {}
        if missing := [key for key in scores for part in ("metrics", "intervals") if key not in (card[part] or {})]:
            raise _incomplete(folder, f"no metrics or intervals of {', '.join(dict.fromkeys(missing))}")
        return {
            "model": name,
            **{key: card[key] for key in KEYS},
            "measured": _measured(card),
            **pretrained_key(contamination_lines(card)),
            "cautions": [word.upper() for word in CAUTIONS if card[word]],
            "bytes": _size(folder, card),
        }
    except SerError as error:
        return {"model": name, "error": str(error)}


def _incomplete(folder, got):
    return SerError(
        got=f"{folder / CARD_FILE}: {got}",
        expected="a card as ser export writes it",
        remedy="use the model all the same, or export it again",
    )


def _size(folder: Path, card: dict) -> int:
    members = sum(_size(folder / name, _card(folder / name)) for name in card.get("members", ()))
    return sum(os.stat(folder / name).st_size for name in (*card["files"], CARD_FILE)) + members


def _card(folder: Path) -> dict:
    return read_facts(read_inside(folder, CARD_FILE), folder / CARD_FILE)


def _measured(card: dict) -> str:
    if card["metrics"] is None:
        return card["protocol_line"]
    parts = card["protocol_line"].split("; ")
    how = next((part for part in parts if part.startswith("protocol ")), parts[0])
    how += "" if card["whole_protocol"] else "; one fold only"
    return how + ("; each member, not their mean" if "members" in card else "")
