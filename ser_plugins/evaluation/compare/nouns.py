"""What a comparison has found: of two runs, or of many; two types, which only share what was compared."""

import dataclasses
from dataclasses import dataclass, field

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs that were put to the same test.

    Arguments
    ---------
    kind : str
        ``classification`` or ``regression``.
    protocol : dict
        That of the first run, as in its ``results.json``.
    runs : list of dict
        ``name``, ``system``, ``seeds``, ``protocol_hash``, ``protocol_line`` of each; of pretrained ones their models.
    allow_differing : list of str
        What was allowed to differ.
    differing : dict
        What does differ from the first run: by key, and name of the other run, both values.
    unit : str
        Speaker, session or video.
    units, utterances : int
        How many were tested.
    conclusion : str
        What may be said, in a sentence.
    """

    kind: str
    protocol: dict
    runs: list[dict]
    allow_differing: list[str] = field(default_factory=list)
    differing: dict = field(default_factory=dict)
    unit: str
    units: int
    utterances: int
    conclusion: str = ""

    def to_json(self) -> dict:
        """All of it, as a file has it."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True)
class PairComparison(Comparison):
    """The difference between two runs, the first minus the second.

    Arguments
    ---------
    scores : dict
        By score: ``a``, ``b``, their ``difference``, its ``interval``, and ``seed_sd`` of both.
    tests : list of dict
        Paired tests, with ``p`` and ``p_holm``.
    anova : dict or None
        The paper's test; None of numbers.
    detectable : dict
        Smallest differences that would have been found.
    not_applicable : list of str
        Why a test is missing.
    """

    scores: dict = field(default_factory=dict)
    tests: list[dict]
    anova: dict | None = None
    detectable: dict
    not_applicable: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ManyComparison(Comparison):
    """Ranks of three runs or more, and each against one of them.

    Arguments
    ---------
    reference : str
        The run that all others are held against.
    score : str
        What ranks and sign flips are of.
    systems : dict
        Scores, intervals and sds by run.
    mean_ranks : dict or None
        By run; None with one fold, as ``friedman`` and ``critical_difference``.
    pairs : list of dict
        Each other run minus the reference: ``system``, ``difference``, ``interval``, ``sign_flip``, ``mcnemar``.
    folds : int
        Over which ranks are.
    """

    reference: str
    score: str
    systems: dict = field(default_factory=dict)
    mean_ranks: dict | None = None
    friedman: dict | None = None
    critical_difference: float | None = None
    pairs: list[dict]
    folds: int = 0
