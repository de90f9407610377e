"""One list of recordings, of any kind that is read -> a manifest, under our names."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ser_plugins.corpora.lists.audformat import is_audformat, read_audformat_table
from ser_plugins.corpora.lists.columns import find_columns, our_name, said
from ser_plugins.corpora.lists.indices import SUFFIXES, as_records, read_index, select
from ser_plugins.corpora.lists.kaldi import is_kaldi, read_kaldi
from ser_plugins.corpora.lists.naming import Naming
from ser_plugins.corpora.lists.records import read_records
from ser_plugins.corpora.text import read_lines
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError

TRIED = 20  # recordings that are looked for, to find out what relative paths start from


@dataclass
class Reader:
    """Reads lists, and remembers what it has guessed.

    Arguments
    ---------
    columns : mapping
        ``{our name: column}``; the others are guessed.
    naming : Naming, optional
        What names of files say; it overrides columns.
    data_root : Path, optional
        What relative paths start from; by default the folder of the list, or ``folder``, where recordings are.
    table : dict, optional
        A manifest of the whole corpus, for index files.
    folder : Path, optional
        That all lists lie in.
    remarks : dict
        What was guessed, in words, in order.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    naming: Naming | None = None
    data_root: Path | None = None
    table: dict | None = None
    folder: Path | None = None
    remarks: dict[str, None] = field(default_factory=dict)

    def manifest(self, path) -> dict:
        """What one list holds: ``{id: {field: value}}``; without ids, paths are ids.

        Raises
        ------
        MissingPathError, SerError
            No such file; of no kind that is read; a recording twice; a name that says no speaker.
        """
        path = Path(path)
        if is_index(path):
            entries = read_index(path)
            if self.table is None:
                return self.as_manifest(path, as_records(path, entries))
            manifest, how = select(path, entries, self.table)
            if how:
                self.remarks[f"index files are {how}"] = None
            return {id_: self._named(path, id_, dict(fields)) for id_, fields in manifest.items()}
        return self.as_manifest(path, self.records(path))

    def records(self, path) -> list[dict]:
        """The records of one list, under our names."""
        path = Path(path)
        if path.is_dir() and is_kaldi(path):
            return read_kaldi(path)
        raw = read_audformat_table(path) if is_audformat(path) else read_records(path, self.columns.values())
        renamings: dict[tuple, dict] = {}
        records = []
        for record in raw:
            header = tuple(record)
            if header not in renamings:
                renamings[header] = find_columns(header, self.columns, path)
                if words := said(renamings[header]):
                    self.remarks[f"columns: {words}"] = None
            names = renamings[header]
            records.append({names[str(column)]: value for column, value in record.items()})
        return records

    def as_manifest(self, path, records: Iterable[dict]) -> dict:
        """Records by id, their paths completed."""
        path, records = Path(path), list(records)
        base = self._base(path, records)
        manifest: dict[str, dict] = {}
        for number, record in enumerate(records, start=1):
            fields = {name: value for name, value in record.items() if name != "id"}
            if fields.get("wav"):
                fields["wav"] = _complete(str(fields["wav"]), base, self.data_root)
            given = record.get("id")
            id_ = str(given) if given not in (None, "") else fields.get("wav")
            if id_ is None or id_ in manifest:
                raise SerError(
                    got=f"{path}, recording {number}: " + ("neither id nor wav" if id_ is None else f"{id_} again"),
                    expected="every recording once, with an id or a path",
                    remedy="name the columns id, wav, speaker, or say which is which: --columns id=COLUMN",
                )
            manifest[id_] = self._named(path, id_, fields)
        return manifest

    def _named(self, path, id_, fields) -> dict:
        """The fields, and what the name of the file says."""
        if self.naming is None:
            return fields
        tried = [str(name) for name in (fields.get("wav"), id_) if name]
        found = next((said for said in map(self.naming.fields, tried) if said), None)
        if found is None:
            raise SerError(
                got=f"{path}: {first_few(dict.fromkeys(tried))} with --speaker-from {self.naming.name}",
                expected="names of files that it fits",
                remedy="correct the expression, or leave these recordings out",
            )
        return {**fields, **{name: text for name, text in found.items() if name != "label" or "label" not in fields}}

    def _base(self, path: Path, records) -> Path:
        """What relative paths start from."""
        if self.data_root is not None:
            return self.data_root
        own = path.parent
        wavs = list(islice((str(record["wav"]).replace("\\", "/") for record in records if record.get("wav")), TRIED))
        places = [own, *([self.folder] if self.folder else []), Path()]
        found = next((place for place in places if any(os.path.isfile(place / wav) for wav in wavs)), None)
        return found or self.folder or own


def read_split(path, data_root=None) -> dict:
    r"""Read what one split holds, its columns guessed: see :meth:`Reader.manifest`.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.tsv"
    >>> _ = path.write_text("Path\tSpeaker\n/a/1.wav\tanna\n")
    >>> read_split(path)
    {'/a/1.wav': {'wav': '/a/1.wav', 'speaker': 'anna'}}
    """
    return Reader(data_root=None if data_root is None else Path(data_root)).manifest(path)


def is_index(path: Path) -> bool:
    """Whether a file is a list of ids or numbers without a header: by its suffix, and its first line."""
    if path.suffix.lower() == ".npy":
        return True
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    first = next((line.strip() for line in read_lines(path)[0] if line.strip()), "")
    return first[:1] not in ("{", "[") and not {our_name(cell) for cell in first.replace(";", ",").split(",")} & {
        "id",
        "wav",
    }


def _complete(wav: str, base: Path, data_root: Path | None) -> str:
    """A path as it is looked for; ``{data_root}`` stays where nobody has said what it is."""
    if wav.startswith("{data_root}") and data_root is None:
        return wav
    wav = wav.replace("{data_root}/", "")
    return wav if os.path.isabs(wav) else (base / wav.replace("\\", "/")).as_posix()
