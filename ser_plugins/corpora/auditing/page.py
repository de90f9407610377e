"""What an audit says: one line to paste into a paper, a table for the terminal, a page in Markdown."""

from collections.abc import Iterable

from ser_plugins import __version__
from ser_plugins.corpora.auditing.division import DivisionAudit
from ser_plugins.corpora.auditing.fold import FoldAudit
from ser_plugins.corpora.auditing.leaks import NEAR, SAMPLES
from ser_plugins.corpora.verify import first_few
from ser_plugins.plain import bold, markdown, terminal_table

MOST_LEAKS = 20  # that are told one by one


def statement(audit: DivisionAudit) -> str:
    """The line for a paper: what is disjoint or leaks, in how many folds, of which division.

    A reader who has the same lists gets the same digits of the division.
    """
    count = len(audit.folds)
    folds = f"{count} folds" if count > 1 else "1 fold"
    head = f"{audit.name}, {folds}, {audit.coverage.utterances:,} utterances, division {audit.digest}"
    tail = f"(ser audit {__version__})"
    if audit.leaking:
        kinds: dict[str, int] = {}
        for fold in audit.folds:
            for kind in dict.fromkeys(leak.kind for leak in fold.leaks):
                kinds[kind] = kinds.get(kind, 0) + 1
        words = ", ".join(f"{kind} shared in {number} of {folds}" for kind, number in kinds.items())
        return f"LEAKING: {head}: {words} {tail}"
    shared = [field for field in audit.folds[0].fields if any(fold.fields[field].shared for fold in audit.folds)]
    parts = [
        f"disjoint in {', '.join([*audit.claimed, *_compared(audit)])}",
        *([f"shared: {', '.join(shared)}"] if shared else []),
        *([] if _compared(audit) else ["recordings not compared"]),
        _tested(audit),
    ]
    return f"audit ok: {head}: {'; '.join(parts)} {tail}"


def _compared(audit: DivisionAudit) -> list[str]:
    """What recordings were compared by in every fold, with how much of them where it is not all."""
    words = []
    for kind in (SAMPLES, NEAR):
        total = sum(sum(fold.counts.values()) for fold in audit.folds)
        left = sum(fold.unknown[kind] for fold in audit.folds)
        if left < total:
            words.append(f"{kind} ({100 * (total - left) / total:.0f} % compared)" if left else kind)
    return words


def _tested(audit: DivisionAudit) -> str:
    """How often utterances are tested, in words."""
    times = audit.coverage.times
    if len(audit.folds) == 1:
        return f"{times.get(1, 0):,} tested"
    if audit.coverage.once:
        return "every utterance tested once"
    return "tested " + ", ".join(f"{n} times: {utterances:,}" for n, utterances in times.items())


def fold_rows(audit: DivisionAudit) -> tuple[list[str], list[list[str]]]:
    """Header and a row per fold: utterances, the fields that occur, recordings, and the verdict."""
    fields = list(audit.folds[0].fields)
    header = ["fold", "utterances", *fields, SAMPLES, NEAR, "classes", ""]
    return header, [_row(fold, fields) for fold in audit.folds]


def _row(fold: FoldAudit, fields) -> list[str]:
    counts = "/".join(map(str, fold.counts.values()))
    cells = []
    for field in fields:
        found = fold.fields[field]
        distinct = "/".join(map(str, found.distinct.values()))
        cells.append(f"{distinct}, {found.shared} shared" if found.shared else distinct)
    total = sum(fold.counts.values())
    for kind in (SAMPLES, NEAR):
        count = sum(leak.count for leak in fold.leaks if leak.kind == kind)
        left = fold.unknown[kind]
        cells.append(f"{count} shared" if count else "not compared" if left == total else "none")
    classes = "/".join(str(len(counted)) for counted in fold.classes.values()) if any(fold.classes.values()) else "–"
    return [fold.name, counts, *cells, classes, "LEAKING" if fold.leaking else "ok"]


def notes(audit: DivisionAudit) -> list[str]:
    """Everything that is no number of the table, a sentence each: leaks first."""
    leaks = [f"fold {fold.name}: {leak.got}" for fold in audit.folds for leak in fold.leaks]
    told = leaks[:MOST_LEAKS] + ([f"and {len(leaks) - MOST_LEAKS} more leaks"] if len(leaks) > MOST_LEAKS else [])
    return [*told, *_class_notes(audit.folds), *_confound_notes(audit), f"{_tested(audit)}", *audit.remarks]


def _class_notes(folds: Iterable[FoldAudit]) -> list[str]:
    lines = []
    for part, other in (("train", "test"), ("test", "train")):
        found = [f"{fold.name} ({first_few(fold.only_in[part])})" for fold in folds if part in fold.only_in]
        if found:
            lines.append(f"classes of {part} that are missing in {other}: fold {first_few(found)}")
    single = [f"{fold.name} ({first_few(fold.single_class_speakers)})" for fold in folds if fold.single_class_speakers]
    if single:
        lines.append(f"test speakers with a single class: fold {first_few(single)}")
    return lines


def _confound_notes(audit: DivisionAudit) -> list[str]:
    return [
        f"{found.column} alone predicts the label: UAR {100 * found.score:.1f} %, chance {100 * found.chance:.1f} "
        f"(by {found.tested}); a system may have learnt that instead"
        for found in audit.confounds
        if found.predicts
    ]


def confound_rows(audit: DivisionAudit) -> tuple[list[str], list[list[str]]]:
    """Header and a row per column of metadata: what it alone says of the labels."""
    header = ["metadata alone", "UAR %", "chance %", "learnt from", ""]
    rows = [
        [
            found.column,
            f"{100 * found.score:.1f}",
            f"{100 * found.chance:.1f} ± {100 * found.deviation:.1f}",
            "training" if found.tested == "folds" else found.tested,
            "predicts" if found.predicts else "",
        ]
        for found in audit.confounds
    ]
    return header, rows


def terminal(audit: DivisionAudit):
    """The audit as a group of rich's tables and lines."""
    from rich.console import Group

    from ser_plugins.plain import terminal as text

    header, rows = fold_rows(audit)
    styles = ["red" if fold.leaking else "" for fold in audit.folds]
    parts = [terminal_table(audit.name, header, rows, styles=styles)]
    if audit.confounds:
        parts.append(terminal_table("what metadata say of the labels", *confound_rows(audit)))
    return Group(*parts, *(text(f"- {note}") for note in notes(audit)), text(statement(audit), "bold"))


def page(audit: DivisionAudit) -> str:
    """The audit in Markdown."""
    lines = [f"## Audit of {markdown(audit.name)}", "", bold(statement(audit)), ""]
    lines += _table(*fold_rows(audit))
    if audit.confounds:
        lines += ["", *_table(*confound_rows(audit))]
    return "\n".join([*lines, "", *(f"- {markdown(note)}" for note in notes(audit)), ""])


def _table(header, rows) -> list[str]:
    def line(cells):
        return "| " + " | ".join(markdown(cell).replace("|", "\\|") for cell in cells) + " |"

    return [line(header), "|---" * len(header) + "|", *map(line, rows)]
