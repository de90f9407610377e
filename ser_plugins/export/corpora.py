"""What a card says of a model of several corpora: each of them, the score on each, and the scores on strangers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ser_plugins.corpora.tables import read_rows
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.compare.corpus_matrix import cells, leaves_corpora_out, predictions_by_corpus
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.runs.folds import FoldResults, read_run, refuse_other_scores
from ser_plugins.export.fold_choice import Chosen, refuse_other_settings
from ser_plugins.inference.card_scores import CardParts, CorpusScore, GroupScore, Strangers, TrainingCorpus
from ser_plugins.stress.record import card_group
from ser_plugins.stress.summary import groups, pair
from ser_plugins.stress.trial import LabelledRecordings
from ser_plugins.typed_json import read_noun

# Settings that follow from the emotions that corpora share, and so differ between a run on strangers and all others.
_OF_CLASSES = ("classes", "n_classes", "corpus_sha256")


def corpus_parts(chosen: Chosen, strangers=None, corpora=None, speakers=None) -> CardParts:
    """What a card says of each corpus; nothing of a model of one.

    Arguments
    ---------
    chosen : Chosen
        What is exported, and by which folds it was measured.
    strangers : str or Path, optional
        The run of ``recipes/Cross``, protocol ``loco``, with the same settings.
    corpora : str or Path, optional
        A YAML file: by the name of each corpus in the run, the fields of
        :class:`~ser_plugins.inference.card_scores.TrainingCorpus`.
    speakers : str or Path, optional
        A CSV with a column ``speaker``, as in the run, and others, such as ``sex``, by which speakers are grouped.

    Raises
    ------
    SerError
        Any of them for a model that is not of several corpora; a run of other settings, or that leaves no corpus out;
        a corpus, or a speaker, that is missing in its file.
    """
    record = chosen.record
    if "corpora" not in record.settings or not chosen.whole:
        _refuse_for_one_corpus(chosen, {"strangers": strangers, "corpora": corpora, "speakers": speakers})
        return CardParts()
    names = sorted(predictions_by_corpus(chosen.measured, chosen.folder))
    titles = read_corpora(corpora, names) if corpora else {}
    people = read_speakers(speakers) if speakers else None
    scores = corpus_scores(chosen.measured, chosen.folder, titles, people)
    parts = CardParts(corpora=tuple(titles.values()))
    if leaves_corpora_out(chosen.measured):
        return replace(parts, strangers=Strangers(chosen.summary.protocol_line, scores))
    measured = measured_on_strangers(chosen, strangers, titles) if strangers else None
    return replace(parts, by_corpus=scores, strangers=measured)


def _refuse_for_one_corpus(chosen: Chosen, options: dict) -> None:
    if given := [f"--{name}" for name, value in options.items() if value is not None]:
        raise SerError(
            got=f"{', '.join(given)} for {chosen.folder}",
            expected="a whole run of several corpora, of recipes/Cross",
            remedy="leave it out",
        )


def measured_on_strangers(chosen: Chosen, run, titles: dict[str, TrainingCorpus]) -> Strangers:
    """The scores of a run that leaves corpora out, once its settings are found to be those of what is exported."""
    folds = refuse_other_scores(read_run(run), run)
    if not leaves_corpora_out(folds):
        raise SerError(
            got=f"{run}: protocol {folds[0].record.protocol.protocol}",
            expected="a run that leaves one corpus out, protocol loco of recipes/Cross",
            remedy="train one with the same settings and --protocol loco",
        )
    trained = _without_classes(chosen.record.settings)
    refuse_other_settings(chosen.folder, trained, run, _without_classes(folds[0].record.settings))
    return Strangers(aggregate(folds).protocol_line, corpus_scores(folds, run, titles))


def corpus_scores(
    folds: list[FoldResults], place, titles: dict[str, TrainingCorpus], people: pd.DataFrame | None = None
) -> tuple[CorpusScore, ...]:
    """The score on every corpus that a run of ``recipes/Cross`` tests, and on the groups of its speakers."""
    tables = predictions_by_corpus(folds, place)
    return tuple(
        CorpusScore(
            corpus=titles[cell.tested_on].name if cell.tested_on in titles else cell.tested_on,
            recordings=cell.utterances,
            speakers=cell.speakers,
            classes=cell.classes,
            uar=cell.score,
            interval=pair(cell.interval),
            groups=() if people is None else speaker_groups(tables[cell.tested_on], people, place),
        )
        for cell in cells(folds, place)
    )


def speaker_groups(table: pd.DataFrame, people: pd.DataFrame, place) -> tuple[GroupScore, ...]:
    """The scores of the speakers of each value of each column, over all seeds.

    Arguments
    ---------
    table : pandas.DataFrame
        Predictions on one corpus: ``id``, ``unit`` (the speaker), ``true``, ``predicted``; a row per seed.
    people : pandas.DataFrame
        Columns by speaker, as :func:`read_speakers` gives them.
    place : str or Path
        Where the predictions were read, for messages.
    """
    if unknown := sorted(set(table["unit"]) - set(people.index)):
        raise SerError(
            got=f"{place}: speaker {unknown[0]}, who is not in the file of --speakers",
            expected="a line for every speaker, by the name that the run has",
            remedy="add the line, or leave --speakers out",
        )
    seeds = table["seed"].nunique()
    described = table.rename(columns={"unit": "speaker"}).join(people, on="speaker")
    tests = LabelledRecordings(Path(place), described, True)
    classes = sorted(set(table["true"]) | set(table["predicted"]))
    every = [
        group
        for column in people.columns
        if described[column].nunique() > 1 and (described[column] != "").all()
        for group in groups(tests, described, classes, column)
    ]
    return tuple(replace(card_group(group), recordings=group.recordings // seeds) for group in every)


def read_speakers(path) -> pd.DataFrame:
    """What a CSV says of speakers: its columns, by ``speaker``.

    Raises
    ------
    MissingPathError, SerError
        No such file; no column ``speaker``, or no other one; a speaker twice.
    """
    people = pd.DataFrame([row.cells for row in read_rows(path, ["speaker"])])
    if len(people.columns) < 2 or people["speaker"].duplicated().any():
        raise SerError(
            got=f"{path}: columns {', '.join(people.columns)}, {people['speaker'].nunique()} speakers in {len(people)} "
            "lines",
            expected="the column speaker and another one, such as sex; each speaker in one line",
            remedy="correct the file",
        )
    return people.set_index("speaker")


def read_corpora(path, names: list[str]) -> dict[str, TrainingCorpus]:
    """What a YAML file says of these corpora, in their order.

    Raises
    ------
    MissingPathError, SerError
        No such file; not by corpus, or a corpus that it does not name.
    """
    import yaml  # those who only read cards go without

    path = Path(path)
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="what is known of corpora", remedy="check the path")

    def refusal(got, expected):
        return SerError(got=f"{path}: {got}", expected=expected, remedy="see recipes/Cross/corpora.yaml")

    try:
        described: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise refusal(" ".join(str(error).split())[:200], "YAML") from None
    described = described if isinstance(described, dict) else {}
    if unknown := [name for name in names if not isinstance(described.get(name), dict)]:
        raise refusal(f"nothing of {', '.join(unknown)}", "each corpus of the run with its name and licence")
    return {name: read_noun(TrainingCorpus, described[name], refusal, f"{name}.") for name in names}


def _without_classes(settings):
    """Settings without what follows from the emotions that corpora share."""
    if isinstance(settings, dict):
        return {key: _without_classes(value) for key, value in settings.items() if key not in _OF_CLASSES}
    return [_without_classes(value) for value in settings] if isinstance(settings, list) else settings
