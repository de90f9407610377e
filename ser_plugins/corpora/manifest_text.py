"""Manifests of many folds as text: every utterance is written out once, however many folds it is in."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from itertools import accumulate, pairwise

from ser_plugins.corpora.manifest import canonical


class ManifestText:
    """The text of parts of a corpus, to the byte that of :func:`ser_plugins.files.write_json`.

    Arguments
    ---------
    manifest : dict
        All utterances of the corpus.

    Example
    -------
    >>> print(ManifestText({"u1": {"wav": "a.wav"}, "u2": {"wav": "b.wav"}}).of(["u2"]), end="")
    {
      "u2": {
        "wav": "b.wav"
      }
    }
    """

    def __init__(self, manifest: dict):
        self.lines = {id_: self._entry(id_, fields) for id_, fields in manifest.items()}

    @staticmethod
    def _entry(id_, fields) -> str:
        text = json.dumps({id_: fields}, indent=2, ensure_ascii=False, allow_nan=False)
        return text.removeprefix("{\n").removesuffix("\n}")

    def of(self, ids) -> str:
        """Return the text of a manifest of these utterances, in this order."""
        entries = ",\n".join([self.lines[id_] for id_ in ids])
        return f"{{\n{entries}\n}}\n" if entries else "{}\n"


def digest_of_folds(summary: dict, manifest: dict, folds: Mapping) -> str:
    """Return what ``digest([summary, folds])`` is, without the text of all folds in memory.

    Arguments
    ---------
    summary : dict
        What is said beside the folds.
    manifest : dict
        The utterances as they are digested.
    folds : Mapping
        ``{fold: {part: ids}}``, ids as a dict or a set; each fold is asked for once.

    Example
    -------
    >>> from ser_plugins.corpora.manifest import digest
    >>> manifest = {"u2": {"wav": "b"}, "u1": {"wav": "a"}}
    >>> folds = {"f": {"train": {"u2", "u1"}, "test": set()}}
    >>> digest_of_folds({"x": 1}, manifest, folds) == digest([{"x": 1}, {"f": {"train": manifest, "test": {}}}])
    True
    """
    corpus = _SortedEntries(manifest)
    result = hashlib.sha256(f"[{canonical(summary)},{{".encode())
    for fold_number, fold in enumerate(sorted(folds)):
        result.update(f"{',' if fold_number else ''}{canonical(fold)}:{{".encode())
        for part_number, (part, ids) in enumerate(sorted(folds[fold].items())):
            result.update(f"{',' if part_number else ''}{canonical(part)}:{{".encode())
            for text in corpus.texts_of(ids):
                result.update(text)
            result.update(b"}")
        result.update(b"}")
    result.update(b"}]")
    return result.hexdigest()


class _SortedEntries:
    """The canonical text of a corpus, sorted by id, from which a part of it is read in as few pieces as it has gaps."""

    def __init__(self, manifest: dict):
        ids = sorted(manifest)
        entries = [canonical({id_: manifest[id_]})[1:-1].encode() for id_ in ids]
        self.text = memoryview(b",".join(entries))
        self.places = {id_: place for place, id_ in enumerate(ids)}
        self.starts = list(accumulate((len(entry) + 1 for entry in entries), initial=0))

    def texts_of(self, ids: Collection) -> Iterator[bytes | memoryview]:
        """Pieces that together are the entries of these utterances, in order, with commas between them."""
        for number, (first, end) in enumerate(self._runs(ids)):
            if number:
                yield b","
            yield self.text[self.starts[first] : self.starts[end] - 1]

    def _runs(self, ids: Collection) -> Iterator[tuple[int, int]]:
        """First place and the place behind the last of what stands together."""
        if 2 * len(ids) <= len(self.places):
            yield from ((place, place + 1) for place in sorted(self.places[id_] for id_ in ids))
            return
        gaps = sorted(self.places[id_] for id_ in self.places.keys() - ids)
        for before, after in pairwise([-1, *gaps, len(self.places)]):
            if after > before + 1:
                yield before + 1, after
