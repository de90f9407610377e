"""An aggregate as people read it: markdown for a README, rich tables for the terminal. Nothing is computed here."""

from collections.abc import Sequence

from rich.console import Group

from ser_plugins.cautions import caution_note, shared_units
from ser_plugins.corpora.pretraining import contamination_line, source_of
from ser_plugins.evaluation.report.run_summary import RunSummary, TaskSummary
from ser_plugins.evaluation.runs.fold_record import FoldRecord
from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.plain import bold, code, markdown, terminal
from ser_plugins.plain import terminal_table as rich_table
from ser_plugins.scores import percent

EPOCH_ON_TEST = "test"  # the `selection` of a run whose epochs were chosen by test scores: see scripts/epoch_on_test.py


def title(summary: RunSummary) -> str:
    """Corpus, system, protocol, and in capitals what nobody must overlook.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> protocol = SimpleNamespace(
    ...     corpus="EmoDB", protocol="random", leaks=True, transductive=False, partial=False, pretrained=())
    >>> title(SimpleNamespace(system="bigru", protocol=protocol))
    'EmoDB · bigru · random · LEAKING'
    """
    protocol = summary.protocol
    return " · ".join([protocol.corpus, summary.system, protocol.protocol, *marks(protocol)])


def cautions(protocol: RunProtocol) -> list[str]:
    """``LEAKING``, ``TRANSDUCTIVE`` and ``PARTIAL``, where the protocol is: what makes numbers incomparable.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> cautions(SimpleNamespace(leaks=True, transductive=True, partial=True))
    ['LEAKING', 'TRANSDUCTIVE', 'PARTIAL']
    """
    flags = {"LEAKING": protocol.leaks, "TRANSDUCTIVE": protocol.transductive, "PARTIAL": protocol.partial}
    return [word for word, flag in flags.items() if flag]


def marks(protocol: RunProtocol) -> list[str]:
    """The cautions, and ``PRETRAINED``, which runs that are compared may differ in: what stands beside a name.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> marks(SimpleNamespace(leaks=True, transductive=False, partial=False, pretrained=("openai/whisper-base",)))
    ['LEAKING', 'PRETRAINED']
    """
    return cautions(protocol) + pretrained_marks(protocol.pretrained)


def pretrained_marks(models: Sequence[str]) -> list[str]:
    """``PRETRAINED``, where a system has pretrained models."""
    return ["PRETRAINED"] if models else []


def explained(protocol: RunProtocol) -> list[str]:
    """The marks with their meaning, then what the corpus has to say: all that a table must not be shown without.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> explained(SimpleNamespace(leaks=False, transductive=False, partial=True, unit_field="speaker", disjoint=(),
    ...     selection="last", corpus="IEMOCAP", pretrained=(), statements=("session 1 of 5",)))
    ['**PARTIAL**: part of the corpus only; compare with nothing else.', 'session 1 of 5']
    """
    leaks = " and ".join(_leaks(protocol))
    return [
        *(caution_note(word, protocol.unit_field, leaks) for word in cautions(protocol)),
        *pretrained_notes(protocol.pretrained, protocol.corpus),
        *map(markdown, protocol.statements),
    ]


def _leaks(protocol: RunProtocol) -> list[str]:
    """What a protocol that leaks leaks, in words."""
    unit, leaks = protocol.unit_field, []
    if epoch_on_test := protocol.selection == EPOCH_ON_TEST:
        leaks.append("the epoch of every fold was chosen by the scores of its own test set")
    if not (epoch_on_test and unit in protocol.disjoint):
        leaks.append(shared_units(unit))
    return leaks


def pretrained_notes(models: Sequence[str], corpus: str) -> list[str]:
    """What each pretrained model of a system had heard before, with the source; in markdown.

    Arguments
    ---------
    models : sequence of str
        As a protocol or a model card names them.
    corpus : str
        That was tested on: whether it can have been in what they heard.

    Example
    -------
    >>> for note in pretrained_notes(["microsoft/wavlm-base", "own"], "EmoDB"):
    ...     print(note)
    **PRETRAINED**: microsoft/wavlm-base on 960 h of read books (LibriSpeech), no emotion labels; EmoDB in it: no \
(Chen et al., WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing, 2021, \
https://arxiv.org/abs/2110.13900)
    **PRETRAINED**: own on unknown data, emotion labels unknown; EmoDB in it: unknown
    """
    notes = []
    for model in models:
        source = source_of(model)
        text = contamination_line(model, corpus) + (f" ({source})" if source else "")
        notes.append(f"**PRETRAINED**: {markdown(text)}")
    return notes


