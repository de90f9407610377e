"""Manifests of many folds as text: every utterance is written out once, however many folds it is in."""

import hashlib
import json
from collections.abc import Mapping

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
    entries = {id_: canonical({id_: manifest[id_]})[1:-1] for id_ in sorted(manifest)}
    result = hashlib.sha256(f"[{canonical(summary)},{{".encode())
    for place, fold in enumerate(sorted(folds)):
        texts = []
        for part, ids in sorted(folds[fold].items()):
            # Most of a corpus is sorted sooner by looking for what is in it.
            ordered = [id_ for id_ in entries if id_ in ids] if 4 * len(ids) > len(entries) else sorted(ids)
            manifest_text = ",".join([entries[id_] for id_ in ordered])
            texts.append(f"{canonical(part)}:{{{manifest_text}}}")
        result.update(f"{',' if place else ''}{canonical(fold)}:{{{','.join(texts)}}}".encode())
    result.update(b"}]")
    return result.hexdigest()
