"""What a leak is worth: one system under several protocols, each held against its own run that leaks nothing.

The same utterances are tested in all of them, so differences are paired, and their intervals are bootstraps over the
same speakers. Two runs are of one system when all their settings agree but for those that say how it is tested.
"""

from collections.abc import Sequence
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.comparable import Run, difference_intervals, read_one
from ser_plugins.evaluation.compare.tables import difference_text
from ser_plugins.evaluation.report.tables import explained, interval_text, markdown_table, marks
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.plain import Markup, bold, code, markdown

# Of the settings, what says how a system is tested; the z-norm's mode is that of `normalisation`.
_TESTED = ("system", "protocol", "unit", "split", "normalisation", "mean_var_norm")


def leak_table(run_folders: Sequence) -> str:
    """A table in markdown: a row per run, its scores, and what they differ by from the system's honest run.

    Arguments
    ---------
    run_folders : sequence of str or Path
        ``results/<corpus>/<system>/<protocol>``. The first run of each system that neither leaks nor is transductive
        is the one that its others are held against.

    Returns
    -------
    str
        The table, with the meaning of every word of caution below it.

    Raises
    ------
    SerError
        Runs of several corpora or targets; a system without an honest run, or with runs on other utterances; and what
        :func:`ser_plugins.evaluation.runs.folds.read_run` raises.
    """
    rows, notes, runs = [], {}, {Path(folder): read_one(folder) for folder in run_folders}
    about = {(run.summary.protocol.corpus, run.summary.protocol.target) for run in runs.values()}
    if len(about) != 1:
        raise SerError(
            got=f"runs of {', '.join(map(' '.join, sorted(about))) or 'nothing'}",
            expected="run folders of one corpus and one target",
            remedy="name those of one corpus; one table each",
        )
    first = next(iter(runs.values()))
    scores = {name: first.task.scores[name] for name in list(first.task.scores)[:2]}  # WA and UAR, or MAE and r
    for folder, run in runs.items():
        reference = _honest(folder, run, runs.values())
        protocol, counts = run.summary.protocol, [fold.record.counts.train for fold in read_run(folder)]
        rows.append(
            [
                code(run.summary.system),
                Markup(" ".join([markdown(protocol.protocol), *map(bold, marks(protocol))])),
                f"{sum(counts) / len(counts):.0f}",
                *(_with_interval(score, run.summary, name) for name, score in scores.items()),
                *(_difference(score, run, reference, name) for name, score in scores.items()),
            ]
        )
        notes.update(dict.fromkeys(explained(protocol)))
    labels = [score.label for score in scores.values()]
    header = ["system", "protocol", "trained on", *labels, *(f"{label}: difference" for label in labels)]
    unit = first.summary.protocol.unit_field
    legend = (
        f"In brackets: 95 % intervals, as in each run's report; of a difference a paired bootstrap over {unit}s. "
        "Differences are from the first run of the same system that neither leaks nor is transductive. Trained on: "
        "utterances, mean over folds; a protocol that leaves fewer of them is harder for that reason too."
    )
    return "\n\n".join([markdown_table(header, rows), legend, *(f"> {note}" for note in notes)]) + "\n"


def _honest(folder, run: Run, runs) -> Run:
    same = [other for other in runs if _system(other) == _system(run)]
    for other in same:
        protocol = other.summary.protocol
        if not (protocol.leaks or protocol.transductive):
            break
    else:
        raise SerError(
            got=f"{folder}, and no run of the same system that neither leaks nor is transductive",
            expected="one to hold it against",
            remedy="train it with the same settings under the default protocol, and name that run too",
        )
    tested = [one.answers[["true", "unit"]] for one in (run, other)]
    if not tested[0].equals(tested[1]):
        raise SerError(
            got=f"{folder}: other utterances than in {other.summary.protocol.protocol}",
            expected="the same, with the same labels",
            remedy="train both on the same copy and subset of the corpus",
        )
    return other


def _system(run: Run) -> dict:
    """What makes a system, however it is called and tested."""
    return {key: value for key, value in run.summary.settings.items() if key not in _TESTED}


def _with_interval(score, summary, name) -> str:
    return f"{score.text(summary.metrics[name])} ({interval_text(summary.intervals[name], score)})"


def _difference(score, run, reference, name) -> str:
    if run is reference:
        return "–"
    difference = run.summary.metrics[name] - reference.summary.metrics[name]
    return difference_text(difference, difference_intervals(run, reference).get(name), score)
