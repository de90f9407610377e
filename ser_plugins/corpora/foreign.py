"""Lists of recordings as people have them: SpeechBrain's JSON, JSON lines, CSV, TSV -> a manifest."""

import csv
import json
import os
from pathlib import Path

from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.text import read_lines
from ser_plugins.errors import SerError

# What people call a column, without case; the first that is there counts.
ALIASES = {
    "id": ("id", "utt_id", "utterance_id", "utterance", "key"),
    "wav": ("wav", "path", "file", "filename", "file_name", "filepath", "file_path", "audio", "audio_path", "wav_path"),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "spkid", "speakerid"),
    "session": ("session", "session_id"),
    "video": ("video", "video_id"),
}


def read_split(path, data_root=None) -> dict:
    r"""Read what one split holds.

    Arguments
    ---------
    path : path-like
        ``{id: {field: value}}`` or a list of objects in JSON; an object a line; or a table with a header, separated by
        commas, semicolons or tabs. Columns are known by several names, in any case; without ids, paths are ids.
    data_root : path-like, optional
        What relative paths start from; by default the folder of the file.

    Raises
    ------
    MissingPathError, SerError
        No such file; none of these; or an id twice.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.tsv"
    >>> _ = path.write_text("Path\tSpeaker\n/a/1.wav\tanna\n")
    >>> read_split(path)
    {'/a/1.wav': {'wav': '/a/1.wav', 'speaker': 'anna'}}
    """
    path = Path(path)
    lines = [line for line in read_lines(path)[0] if line.strip()]
    head = lines[0].lstrip() if lines else ""
    if head[:1] == "{" and len(lines) > 1 and _object(lines[0]) is not None:
        records = [_object(line) for line in lines]
    elif head[:1] == "[" and isinstance(whole := _json("\n".join(lines)), list):
        records = whole
    elif head[:1] in ("{", "[") or path.suffix.lower() == ".json" or not lines:
        return read_manifest(path)
    else:
        records = _table(path, lines)
    if not records or not all(isinstance(record, dict) for record in records):
        raise SerError(
            got=f"{path}: JSON of another shape",
            expected='a SpeechBrain manifest, {"id": {"wav": ..., "speaker": ..., ...}, ...}, or an object a recording',
            remedy="name the train, valid and test manifests of one experiment",
        )
    manifest = {}
    for number, record in enumerate(records, start=1):
        id_, fields = _entry(record, Path(data_root or path.parent))
        if id_ is None or id_ in manifest:
            raise SerError(
                got=f"{path}, recording {number}: " + ("neither id nor wav" if id_ is None else f"{id_} again"),
                expected="every recording once, with an id or a path",
                remedy="name the columns id, wav, speaker",
            )
        manifest[id_] = fields
    return manifest


def _entry(record, folder) -> tuple[str | None, dict]:
    """Id and fields of one recording, under our names."""
    fields = {str(name).strip().lower(): value for name, value in record.items()}
    for name, aliases in ALIASES.items():
        filled = next((alias for alias in aliases if fields.get(alias) not in (None, "")), None)
        if filled is not None and filled != name:
            fields = {name: fields[filled], **{key: value for key, value in fields.items() if key != name}}
    if fields.get("wav"):
        wav = str(fields["wav"]).replace("{data_root}/", "")
        fields["wav"] = wav if os.path.isabs(wav) else (folder / wav.replace("\\", "/")).as_posix()
    id_ = fields.pop("id", None) or fields.get("wav")
    used = {alias for name, aliases in ALIASES.items() for alias in aliases if alias != name}
    return (None if id_ is None else str(id_)), {key: value for key, value in fields.items() if key not in used}


def _table(path, lines) -> list[dict]:
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    try:
        header, *rows = ([cell.strip() for cell in cells] for cells in reader)
    except csv.Error as error:
        raise SerError(
            got=f"{path}, line {reader.line_num}: {error}", expected="a table", remedy="correct the file"
        ) from None
    names = {name.lower() for name in header}
    wrong = next((number for number, cells in enumerate(rows, start=2) if len(cells) != len(header)), None)
    if wrong or not names & {*ALIASES["id"], *ALIASES["wav"]} or len(names) < len(header) or not rows:
        got = f"row {wrong} has another number of cells" if wrong else f"the first line is {', '.join(header)[:200]}"
        raise SerError(
            got=f"{path}: {got}",
            expected="JSON, JSON lines, or a table with a header (id or wav, speaker, ...), as many cells in each row",
            remedy="name the columns in the first line",
        )
    return [dict(zip(header, cells, strict=True)) for cells in rows]


def _object(line) -> dict | None:
    value = _json(line)
    return value if isinstance(value, dict) else None


def _json(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None
