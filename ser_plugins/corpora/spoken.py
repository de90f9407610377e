"""The leak that only text has: what a test speaker says, others have said in training.

Scripted corpora have a few sentences that everybody says. A model that reads has then seen the transcripts it is tested
on, each with the labels that others gave it.
"""

import dataclasses

from ser_plugins.corpora.names import is_name, same_name
from ser_plugins.corpora.protocols import Protocol

TRANSCRIPTS = ("transcript", "text")  # fields of manifests that say what is spoken
WORDS = "words"  # the field that `text_disjoint` adds


def words_of(fields: dict) -> str:
    """What is said in an utterance, equal for all ways of writing it; empty where it is unknown.

    Example
    -------
    >>> words_of({"transcript": "Oh, YEAH?"}), words_of({"text": "oh yeah"}), words_of({"transcript": None})
    ('oh_yeah', 'oh_yeah', '')
    """
    text = next((fields[name] for name in TRANSCRIPTS if isinstance(fields.get(name), str)), "")
    words = same_name(text)
    return words if is_name(words) else ""


def said_in_training(train: dict, test: dict) -> tuple[int, int]:
    """How many utterances of a test set say what one of the training set says, and how many have a transcript.

    Example
    -------
    >>> train, test = {"u1": {"text": "Yeah."}}, {"u2": {"text": "yeah"}, "u3": {"text": "Why?"}, "u4": {"text": ""}}
    >>> said_in_training(train, test)
    (1, 2)
    """
    trained = {words_of(fields) for fields in train.values()}
    tested = [words for words in map(words_of, test.values()) if words]
    return sum(words in trained for words in tested), len(tested)


def text_disjoint(protocol: Protocol) -> Protocol:
    """The same protocol, but that training has nothing that is said in the test set, by whomever.

    Utterances without a transcript are taken to say what nobody else says.
    """

    def relabel(fields):
        used = fields if protocol.relabel is None else protocol.relabel(fields)
        return used and {**used, WORDS: words_of(used) or f"unknown_{used['sha256']}"}

    return dataclasses.replace(
        protocol,
        unit=f"{protocol.unit}, what is said kept apart",
        disjoint=(*protocol.disjoint, WORDS),
        relabel=relabel,
    )
