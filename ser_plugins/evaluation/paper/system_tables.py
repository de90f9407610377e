"""Table 6 with every system that was run, and what the paper lacks: classes of all systems, units and cost."""

from ser_plugins.evaluation.paper import numbers as paper
from ser_plugins.evaluation.paper.columns import (
    NOT_RUN,
    deviations,
    main_of,
    other_seeds,
    protocols,
    seeds_text,
    setting_text,
    system_of,
    title_of,
    value_text,
)
from ser_plugins.evaluation.paper.published_table import NONE, Sheet
from ser_plugins.evaluation.report.run_summary import RunSummary
from ser_plugins.evaluation.report.tables import baseline_rows, duration, interval_text
from ser_plugins.scores import percent


def in_order(corpus: str, names) -> list[str]:
    """All systems of Table 6, those of Table 3 that it leaves out, then the others of ``names``."""
    heads = [system_of(corpus, heads) for heads in sorted(paper.HEADS)]
    return list(dict.fromkeys([*paper.METHODS, *heads, *names]))


def systems_sheet(corpus: str, summaries: dict[str, RunSummary]) -> Sheet:
    """Table 6, with the heads of Table 3, all further runs, and the baselines."""
    reference = main_of(summaries) or next(iter(summaries.values()))
    (task, *_) = reference.tasks.values()
    published = paper.ACCURACY.get(corpus, {})
    rows = []
    for name in in_order(corpus, summaries):
        rows.append([title_of(corpus, name, summaries), *_paper_cell(task, published.get(name)),
                     *_scored(task, summaries.get(name)), seeds_text(summaries.get(name))])  # fmt: skip
    for name, *cells in baseline_rows(task, reference.baselines):
        spread = [part for place, cell in enumerate(cells) for part in ([cell, NONE] if place < 2 else [cell])]
        rows.append([name, *_paper_cell(task, None), *spread, NONE])
    header = ["system", *_paper_cell(task, None, "paper, accuracy (%)"), *_score_columns(task), "seeds"]
    number = "Table 6" if task.kind == "classification" else "The systems of Table 6"
    notes = [*deviations(corpus, summaries), *other_seeds(summaries), *protocols(summaries)]
    return Sheet("table_6", f"{number}: systems on {corpus}.", header, rows, notes)


def classes_sheet(corpus: str, summaries: dict[str, RunSummary], task) -> Sheet:
    """Recall of every class by every system, the paper's own first."""
    published, reference = paper.PER_CLASS.get(corpus, {}), next(iter(summaries.values()))
    rows = [["the paper's", *(f"{published[name]:.2f}" for name in task.classes)]] if published else []
    for name, summary in summaries.items():
        recalls = [percent(summary.metrics["per_class"][each]["recall"], 2) for each in task.classes]
        rows.append([title_of(corpus, name, summaries), *recalls])
    counts = {each: reference.metrics["per_class"][each]["support"] for each in task.classes}
    columns = [f"{each} ({count})" for each, count in counts.items()]
    title = f"Recall (%) of every class of {corpus}, with its utterances."
    return Sheet("classes", title, ["system", *columns], rows, protocols(summaries))


def units_sheet(corpus: str, summaries: dict[str, RunSummary], task) -> Sheet:
    """Score of every system on every speaker, session or video."""
    key, first = task.per_unit[0], next(iter(summaries.values()))
    score, unit = task.scores[key], first.protocol.unit_field
    rows = [
        [title_of(corpus, name, summaries), *(score.text(row[key]) for row in summary.per_unit)]
        for name, summary in summaries.items()
    ]
    title = f"{score.heading} of every {unit} of {corpus}, with its utterances."
    columns = [f"{row['unit']} ({row['n']})" for row in first.per_unit]
    return Sheet("units", title, ["system", *columns], rows, protocols(summaries))


def cost_sheet(corpus: str, summaries: dict[str, RunSummary]) -> Sheet:
    """What training took."""
    rows = [
        [
            title_of(corpus, name, summaries),
            f"{summary.parameters:,}",
            setting_text(summary.settings.get("number_of_epochs")),
            duration(summary.wall_time_s),
            duration(summary.longest_fold_s),
            f"{summary.machine} ({summary.device})",
            summary.protocol_hash,
        ]
        for name, summary in summaries.items()
    ]
    header = ["system", "parameters", "epochs", "wall time", "longest fold", "machine", "protocol"]
    notes = [
        "Wall times are sums over all folds and seeds, on a machine that may have done other work at the same time."
    ]
    return Sheet("cost", f"Cost of training on {corpus}.", header, rows, notes)


def _paper_cell(task, value, text=None):
    """The paper's column, which only tables of accuracies have."""
    if task.kind != "classification":
        return []
    return [text or (NONE if value is None else f"{value:.2f}")]


def _score_columns(task):
    columns = []
    for place, score in enumerate(task.scores.values()):
        columns.append(score.heading)
        columns += [f"{score.label} 95 %"] * (place < 2)
    return columns


def _scored(task, summary):
    """Cells of :func:`_score_columns`."""
    if summary is None:
        return [NOT_RUN, *[NONE] * (len(_score_columns(task)) - 1)]
    cells = []
    for place, (key, score) in enumerate(task.scores.items()):
        cells.append(value_text(score, summary, key))
        cells += [interval_text(summary.intervals[key], score)] * (place < 2)
    return cells
