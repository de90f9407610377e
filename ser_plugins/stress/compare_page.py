"""A comparison of two trials as people read it: markdown, and a table for the terminal. Nothing is computed here."""

from rich.console import Group

from ser_plugins.evaluation.report.tables import interval_text, markdown_table
from ser_plugins.plain import bold, markdown, terminal, terminal_table
from ser_plugins.scores import Score, percent
from ser_plugins.stress.compare import ConditionDifference, StressComparison

UAR = Score("UAR")


def comparison_markdown(comparison: StressComparison) -> str:
    """What ``compare_stress`` has found, as markdown."""
    table = markdown_table(_header(comparison), [_cells(row) for row in comparison.conditions])
    parts = [f"## {markdown(_title(comparison))}", bold(comparison.conclusion), table, markdown(_note(comparison))]
    return "\n\n".join(parts) + "\n"


def comparison_terminal(comparison: StressComparison) -> Group:
    """The same as one renderable, for :func:`ser_plugins.plain.console`."""
    rows = [_cells(row) for row in comparison.conditions]
    table = terminal_table(_title(comparison), _header(comparison), rows)
    return Group(table, terminal(_note(comparison), "dim"), terminal(comparison.conclusion, "bold"))


def _title(comparison: StressComparison) -> str:
    return f"{' · '.join(dict.fromkeys(comparison.test_sets))} · {' against '.join(comparison.models)} · under stress"


def _header(comparison: StressComparison) -> list[str]:
    first, second = comparison.models
    return [
        "condition", f"UAR {first}", f"UAR {second}", "difference (95 %)",
        f"change {first}", f"change {second}", "difference of changes (95 %)",
    ]  # fmt: skip


def _cells(row: ConditionDifference) -> list[str]:
    return [
        row.condition,
        *map(percent, row.uar),
        f"{100 * row.difference:+.1f} ({interval_text(row.interval, UAR)})",
        *(f"{100 * change:+.1f}" for change in row.change),
        f"{100 * row.change_difference:+.1f} ({interval_text(row.change_interval, UAR)})",
    ]


def _note(comparison: StressComparison) -> str:
    return (
        f"UAR in percent, changes and differences in points, the first model minus the second; {comparison.recordings} "
        f"recordings, {comparison.speakers} speakers. Intervals: bootstrap over speakers, in each draw the same for "
        "both models and for the recordings as they are."
    )
