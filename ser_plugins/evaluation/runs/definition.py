"""What is tested, whatever system is: runs of one test may be compared, and share its hash."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class TestDefinition:
    """A test: these utterances of this corpus, divided so, with these labels.

    Nothing in it is a choice of a system, such as its seeds, its normalisation or its choice of the epoch.

    Arguments
    ---------
    corpus_sha256 : str
        Digest of the corpus: ids, labels, units and audio.
    task, target, scale : str
        What is to be predicted; the scale is None for classes.
    classes : tuple of str
        Labels, in order; empty for a number.
    protocol, unit, unit_field : str
        How folds are made, and which unit (speaker, session, video) they hold out.
    folds : tuple of str
        Names of the folds, in order.
    subset : str
        Of the corpus, such as ``full``.
    split_seed : int
        Of what a protocol draws at random.
    utterances : int
        In all folds together.

    Example
    -------
    >>> test = TestDefinition(corpus_sha256="01", task="classification", target="emotion", scale=None,
    ...     classes=("fear", "joy"), protocol="loso", unit="speaker", unit_field="speaker", folds=("a", "b"),
    ...     subset="full", split_seed=0, utterances=9)
    >>> test.hash
    '80ca13e5'
    """

    corpus_sha256: str
    task: str
    target: str
    scale: str | None
    classes: tuple[str, ...]
    protocol: str
    unit: str
    unit_field: str
    folds: tuple[str, ...]
    subset: str
    split_seed: int
    utterances: int

    __test__: ClassVar[bool] = False  # pytest takes what is called Test... for tests

    @classmethod
    def fields(cls) -> list[str]:
        """Their names."""
        return [field.name for field in dataclasses.fields(cls)]

    @property
    def hash(self) -> str:
        """Eight digits of the SHA-256 of all fields."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]
