"""An aggregate as people read it: markdown for a README, rich tables for the terminal. Nothing is computed here."""

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

HEADLINE = {"WA": "WA", "UAR": "UAR", "macro_F1": "macro-F1"}


def title(summary: dict) -> str:
    """Corpus, system, protocol, and whatever makes the numbers incomparable, in capitals.

    Example
    -------
    >>> protocol = {"corpus": "EmoDB", "protocol": "random", "leaks": True, "transductive": False}
    >>> title({"system": "bigru", "protocol": protocol})
    'EmoDB · bigru · random · LEAKING'
    """
    protocol = summary["protocol"]
    return " · ".join([protocol["corpus"], summary["system"], protocol["protocol"], *warnings(protocol)])


def warnings(protocol: dict) -> list[str]:
    """``LEAKING`` and ``TRANSDUCTIVE``, where the protocol is.

    Example
    -------
    >>> warnings({"leaks": True, "transductive": True})
    ['LEAKING', 'TRANSDUCTIVE']
    """
    return [word for word, key in (("LEAKING", "leaks"), ("TRANSDUCTIVE", "transductive")) if protocol[key]]


def results_markdown(summary: dict) -> str:
    """The whole report as markdown, made to be pasted into a recipe's README as it is."""
    metrics, protocol = summary["metrics"], summary["protocol"]
    classes, seeds = protocol["classes"], summary["seeds"]
    per_class = [[name, *_class_cells(row)] for name, row in metrics["per_class"].items()]
    per_speaker = [
        [row["speaker"], row["n"], percent(row["WA"]), percent(row["UAR"])] for row in summary["per_speaker"]
    ]
    matrix = [[f"**{name}**", *row] for name, row in zip(classes, metrics["confusion"], strict=True)]
    for place, row in enumerate(matrix, 1):
        row[place] = f"**{row[place]}**"
    (first, *pooled), *others = _headline_rows(summary)
    headline = [[f"**{first}**", *(f"**{text}**" for text in pooled)], *others]
    parts = [
        f"## {title(summary)}",
        *(f"> **{word}**: {_MEANING[word]}" for word in warnings(protocol)),
        _markdown(["%", *HEADLINE.values()], headline),
        f"WA is accuracy, UAR the mean recall of the classes present. {_intervals_note(summary)}",
        "**Per class** (%)",
        _markdown(["class", "recall", "precision", "F1", "utterances"], per_class),
        "**Per speaker** (%)",
        _markdown(["speaker", "utterances", "WA", "UAR"], per_speaker),
        "**Confusion matrix** (rows true, columns predicted"
        + (f"; counts summed over {len(seeds)} seeds)" if len(seeds) > 1 else ")"),
        _markdown(["", *classes], matrix),
        f"**Protocol** `{summary['protocol_hash']}`: {summary['protocol_line']}",
        "\n".join(f"- {name}: {text}" for name, text in _provenance(summary)),
    ]
    return "\n\n".join(parts) + "\n"


def terminal_table(summary: dict) -> Group:
    """The headline, the classes and the protocol line as one renderable, for ``Console().print``."""
    warned = warnings(summary["protocol"])
    head = Table(title=escape(title(summary)), title_style="bold red" if warned else "bold", title_justify="left")
    head.add_column("%")
    for name in HEADLINE.values():
        head.add_column(name, justify="right")
    for row in _headline_rows(summary):
        head.add_row(*row, style="bold" if row[0].startswith("pooled") else "")
    classes = Table("class", title="per class (%)", title_justify="left", title_style="")
    for name in ("recall", "precision", "F1", "utterances"):
        classes.add_column(name, justify="right")
    for name, row in summary["metrics"]["per_class"].items():
        classes.add_row(name, *_class_cells(row))
    line = Text(f"{summary['protocol_hash']}  {summary['protocol_line']}", style="bold red" if warned else "dim")
    return Group(head, classes, line)


def _headline_rows(summary: dict) -> list[list[str]]:
    """Rows of the headline table: a name, then one text per metric of ``HEADLINE``."""
    seeds, folds = len(summary["seeds"]), len(summary["protocol"]["folds"])
    pooled = [percent(summary["metrics"][key], 2) for key in HEADLINE]
    if seeds > 1:
        pooled = [f"{mean} ± {percent(summary['seed_sd'][key], 2)}" for mean, key in zip(pooled, HEADLINE, strict=True)]
    return [
        [f"pooled over {folds} folds" + (f", mean ± sd of {seeds} seeds" if seeds > 1 else ""), *pooled],
        ["95 % interval", *(" – ".join(percent(bound) for bound in summary["intervals"][key]) for key in HEADLINE)],
        ["fold mean ± sd", *(_plus_minus(summary["fold_mean"][key], summary["fold_sd"][key]) for key in HEADLINE)],
        [
            f"majority class ({summary['baseline']['class']})",
            *(percent(summary["baseline"][key], 2) for key in HEADLINE),
        ],
    ]


def _provenance(summary: dict) -> list[tuple[str, str]]:
    """Where the numbers come from, as (name, text) pairs."""
    command = [("command", f"`{summary['command']}`")] if summary["command"] else []
    return [
        *command,
        ("audit", summary["audit"].removeprefix("audit ")),
        ("model", f"{summary['parameters']:,} parameters; settings `{summary['settings_sha256'][:8]}`"),
        (
            "wall time",
            f"{_duration(summary['wall_time_s'])} over all folds, longest {_duration(summary['longest_fold_s'])}",
        ),
        ("machine", f"{summary['machine']} ({summary['device']})"),
        ("versions", ", ".join(f"{name} {number}" for name, number in summary["versions"].items())),
    ]


def percent(fraction, digits: int = 1) -> str:
    """A fraction in percent; an undefined one as a dash.

    Example
    -------
    >>> percent(0.71402, 2), percent(None)
    ('71.40', '–')
    """
    return "–" if fraction is None else f"{100 * fraction:.{digits}f}"


_MEANING = {
    "LEAKING": "test speakers are also in training; the numbers show the leak and are no measure of the system.",
    "TRANSDUCTIVE": "the normalisation has seen the test speaker's own utterances; compare only with the same.",
}


def _intervals_note(summary):
    speakers, seeds = len(summary["per_speaker"]), len(summary["seeds"])
    rough = f", which {speakers} speakers make rough" if speakers < 30 else ""
    over_seeds = f" The Wilson interval is of the mean accuracy of the seeds, with n = {summary['utterances']}." * (
        seeds > 1
    )
    return f"Intervals: Wilson for WA; bootstrap over speakers for UAR and macro-F1{rough}.{over_seeds}"


def _class_cells(row):
    return [*(percent(row[key]) for key in ("recall", "precision", "f1")), str(row["support"])]


def _plus_minus(mean, sd):
    return percent(mean) if sd is None else f"{percent(mean)} ± {percent(sd)}"


def _duration(seconds):
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes:.0f} min" if minutes < 120 else f"{hours:.1f} h"


def _markdown(header, rows):
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