def results_markdown(summary: RunSummary) -> str:
    """The whole report as markdown, made to be pasted into a recipe's README as it is."""
    (_, task), *auxiliary = summary.tasks.items()
    parts = [
        f"## {markdown(title(summary))}",
        *(f"> {text}" for text in explained(summary.protocol)),
        *_headline_markdown(task, summary, summary),
        *_classes_markdown(task, summary),
        *_units_markdown(task, summary),
        *_confusion_markdown(task, summary),
        *_calibration_markdown(summary),
    ]
    for target, auxiliary_task in auxiliary:
        part = summary.auxiliary[target]
        parts += [f"**Auxiliary target {markdown(target)}** ({part.utterances} rated utterances)"]
        parts += _headline_markdown(auxiliary_task, part, summary)
    parts += [
        f"**Protocol** {code(summary.protocol_hash)}: {markdown(summary.protocol_line)}",
        "\n".join(f"- {name}: {text}" for name, text in _provenance(summary)),
    ]
    return "\n\n".join(parts) + "\n"


def _headline_markdown(task, part, summary) -> list[str]:
    (name, *pooled), *rows = headline_rows(task, part, summary)
    return [
        markdown_table(headline_columns(task), [[bold(name), *map(bold, pooled)], *rows]),
        f"{task.note} {_intervals_note(task, part, summary)}",
    ]


def _classes_markdown(task, summary) -> list[str]:
    if task.kind != "classification":
        return []
    rows = [[name, *_class_cells(row)] for name, row in summary.metrics["per_class"].items()]
    return ["**Per class** (%)", markdown_table(_CLASS_COLUMNS, rows)]


def _units_markdown(task, summary) -> list[str]:
    unit, scores = summary.protocol.unit_field, {name: task.scores[name] for name in task.per_unit}
    rows = [
        [row["unit"], row["n"], *(score.text(row[name]) for name, score in scores.items())] for row in summary.per_unit
    ]
    percents = " (%)" * all(score.percent for score in scores.values())
    columns = [unit, "utterances", *(score.label for score in scores.values())]
    return [f"**Per {unit}**{percents}", markdown_table(columns, rows)]


def _confusion_markdown(task, summary) -> list[str]:
    if task.kind != "classification":
        return []
    seeds = len(summary.seeds)
    matrix = [[bold(name), *row] for name, row in zip(task.classes, summary.metrics["confusion"], strict=True)]
    for place, row in enumerate(matrix, 1):
        row[place] = bold(row[place])
    summed = f"; counts summed over {seeds} seeds" if seeds > 1 else ""
    return [
        f"**Confusion matrix** (rows true, columns predicted{summed})",
        markdown_table(["", *task.classes], matrix),
    ]


def _calibration_markdown(summary) -> list[str]:
    calibration, unit = summary.calibration, summary.protocol.unit_field
    if calibration is None or calibration["calibrated"] is None:
        return []
    kinds = (("as trained", calibration["raw"]), (f"temperature of the other {unit}s", calibration["calibrated"]))
    rows = [[name, percent(scores["ECE"]), f"{scores['NLL']:.3f}"] for name, scores in kinds]
    points = [
        point
        for point in calibration["calibrated"]["coverage"]
        if point["abstain_below"] in (0, 0.4, 0.5, 0.6, 0.7, 0.8)
    ]
    abstaining = [
        ["answered (%)", *(percent(point["coverage"]) for point in points)],
        ["WA of those (%)", *(percent(point["accuracy"]) for point in points)],
    ]
    return [
        f"**Calibration** of the probabilities (ECE over {calibration['bins']} bins of equal width; `ser export` uses "
        f"the temperature of all {unit}s, {calibration['temperature']:.2f})",
        markdown_table(["", "ECE (%)", "NLL (nats)"], rows),
        "**Abstaining** below a probability, with that temperature of the others",
        markdown_table(["below", *(f"{point['abstain_below']:g}" for point in points)], abstaining),
    ]


def terminal_table(summary: RunSummary) -> Group:
    """The headlines, the classes and the protocol line as one renderable, for :func:`ser_plugins.plain.console`."""
    protocol = summary.protocol
    style = "bold red" if cautions(protocol) else "bold"
    parts = []
    for target, task in summary.tasks.items():
        part = summary.auxiliary.get(target, summary)
        text = title(summary) if part is summary else f"{target}, {part.utterances} rated utterances"
        columns, *rows = _fitting(headline_columns(task), *headline_rows(task, part, summary))
        styles = ["bold" if row[0].startswith(("pooled", "test set")) else "" for row in rows]
        parts.append(rich_table(text, columns, rows, style=style, styles=styles))
    if "per_class" in summary.metrics:
        rows = [[name, *_class_cells(row)] for name, row in summary.metrics["per_class"].items()]
        parts.append(rich_table("per class (%)", _CLASS_COLUMNS, rows, style=""))
    parts += [terminal(statement, "bold red") for statement in protocol.statements]
    line = f"{summary.protocol_hash}  {summary.protocol_line}"
    return Group(*parts, terminal(line, style if cautions(protocol) else "dim"))


def _fitting(*rows):
    """A wide table on its side: eight scores fit no terminal side by side."""
    return rows if len(rows[0]) <= 6 else list(zip(*rows, strict=True))


