"""The paper's tables with our column beside its own, from aggregates of runs of one corpus and protocol."""

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
    value_text,
)
from ser_plugins.evaluation.paper.published_table import NONE, Sheet
from ser_plugins.evaluation.paper.system_tables import classes_sheet, cost_sheet, in_order, systems_sheet, units_sheet
from ser_plugins.evaluation.report.run_summary import RunSummary
from ser_plugins.evaluation.report.tables import interval_text
from ser_plugins.plain import Markup, markdown
from ser_plugins.scores import SCORES, percent

_SETTINGS = {
    "lr": "learning rate",
    "batch_size": "batch size",
    "attention_dropout": "attention dropout",
    "heads": "attention heads",
    "dropout": "dropout before the output",
    "number_of_epochs": "epochs",
}
_UNSTATED = {"front_end": "front end", "pooling": "pooling over time", "select": "choice of the epoch"}


def sheets(summaries: dict[str, RunSummary]) -> list[Sheet]:
    """Every table that applies to the runs, in the paper's order, then what the paper lacks.

    Arguments
    ---------
    summaries : dict
        Aggregates (:func:`ser_plugins.evaluation.report.summary.aggregate`) by the name of the system; at least one.
    """
    reference = main_of(summaries) or next(iter(summaries.values()))
    (task, *_), corpus = reference.tasks.values(), reference.protocol.corpus
    summaries = {name: summaries[name] for name in in_order(corpus, summaries) if name in summaries}
    if task.kind == "classification":
        tables = [
            _counts(corpus, reference),
            _hyperparameters(corpus, summaries),
            _heads(corpus, summaries),
            _overall(corpus, summaries),
            _per_class(corpus, summaries, task),
        ]
    else:
        tables = [_hyperparameters(corpus, summaries), _sentiment(corpus, summaries, task)]
    return [
        *tables,
        systems_sheet(corpus, summaries),
        *([classes_sheet(corpus, summaries, task)] if task.kind == "classification" else []),
        units_sheet(corpus, summaries, task),
        cost_sheet(corpus, summaries),
    ]


def _of(summaries, *names):
    return {name: summaries[name] for name in names if name in summaries}


def _counts(corpus, reference):
    in_paper, counts = corpus in paper.PER_CLASS, reference.metrics["per_class"]
    printed = str(paper.PER_EMOTION) if in_paper else NONE
    rows = [[name, printed, str(row["support"])] for name, row in counts.items()]
    rows.append(["all", str(paper.PER_EMOTION * len(counts)) if in_paper else NONE, str(reference.utterances)])
    few = {name: row["support"] for name, row in counts.items() if row["support"] < paper.PER_EMOTION}
    scarce = [f"{count} of {markdown(name)}" for name, count in few.items()]
    notes = [f"The paper says {paper.PER_EMOTION} of every emotion; here are {' and '.join(scarce)}."]
    return Sheet(
        "table_1",
        f"Table 1: utterances of {corpus}.",
        ["emotion", "paper", "ours"],
        rows,
        notes * bool(in_paper and scarce) + protocols({reference.system: reference}),
    )


def _hyperparameters(corpus, summaries):
    published, main = paper.HYPERPARAMETERS.get(corpus, {}), main_of(summaries)
    ours = main.settings if main else {}
    rows = [
        [label, f"{published[key]:g}" if key in published else NONE, setting_text(ours.get(key)) if main else NOT_RUN]
        for key, label in _SETTINGS.items()
    ]
    rows += [
        [label, "not stated", setting_text(ours.get(key)) if main else NOT_RUN] for key, label in _UNSTATED.items()
    ]
    notes = ["The paper has no such table for this corpus."] * (not published)
    return Sheet(
        "table_2",
        f"Table 2: hyper-parameters of {paper.MAIN} on {corpus}.",
        ["hyper-parameter", "paper", "ours"],
        rows,
        notes + deviations(corpus, summaries),
    )


def _heads(corpus, summaries):
    published, scores = paper.ACCURACY.get(corpus, {}), SCORES["classes"]
    rows, names = [], [system_of(corpus, heads) for heads in (0, *paper.HEADS)]
    for heads, name in zip((0, *paper.HEADS), names, strict=True):
        summary, cell = summaries.get(name), f"{published[name]:.2f}" if name in published else NONE
        cells = [NOT_RUN, NONE, NONE, NONE, NONE]
        if summary:
            both = [[value_text(scores[key], summary, key), interval_text(summary.intervals[key], scores[key])]
                    for key in ("WA", "UAR")]  # fmt: skip
            cells = [*both[0], *both[1], seeds_text(summary)]
        marked = Markup(f"{cell} *") if name == paper.MAIN and cell != NONE else cell
        rows.append([f"head num = {heads}" if heads else "Bi-GRU", marked, *cells])
    chosen = _of(summaries, *names)
    return Sheet(
        "table_3",
        f"Table 3: number of attention heads on {corpus}.",
        ["system", "paper, accuracy (%)", "WA (%)", "WA 95 %", "UAR (%)", "UAR 95 %", "seeds"],
        rows,
        [*_anova(corpus), *deviations(corpus, chosen), *other_seeds(chosen), *protocols(chosen)],
    )


