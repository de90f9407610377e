"""Kaldi's data folders: ``wav.scp``, ``utt2spk``, ``text``, ``segments``, ``utt2emo`` ... -> a record per utterance."""

from pathlib import Path

from ser_plugins.corpora.text import read_lines
from ser_plugins.errors import SerError
from ser_plugins.sound.suffixes import MEDIA

# Beside these, utt2X gives a field X.
FIELDS = {
    "utt2spk": "speaker",
    "text": "transcript",
    "utt2emo": "label",
    "utt2emotion": "label",
    "utt2label": "label",
    "utt2dur": "duration",
}


def is_kaldi(folder) -> bool:
    """Whether a folder holds ``utt2spk`` or ``wav.scp``."""
    return any((Path(folder) / name).is_file() for name in ("utt2spk", "wav.scp"))


def read_kaldi(folder) -> list[dict]:
    r"""Read a data folder.

    Of utterances that are pieces of a recording (``segments``) the recording is a field, and no file is theirs alone.

    Raises
    ------
    SerError
        An empty folder, or an utterance that is in one file and not in ``utt2spk`` or ``wav.scp``.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "utt2spk").write_text("u1 anna\n"), (folder / "wav.scp").write_text("u1 sox a.wav -t wav - |\n")
    >>> read_kaldi(folder)
    [{'id': 'u1', 'speaker': 'anna', 'wav': 'a.wav'}]
    """
    folder = Path(folder)
    tables = {path.name: _read(path) for path in sorted(folder.iterdir()) if _field(path.name)}
    recordings = {key: _file_in(value) for key, value in _read(folder / "wav.scp").items()}
    segments = {utterance: value.split()[0] for utterance, value in _read(folder / "segments").items()}
    ids = list(tables.get("utt2spk") or segments or recordings)
    if not ids:
        raise SerError(got=f"{folder}: no utterances", expected="utt2spk and wav.scp", remedy="check the folder")
    records = {id_: {"id": id_} for id_ in ids}
    for name, table in tables.items():
        for id_, value in table.items():
            if id_ not in records:
                raise SerError(
                    got=f"{folder / name}: {id_} is not in utt2spk or wav.scp",
                    expected="the same utterances in all files",
                    remedy="utils/fix_data_dir.sh, or restore the files",
                )
            records[id_][_field(name)] = value
    for id_, record in records.items():
        if segments:
            record["recording"] = segments.get(id_, "")
        elif recordings.get(id_):
            record["wav"] = recordings[id_]
    return list(records.values())


def _field(name: str) -> str:
    return FIELDS.get(name) or (name.removeprefix("utt2") if name.startswith("utt2") and "." not in name else "")


def _read(path) -> dict[str, str]:
    """Key and rest of every line; empty where there is no such file."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in read_lines(path)[0])
    pairs = [line.split(maxsplit=1) for line in lines if line]
    return {key: "".join(rest) for key, *rest in pairs}


def _file_in(value: str) -> str:
    """The file of a line of ``wav.scp``, which may be a pipe; empty where none can be told."""
    if not value.rstrip().endswith("|"):
        return value
    return next((word for word in value.split() if word.lower().endswith(MEDIA)), "")
