"""Recordings measured side by side, and remembered: gigabytes are not to be read before every training."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from ser_plugins.corpora.manifest import Sound, canonical, measure
from ser_plugins.corpora.over_files import over_files
from ser_plugins.errors import AudioError, SerError
from ser_plugins.files import read_json, write_text
from ser_plugins.sound.read import read_wave
from ser_plugins.sound.usable import check_usable

MEASURED_BY = 4  # the rules that records are made by; those of other rules are made anew


def list_recordings(folder, suffixes=(".wav", ".flac")) -> list[str]:
    """List every recording in ``folder`` by its path below it, sorted; macOS's ``._*`` companions are none."""
    folder = Path(folder)
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in suffixes and path.is_file())
    return [path.relative_to(folder).as_posix() for path in paths if not path.name.startswith("._")]


def list_wavs(folder) -> list[str]:
    """List every wav in ``folder`` by its path below it, sorted."""
    return list_recordings(folder, (".wav",))


def measure_wavs(folder) -> dict:
    """Measure every wav in ``folder``, every time: ``{path below it: Sound}``."""
    return {name: measure(Path(folder) / name) for name in list_wavs(folder)}


def measure_remembered(folder, names, memory: Path) -> dict:
    """Measure files, reading anew only those that changed.

    A file counts as unchanged while its path, size and time of change are those on record. Where checksums are
    published this is not used: there every file is hashed every time.

    Arguments
    ---------
    folder : path-like
        What relative names start from.
    names : iterable of str
        Relative or absolute paths.
    memory : Path
        JSON with the records of earlier calls; written atomically. A damaged one counts as empty.

    Returns
    -------
    dict
        ``{name: Sound}`` without those that are not there. ``problem`` says why a recording cannot be used.
    """
    paths = {name: Path(folder, name).absolute() for name in dict.fromkeys(names)}
    stamps = {
        name: _stamp(path) for name, path in paths.items() if os.path.isfile(path)
    }  # before reading, to miss no change
    memorised = _recall(memory)
    records: dict[str, Any] = {str(paths[name]): memorised.get(str(paths[name])) for name in stamps}
    new = [n for n, stamp in stamps.items() if (records[str(paths[n])] or {}).get("stamp") != stamp]
    for name, sound in zip(new, over_files(_examine, [paths[name] for name in new], "reading recordings"), strict=True):
        records[str(paths[name])] = {"stamp": stamps[name], "rules": MEASURED_BY, **dataclasses.asdict(sound)}
    if records != memorised:
        write_text(memory, canonical(records))
    names_of_fields = [field.name for field in dataclasses.fields(Sound)]
    return {name: Sound(**{field: records[str(paths[name])][field] for field in names_of_fields}) for name in stamps}


def _stamp(path) -> list:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _examine(path) -> Sound:
    """Measure, and read as training will read: what would fail there is known before."""
    sound = measure(path)
    try:
        check_usable(*read_wave(path), str(path))
    except AudioError as error:
        return dataclasses.replace(sound, problem=error.got.removeprefix(f"{path}: ").removeprefix(f"{path} "))
    return sound


def _recall(memory) -> dict:
    try:
        memorised = read_json(memory)
        fields = {"stamp", "rules", *(field.name for field in dataclasses.fields(Sound))}
        return {
            path: record
            for path, record in memorised.items()
            if set(record) == fields and record["rules"] == MEASURED_BY
        }
    except (SerError, AttributeError, TypeError):
        return {}
