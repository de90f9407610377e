"""What CREMA-D's listeners heard, by voice alone, and how often they agree with a label.

The corpus comes with counts of the answers (``tabulatedVotes.csv``) and, made of those, with the emotion that most
listeners named (``summaryTable.csv``). Of each table only the part is read that is about the voice without the face.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ser_plugins.corpora.tables import read_rows

LETTERS = {"A": "anger", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral", "S": "sadness"}
PUBLISHED = "40.9 % of their single answers name the acted emotion (Cao et al. 2014)"


@dataclass(frozen=True)
class Heard:
    """What the listeners of one recording answered.

    Arguments
    ---------
    emotion : str or None
        The one that most of them named; None where several were named as often.
    votes : dict or None
        Answers by emotion; None where only the majority is known.
    """

    emotion: str | None
    votes: dict[str, int] | None = None


def listeners(data_root: Path) -> dict[str, Heard]:
    """The answers by id, of the most detailed table that is there; empty where there is none."""
    tables = {
        "processedResults/tabulatedVotes.csv": _votes,
        "processedResults/summaryTable.csv": _majorities,
        "cremad.csv": _of_a_copy,
    }
    return next((read(data_root / name) for name, read in tables.items() if (data_root / name).is_file()), {})


def _votes(path: Path) -> dict[str, Heard]:
    """Rows are named by a number of six digits, of which the first says what was presented: 1 is the voice alone."""
    heard = {}
    for row in read_rows(path, ["", *LETTERS, "fileName"]):
        if row.cells[""].startswith("1"):
            votes = {emotion: int(row.number(letter, 0, 1000)) for letter, emotion in LETTERS.items()}
            heard[row.text("fileName")] = Heard(_only(most_named(votes)), votes)
    return heard


def _majorities(path: Path) -> dict[str, Heard]:
    """Letters of emotions, ``A:D`` where two were named as often."""
    rows = read_rows(path, ["FileName", "VoiceVote"])
    meanings = {":".join(letters): letters for letters in {tuple(row.cells["VoiceVote"].split(":")) for row in rows}}
    known = {vote: letters for vote, letters in meanings.items() if set(letters) <= set(LETTERS)}
    votes = {row.text("FileName"): row.one_of("VoiceVote", known) for row in rows}
    return {id_: Heard(_only([LETTERS[letter] for letter in letters])) for id_, letters in votes.items()}


def _of_a_copy(path: Path) -> dict[str, Heard]:
    """Copies with a table of their own: ``wav`` and ``heard``, several emotions with a slash between them."""
    names = {emotion: emotion for emotion in LETTERS.values()}
    heard = {}
    for row in read_rows(path, ["wav", "heard"]):
        emotions = row.cells["heard"].split("/")
        heard[Path(row.text("wav")).stem] = Heard(None if len(emotions) > 1 else row.one_of("heard", names))
    return heard


def most_named(votes: Mapping[str, int]) -> list[str]:
    """The emotions with the most votes.

    Example
    -------
    >>> most_named({"anger": 5, "disgust": 5, "fear": 0})
    ['anger', 'disgust']
    """
    return [emotion for emotion, count in votes.items() if count == max(votes.values())]


def _only(emotions: list[str]) -> str | None:
    return emotions[0] if len(emotions) == 1 else None


def share_of_answers(heard: Mapping[str, Heard], labels: Mapping[str, str | None]) -> tuple[float, int]:
    """How often single answers name the label: the share, and the number of answers that were counted.

    Example
    -------
    >>> share_of_answers({"u1": Heard("anger", {"anger": 3, "fear": 1}), "u2": Heard("fear")}, {"u1": "anger"})
    (0.75, 4)
    """
    counted = [(heard[id_].votes, label) for id_, label in labels.items() if id_ in heard and label is not None]
    answers = [(votes[label], sum(votes.values())) for votes, label in counted if votes]
    total = sum(given for _, given in answers)
    return sum(right for right, _ in answers) / max(total, 1), total
