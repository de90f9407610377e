"""The parts of a model card that are read by their types: corpora with their scores, strangers, and stress."""

from dataclasses import dataclass

from ser_plugins.scores import percent

NOT_ON_STRANGERS = "not measured on strangers"


@dataclass(frozen=True)
class TrainingCorpus:
    """One of several corpora that a model was trained on.

    Arguments
    ---------
    name : str
        As published.
    licence : str
        By its SPDX identifier where it has one; empty where nobody has said it.
    source : str
        Where it is to be had.
    citation : str
        Whom to cite.
    language : str
        That is spoken, by its ISO 639-1 code.
    """

    name: str
    licence: str = ""
    source: str = ""
    citation: str = ""
    language: str = ""


@dataclass(frozen=True)
class GroupScore:
    """How well the speakers of one value of a column were judged.

    Arguments
    ---------
    column, value : str
        Such as ``sex`` and ``female``.
    speakers, recordings : int
        How many there are.
    uar : float
        0..1.
    interval : tuple of float or None
        95 %, over the speakers; None with one.
    recalls : dict
        0..1 by class; None for a class that the group lacks.
    verdict : str
        What may be said of the difference to all others.
    """

    column: str
    value: str
    speakers: int
    recordings: int
    uar: float
    interval: tuple[float, float] | None
    recalls: dict[str, float | None]
    verdict: str


@dataclass(frozen=True)
class CorpusScore:
    """What was measured on one corpus.

    Arguments
    ---------
    corpus : str
        Its name.
    recordings, speakers, classes : int
        Of what was tested.
    uar : float
        0..1, mean over the seeds.
    interval : tuple of float or None
        95 %, over the speakers; None with one.
    groups : tuple of GroupScore
        Of its speakers, where something is known of them.
    """

    corpus: str
    recordings: int
    speakers: int
    classes: int
    uar: float
    interval: tuple[float, float] | None
    groups: tuple[GroupScore, ...] = ()

    @property
    def text(self) -> str:
        """In percent.

        Example
        -------
        >>> CorpusScore("EmoDB", 454, 10, 6, 0.657, (0.617, 0.7)).text
        '65.7 (EmoDB, 61.7 – 70.0)'
        """
        bounds = "" if self.interval is None else f", {' – '.join(map(percent, self.interval))}"
        return f"{percent(self.uar)} ({self.corpus}{bounds})"


@dataclass(frozen=True)
class Strangers:
    """What the way of training gave on corpora that training lacked, each tested by a model of the others.

    Arguments
    ---------
    protocol_line : str
        How it was measured.
    corpora : tuple of CorpusScore
        The score on each.
    """

    protocol_line: str
    corpora: tuple[CorpusScore, ...]


@dataclass(frozen=True)
class ConditionChange:
    """Of a family of conditions the one that costs most.

    Arguments
    ---------
    family, condition : str
        Such as ``line`` and ``GSM``.
    uar : float
        0..1.
    change : float
        Of UAR, to the recordings as they are.
    interval : tuple of float or None
        Of the change, 95 %, paired, over the speakers; None with one.
    """

    family: str
    condition: str
    uar: float
    change: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class StressScores:
    """What ``ser stress`` has found on a test set.

    Arguments
    ---------
    test_set : str
        Name of the CSV.
    recordings : int
        That were judged.
    speakers : int or None
        None where the CSV does not say them: then every recording counts as one.
    uar : float
        Of the recordings as they are, 0..1.
    interval : tuple of float or None
        95 %, over the speakers; None with one.
    worst : tuple of ConditionChange
        One per family of conditions.
    groups : tuple of GroupScore
        By the columns that were asked for.
    """

    test_set: str
    recordings: int
    speakers: int | None
    uar: float
    interval: tuple[float, float] | None
    worst: tuple[ConditionChange, ...]
    groups: tuple[GroupScore, ...] = ()

    @property
    def line(self) -> str:
        """In one line, in percent and points.

        Example
        -------
        >>> StressScores("test.csv", 9, 1, 0.7, None, (ConditionChange("line", "GSM", 0.6, -0.1, None),)).line
        'under stress (test.csv): UAR 70.0; GSM -10.0'
        """
        changes = "; ".join(f"{row.condition} {100 * row.change:+.1f}" for row in self.worst)
        return f"under stress ({self.test_set}): UAR {percent(self.uar)}; {changes}"


@dataclass(frozen=True, kw_only=True)
class CardParts:
    """Keys of ``model.json`` that are read by their types; cards of one corpus, and earlier ones, lack them.

    Arguments
    ---------
    corpora : tuple of TrainingCorpus
        Of a model of several corpora, each.
    by_corpus : tuple of CorpusScore
        What was measured on other speakers of each of them.
    strangers : Strangers
        What was measured on corpora that training lacked.
    stress : StressScores
        What noise, lines, rooms and cuts cost this very model.
    """

    corpora: tuple[TrainingCorpus, ...] = ()
    by_corpus: tuple[CorpusScore, ...] = ()
    strangers: Strangers | None = None
    stress: StressScores | None = None

    @property
    def strangers_line(self) -> str:
        """What whoever brings a recording of their own should expect, in one line.

        Example
        -------
        >>> CardParts(strangers=Strangers("loco", (CorpusScore("EmoDB", 9, 1, 6, 0.657, None),))).strangers_line
        'measured on strangers: UAR 65.7 (EmoDB)'
        >>> CardParts().strangers_line
        'not measured on strangers'
        """
        if self.strangers is None:
            return NOT_ON_STRANGERS
        return f"measured on strangers: UAR {', '.join(score.text for score in self.strangers.corpora)}"