def _anova(corpus):
    if corpus not in paper.ANOVA:
        return []
    value, between, within = paper.ANOVA[corpus]
    observations = (between + within + 1) // 2
    return [
        f"The asterisk, in the paper: different from Bi-GRU by a one-way ANOVA, F({between}, {within}) = {value}, "
        f"p < 0.05, whose degrees of freedom mean two groups of {observations} observations of an unstated unit."
    ]


def _overall(corpus, summaries):
    published, main = paper.OVERALL.get(corpus, {}), main_of(summaries)
    ours, sources = dict.fromkeys(("precision", "accuracy", "recall", "F1")), _of(summaries, paper.MAIN)
    if main:
        rows = main.metrics["per_class"].values()
        present = [row for row in rows if row["support"]]
        precision = sum(row["precision"] for row in present) / len(present)
        metrics = main.metrics
        ours = {
            "precision": precision, "accuracy": metrics["WA"], "recall": metrics["UAR"], "F1": metrics["macro_F1"],
        }  # fmt: skip
    labels = {"precision": "precision (macro)", "accuracy": "accuracy (WA)", "recall": "recall (macro, UAR)",
              "F1": "F1 (macro)"}  # fmt: skip
    rows = [
        [label, f"{published[key]:.2f}" if key in published else NONE, percent(ours[key], 2) if main else NOT_RUN]
        for key, label in labels.items()
    ]
    notes = []
    if corpus in paper.PER_CLASS:
        recalls = paper.PER_CLASS[corpus].values()
        notes = [
            f"The paper contradicts itself: the mean of its own Table 5 is {sum(recalls) / len(recalls):.2f}, its "
            f"recall here {published['recall']:.2f}. What precision and recall are averaged over is not stated."
        ]
    return Sheet(
        "table_4",
        f"Table 4: overall scores of {paper.MAIN} on {corpus}, in percent.",
        ["score", "paper", "ours"],
        rows,
        [*notes, *deviations(corpus, sources), *protocols(sources)],
    )


def _per_class(corpus, summaries, task):
    published, main, sources = paper.PER_CLASS.get(corpus, {}), main_of(summaries), _of(summaries, paper.MAIN)
    rows = []
    for name in task.classes:
        cells = [NOT_RUN, NONE, NONE, NONE]
        if main:
            row = main.metrics["per_class"][name]
            cells = [*(percent(row[key], 2) for key in ("recall", "precision", "f1")), str(row["support"])]
        rows.append([name, f"{published[name]:.2f}" if name in published else NONE, *cells])
    swapped = (
        "The two columns of the paper's Table 5 are exchanged here: as printed, IEMOCAP would have fear, disgust and "
        "boredom, and Emo-DB would not."
    )
    return Sheet(
        "table_5",
        f"Table 5: accuracy per emotion of {paper.MAIN} on {corpus}, in percent.",
        ["emotion", "paper", "recall", "precision", "F1", "utterances"],
        rows,
        [swapped] * bool(published) + [*deviations(corpus, sources), *protocols(sources)],
    )


def _sentiment(corpus, summaries, task):
    published, main, sources = paper.SENTIMENT.get(corpus, {}), main_of(summaries), _of(summaries, paper.MAIN)
    baselines = (main or next(iter(summaries.values()))).baselines
    rows = []
    for key, score in task.scores.items():
        printed = published.get(key.split("_")[0])
        cell = NONE if printed is None else f"{printed:.2f}" if score.percent else f"{printed:.3f}"
        cells = [value_text(score, main, key), interval_text(main.intervals[key], score)] if main else [NOT_RUN, NONE]
        constant = [score.text(baseline[key], 2) for baseline in baselines]
        rows.append([score.heading, cell, *cells, *constant])
    silent = "The paper states neither the modality, nor the label, nor the split, nor which of several Acc-2 and F1."
    return Sheet(
        "table_7",
        f"Table 7: sentiment of {paper.MAIN} on {corpus}.",
        ["score", "paper", "ours", "95 %", *(baseline["name"] for baseline in baselines)],
        rows,
        [silent] * bool(published) + [task.note, *protocols(sources)],
    )
