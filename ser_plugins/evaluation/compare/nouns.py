"""What a comparison has found: of two runs, or of many; two types, which only share what was compared."""

import dataclasses
from dataclasses import dataclass, field

from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.typed_json import noun_json

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """What every table of a comparison says of a run; ``pretrained`` are the models in its front end."""

    name: str
    system: str
    protocol_hash: str
    protocol_line: str
    seeds: tuple[int, ...]
    pretrained: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs that were put to the same test.

    Arguments
    ---------
    kind : str
        ``classification`` or ``regression``.
    protocol : RunProtocol
        That of the first run.
    runs : list of ComparedRun
        Which they are.
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
    protocol: RunProtocol
    runs: list[ComparedRun]
    allow_differing: list[str] = field(default_factory=list)
    differing: dict = field(default_factory=dict)
    unit: str
    units: int
    utterances: int
    conclusion: str = ""

    def to_json(self) -> dict:
        """All of it, as a file has it."""
        runs = [noun_json(run) for run in self.runs]
        return {"schema": SCHEMA, **dataclasses.asdict(self), "protocol": self.protocol.to_json(), "runs": runs}


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
