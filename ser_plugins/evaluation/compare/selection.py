"""Which configuration is chosen for an outer test speaker: from inner validation on the others, by one rule.

Inner validation is the protocol ``loso-pairs`` or ``loso-all-pairs``: each fold holds out two speakers. For the outer
speaker k only folds that hold k out are looked at, and of those only the score on the *other* speaker; so neither a
model that was trained on k nor a score on k has a say in what is chosen for k.
"""

from ser_plugins.evaluation.metrics.tasks import mean
from ser_plugins.evaluation.report.tables import markdown_table, pretrained_marks, pretrained_notes
from ser_plugins.plain import bold, terminal_table

RULE = "best mean score over the inner speakers and seeds; at a tie the configuration listed first"


def inner_scores(tables, task) -> dict:
    """The mean score of one configuration for every outer speaker.

    Arguments
    ---------
    tables : iterable of pandas.DataFrame
        Predictions of every pair and seed, with ``unit``, ``true`` and ``predicted``.
    task : Classification or Regression
        Its ``select`` names the score: UAR, or MAE.

    Returns
    -------
    dict
        Outer speaker -> mean over pairs and seeds of the score on the pair's other speaker.

    Example
    -------
    >>> import pandas as pd
    >>> from ser_plugins.evaluation.metrics.tasks import Classification
    >>> pair = pd.DataFrame({"unit": ["a", "b"], "true": ["joy", "joy"], "predicted": ["joy", "fear"]})
    >>> inner_scores([pair], Classification(["fear", "joy"]))  # b is right for a, and a for b
    {'b': 1.0, 'a': 0.0}
    """
    scores = {}
    for table in tables:
        first, second = sorted(table["unit"].unique())
        for inner, outer in ((first, second), (second, first)):
            rows = table[table["unit"] == inner]
            scores.setdefault(outer, []).append(task.metrics(rows["true"], rows["predicted"])[task.select])
    return {outer: mean(several) for outer, several in scores.items()}


def choose_configurations(scores: dict, task) -> dict:
    """Outer speaker -> configuration, by ``RULE``.

    Arguments
    ---------
    scores : dict
        Configuration -> outer speaker -> score, in the order in which the configurations are listed.
    task : Classification or Regression
        Says whether more is better.

    Example
    -------
    >>> from ser_plugins.evaluation.metrics.tasks import Classification
    >>> scores = {"plain": {"a": 0.5, "b": 0.7}, "warped": {"a": 0.6, "b": 0.7}}
    >>> choose_configurations(scores, Classification(["fear", "joy"]))
    {'a': 'warped', 'b': 'plain'}
    """
    best = {"max": max, "min": min}[task.best]  # both keep the first of equals
    speakers = sorted(next(iter(scores.values())))
    return {speaker: best(scores, key=lambda name: scores[name][speaker]) for speaker in speakers}


def selection_markdown(selection: dict, task) -> str:
    """The inner scores of every configuration for every outer speaker, the chosen ones in bold.

    Arguments
    ---------
    selection : dict
        ``inner`` (configuration -> outer speaker -> score), ``chosen`` (outer speaker -> configuration), ``seeds``; of
        pretrained models also ``corpus`` and ``pretrained`` (configuration -> their names).
    task : Classification or Regression
        Of the scores.
    """
    inner, chosen = selection["inner"], selection["chosen"]
    score, rows = task.scores[task.select], []
    for name, by_speaker in inner.items():
        cells = [bold(score.text(by_speaker[k])) if chosen[k] == name else score.text(by_speaker[k]) for k in chosen]
        title = " ".join([name, *selection_marks(name, selection)])
        rows.append([title, *cells, score.text(mean(list(by_speaker.values())))])
    seeds = ", ".join(map(str, selection["seeds"]))
    return "\n\n".join([
        f"Inner {score.heading} by outer test speaker, who has no part in it; in bold "
        f"what was chosen ({RULE}). Seeds {seeds}.",
        markdown_table(["configuration", *chosen, "mean"], rows),
        *selection_notes(selection),
    ])  # fmt: skip


def selection_table(selection: dict, task):
    """The mean inner score of every configuration and for whom it was chosen, for :func:`ser_plugins.plain.console`."""
    score, chosen, rows = task.scores[task.select], selection["chosen"], []
    for name, by_speaker in selection["inner"].items():
        speakers = ", ".join(speaker for speaker, configuration in chosen.items() if configuration == name)
        rows.append(
            [" ".join([name, *selection_marks(name, selection)]), score.text(mean(list(by_speaker.values()))), speakers]
        )
    return terminal_table(f"inner {score.heading}", ["configuration", "mean", "chosen for"], rows)


def selection_marks(name: str, selection: dict) -> list[str]:
    """What stands behind the name of a configuration: ``PRETRAINED``, where a part of it is."""
    return pretrained_marks(selection.get("pretrained", {}).get(name, ()))


def selection_notes(selection: dict) -> list[str]:
    """What the pretrained models of all configurations have heard, as quotes in markdown."""
    models = sorted({model for names in selection.get("pretrained", {}).values() for model in names})
    return [f"> {note}" for note in pretrained_notes(models, selection.get("corpus", ""))]
