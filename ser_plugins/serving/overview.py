"""Which models are there, and what was measured of each: its card's words, once the folder has passed safe loading."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.serving.loading import BOX, CARD_FILE, YAML_FILE, load_model

KEYS = ("corpus", "system", "task", "target", "classes", "scale", "metrics", "intervals", "protocol_line")
CAUTIONS = ("synthetic", "leaking", "transductive", "partial")


def overview(folders: Iterable = ()) -> Iterator[dict]:
    """The model in the box, then those in ``folders``, each a model or a folder with models one level down.

    Yields
    ------
    dict
        ``model`` (a path, or ``box``), ``corpus``, ``system``, ``task``, ``target``, ``classes`` or ``scale``,
        ``metrics`` and ``intervals`` by score (fractions, or points of the scale), ``protocol_line``, ``measured``
        (what the numbers are of), ``cautions``, ``bytes`` of the folder; or ``model`` and ``error`` where it does not
        load.

    Example
    -------
    >>> [box] = overview()
    >>> box["corpus"], box["system"], len(box["classes"])
    ('EmoDB', 'bigru_mha_mel_mean', 7)
    """
    yield _row("box", BOX)
    for folder in map(Path, folders):
        found = [folder] if _is_model(folder) or not folder.is_dir() else sorted(filter(_is_model, folder.iterdir()))
        for path in found or [folder]:  # a folder without models says what it lacks
            yield _row(str(path), path)


def _is_model(folder: Path) -> bool:
    return any((folder / name).exists() for name in (CARD_FILE, YAML_FILE))


def _row(name: str, folder: Path) -> dict:
    try:
        card = load_model(folder).card
        return {
            "model": name,
            **{key: card[key] for key in KEYS},
            "measured": _measured(card),
            "cautions": [word.upper() for word in CAUTIONS if card[word]],
            "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        }
    except SerError as error:
        return {"model": name, "error": str(error)}
    except (KeyError, TypeError, AttributeError) as error:
        missing = SerError(got=f"{folder / CARD_FILE} without {error}", expected="a card", remedy="export it again")
        return {"model": name, "error": str(missing)}


def _measured(card: dict) -> str:
    parts = card["protocol_line"].split("; ")
    how = next((part for part in parts if part.startswith("protocol ")), parts[0])
    how += "" if card["whole_protocol"] else "; one fold only"
    return how + ("; each member, not their mean" if "members" in card else "")
