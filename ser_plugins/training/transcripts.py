"""What is said in the recordings of a manifest: a field of it, or the words that a code of a sentence stands for."""

from collections.abc import Mapping

from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError


def transcripts_of(entries: dict, field: str, sentences: Mapping[str, str] | None, name) -> dict[str, str]:
    """Transcripts by id; empty where nobody has written one.

    Arguments
    ---------
    entries : dict
        Of a manifest.
    field : str
        That holds the transcript, or with ``sentences`` a code.
    sentences : dict, optional
        Words by code, for corpora in which everybody says the same few sentences.
    name : str or Path
        Of the manifest, for errors.

    Raises
    ------
    SerError
        No entry has the field; a value is no text; a code without words.

    Example
    -------
    >>> entries = {"03a01Fa": {"sentence": "a01"}}
    >>> transcripts_of(entries, "sentence", {"a01": "Der Lappen liegt auf dem Eisschrank."}, "train.json")
    {'03a01Fa': 'Der Lappen liegt auf dem Eisschrank.'}
    """
    if entries and not any(field in fields for fields in entries.values()):
        raise SerError(
            got=f"{name}: no entry has a field {field!r}",
            expected="transcript: the field of the manifest that says what is spoken",
            remedy="correct transcript in the YAML, or train a system that hears alone",
        )
    said = {key: fields.get(field) or "" for key, fields in entries.items()}
    if odd := [key for key, text in said.items() if not isinstance(text, str)]:
        raise SerError(
            got=f"{name}: {odd[0]}: {field} {said[odd[0]]!r}",
            expected="text, or null where it is unknown",
            remedy="correct the corpus' labels, or transcript in the YAML",
        )
    if sentences is None:
        return said
    if unknown := sorted({code for code in said.values() if code not in sentences}):
        raise SerError(
            got=f"{name}: {field} {first_few(unknown)}",
            expected=f"codes of `sentences`: {', '.join(sentences)}",
            remedy="add their words to sentences in the YAML, or give another field as transcript",
        )
    return {key: sentences[code] for key, code in said.items()}