def brief(record: FoldRecord) -> str:
    """The two first scores of a fold, for a line of progress."""
    if record.metrics is None:
        return "sealed" if record.sealed else "nothing tested"
    task = next(iter(record.tasks.values()))
    scores = list(task.scores.items())[:2]
    return ", ".join(f"{score.label} {score.text(record.metrics[key])}{score.unit}" for key, score in scores)


def headline_columns(task) -> list[str]:
    """Header of the headline table; what is in percent says so, once when it is everything."""
    scores = task.scores.values()
    if all(score.percent for score in scores):
        return ["%", *(score.label for score in scores)]
    return ["", *(score.heading for score in scores)]


def headline_rows(task, part: TaskSummary, summary: RunSummary) -> list[list[str]]:
    """Rows of the headline table of one task: a name, then one text per score."""
    seeds, folds, scores = len(summary.seeds), summary.protocol.folds, task.scores
    pooled = [score.text(part.metrics[key], 2) for key, score in scores.items()]
    if seeds > 1:
        sds = [score.text(part.seed_sd[key], 2) for key, score in scores.items()]
        pooled = [f"{mean} ± {sd}" for mean, sd in zip(pooled, sds, strict=True)]
    name = f"pooled over {len(folds)} folds" if len(folds) > 1 else f"test set of fold {folds[0]}"
    rows = [[name + (f", mean ± sd of {seeds} seeds" if seeds > 1 else ""), *pooled]]
    if any(part.intervals.values()):
        rows += [["95 % interval", *(interval_text(part.intervals[key], score) for key, score in scores.items())]]
    if len(folds) > 1:
        means, sds = part.fold_mean, part.fold_sd
        rows += [["fold mean ± sd", *(_plus_minus(score, means[key], sds[key]) for key, score in scores.items())]]
    return rows + baseline_rows(task, part.baselines)


def baseline_rows(task, baselines: Sequence[dict]) -> list[list[str]]:
    """Rows of what knowing nothing would score: a name, then one text per score."""
    return [
        [baseline["name"], *(score.text(baseline[key], 2) for key, score in task.scores.items())]
        for baseline in baselines
    ]


def interval_text(bounds, score) -> str:
    """An interval; a dash where there is none.

    Example
    -------
    >>> from ser_plugins.scores import Score
    >>> interval_text([0.5, 0.625], Score("WA")), interval_text(None, Score("WA"))
    ('50.0 – 62.5', '–')
    """
    return "–" if bounds is None else " – ".join(score.text(bound) for bound in bounds)


def _provenance(summary: RunSummary) -> list[tuple[str, str]]:
    """Where the numbers come from, as (name, text) pairs."""
    longest = duration(summary.longest_fold_s)
    return [
        ("audit", markdown(summary.audit.removeprefix("audit "))),
        ("model", f"{summary.parameters:,} parameters; settings `{summary.settings_sha256[:8]}`"),
        ("wall time", f"{duration(summary.wall_time_s)} over all folds, longest {longest}"),
        ("machine", markdown(f"{summary.machine} ({summary.device})")),
        ("versions", ", ".join(f"{name} {number}" for name, number in summary.versions.items())),
    ]


_CLASS_COLUMNS = ["class", "recall", "precision", "F1", "utterances"]


def _intervals_note(task, part, summary):
    unit, units, seeds = summary.protocol.unit_field, len(part.per_unit), len(summary.seeds)
    wilson = [score.label for name, score in task.scores.items() if name in task.wilson]
    bootstrap = [score.label for name, score in task.scores.items() if name not in task.wilson]
    labels = f" for {' and '.join(bootstrap)}" if wilson else ""
    rough = f", which {units} {unit}s make rough" if units < 30 else ""
    over_units = f"bootstrap over {unit}s{labels}{rough}"
    if units < 2:
        over_units = f"none{labels}, one {unit} says nothing of the next"
    kinds = "; ".join([*(f"Wilson for {label}" for label in wilson), over_units])
    over_seeds = f" The Wilson interval is of the mean accuracy of the seeds, with n = {part.utterances}."
    return f"Intervals: {kinds}." + (over_seeds if wilson and seeds > 1 else "")


def _class_cells(row):
    return [*(percent(row[key]) for key in ("recall", "precision", "f1")), str(row["support"])]


def _plus_minus(score, mean, sd):
    return score.text(mean) if sd is None else f"{score.text(mean)} ± {score.text(sd)}"


def duration(seconds: float) -> str:
    """A time in the unit that fits.

    Example
    -------
    >>> duration(90), duration(7021)
    ('90 s', '117 min')
    """
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes:.0f} min" if minutes < 120 else f"{hours:.1f} h"


def markdown_table(header, rows) -> str:
    r"""A table with the first column on the left and numbers on the right; a cell is text, or a ``Markup``.

    Example
    -------
    >>> print(markdown_table(["class", "recall"], [["a|b", bold(50)]]))
    | class | recall |
    | --- | --: |
    | a\|b | **50** |
    """
    lines = [[markdown(cell).replace("|", r"\|") for cell in line] for line in (header, *rows)]
    lines.insert(1, ["---", *["--:"] * (len(header) - 1)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
