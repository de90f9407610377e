"""How a run was tested, as its results say: the test, and what the system has chosen for itself."""

from dataclasses import dataclass

from ser_plugins.evaluation.metrics.tasks import tasks_of
from ser_plugins.evaluation.runs.definition import TestDefinition
from ser_plugins.typed_json import noun_json


@dataclass(frozen=True, kw_only=True)
class RunProtocol:
    """What the object ``protocol`` of a fold's ``results.json`` holds.

    Arguments
    ---------
    corpus : str
        Its name.
    corpus_sha256, task, target, scale, classes, protocol, unit, unit_field, folds, subset, split_seed, utterances
        The test: see :class:`~ser_plugins.evaluation.runs.definition.TestDefinition`.
    selection : str
        Which epoch was tested: ``last``, or how it was chosen.
    normalisation : str
        Over what features were normalised.
    disjoint : tuple of str
        Fields of which training and test share no value.
    leaks : bool
        Whether the numbers show a leak.
    transductive : bool
        Whether the normalisation has seen the test speaker.
    partial : bool
        Whether it is a part of the corpus only.
    statements : tuple of str
        What every table must say.
    pretrained : tuple of str
        Names of pretrained models in the front end.
    """

    corpus: str
    corpus_sha256: str
    classes: tuple[str, ...]
    target: str
    protocol: str
    unit: str
    subset: str
    selection: str
    split_seed: int
    disjoint: tuple[str, ...]
    leaks: bool
    folds: tuple[str, ...]
    utterances: int
    task: str
    scale: str | None
    unit_field: str
    partial: bool
    statements: tuple[str, ...]
    normalisation: str
    transductive: bool
    pretrained: tuple[str, ...] = ()

    @property
    def test(self) -> TestDefinition:
        """What is tested, whatever the system is."""
        return TestDefinition(**{name: getattr(self, name) for name in TestDefinition.fields()})

    def tasks(self, scales: dict[str, str]) -> dict:
        """The tasks of a training by target, that of the corpus first, then those of ``scales``."""
        return tasks_of(self.to_json(), scales)

    def to_json(self) -> dict:
        """As a file has it; ``pretrained`` only where something is."""
        return noun_json(self)
