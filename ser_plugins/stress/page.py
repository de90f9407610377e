"""The page that a trial ends in: tables in markdown, two figures, and all numbers as JSON."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from ser_plugins.evaluation.report.figures import BLUE, ORANGE, SKY, STYLE, save
from ser_plugins.evaluation.report.tables import interval_text, markdown_table
from ser_plugins.files import write_json, write_text
from ser_plugins.plain import figure_text, markdown
from ser_plugins.scores import Score, percent
from ser_plugins.stress.conditions import CONDITIONS, NOISES
from ser_plugins.stress.folder import FILE, PAGE
from ser_plugins.stress.record import StressRecord
from ser_plugins.stress.summary import Group, Robustness

SHARE = Score("UAR")


def write_page(folder: Path, record: StressRecord) -> Path:
    """Write ``stress.md``, ``figures/`` and, last of all, ``stress.json`` into a folder; returns the page."""
    save(change_figure(record.conditions), folder / "figures" / "change_of_uar")
    save(noise_figure(record.conditions), folder / "figures" / "noise")
    write_text(folder / PAGE, page_text(record))
    write_json(folder / FILE, record.to_json())
    return folder / PAGE


def page_text(record: StressRecord) -> str:
    """All tables in markdown."""
    speakers = f"{record.speakers} speakers" if record.speakers else "speakers unknown: each recording counts as one"
    parts = [
        f"# {markdown(record.model)} under stress",
        f"{record.recordings} recordings of {markdown(record.test_set)}, {speakers}. In brackets 95 % intervals, a "
        "bootstrap over speakers; the change is paired. A recording in which no speech is heard is wrong. Unchanged: "
        "the label is that of the recording as it is.",
        markdown_table(
            ["condition", "UAR", "change", "unchanged", "no speech"],
            [[row.condition, *_cells(row), str(row.no_speech)] for row in record.conditions],
        ),
        "![UAR by condition](figures/change_of_uar.png)",
        "![UAR by noise](figures/noise.png)",
    ]
    if record.groups:
        header = ["group", "speakers", "recordings", "UAR", "false alarms", "difference to the others", "p", "verdict"]
        parts += ["## Groups of speakers", markdown_table(header, [_group_cells(group) for group in record.groups])]
    return "\n\n".join(parts) + "\n"


def _cells(row: Robustness) -> list[str]:
    return [
        f"{percent(row.uar)} ({interval_text(row.interval, SHARE)})",
        f"{100 * row.change:+.1f} ({interval_text(row.change_interval, SHARE)})",
        f"{percent(row.unchanged)} ({interval_text(row.unchanged_interval, SHARE)})",
    ]


def _group_cells(group: Group) -> list[str]:
    return [
        f"{group.column} {group.value}",
        str(group.speakers),
        str(group.recordings),
        f"{percent(group.uar)} ({interval_text(group.interval, SHARE)})",
        percent(group.false_alarms),
        f"{100 * group.difference:+.1f}",
        "–" if group.p is None else f"{group.p:.3f}",
        group.verdict,
    ]


def change_figure(rows: Sequence[Robustness]) -> Figure:
    """The change of UAR under every condition, with its interval."""
    changed = rows[1:]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 0.6 + 0.24 * len(changed)), layout="constrained")
        axes = figure.add_subplot()
        for place, row in enumerate(changed):
            if row.change_interval:
                axes.plot([100 * bound for bound in row.change_interval], [place, place], color=SKY, linewidth=2)
            axes.plot(100 * row.change, place, "o", color=BLUE, markersize=4)
        axes.axvline(0, color="0.6", linewidth=0.8)
        axes.set_yticks(range(len(changed)), [figure_text(row.condition) for row in changed])
        axes.invert_yaxis()
        axes.set_xlabel("change of UAR / points, 95 % interval over speakers")
    return figure


def noise_figure(rows: Sequence[Robustness]) -> Figure:
    """UAR over the ratio of signal to noise, a line per kind of noise."""
    by_name = {row.condition: row for row in rows}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 3.2), layout="constrained")
        axes = figure.add_subplot()
        for (family, colour), marker in zip(zip(NOISES, (BLUE, SKY, ORANGE), strict=True), "os^", strict=True):
            conditions = [condition for condition in CONDITIONS if condition.family == family]
            ratios = [condition.level for condition in conditions]
            scores = [100 * by_name[condition.name].uar for condition in conditions]
            axes.plot(ratios, scores, marker=marker, color=colour, label=family)
        axes.axhline(100 * rows[0].uar, color="0.6", linewidth=0.8, linestyle="--", label="as recorded")
        axes.set_xlabel("signal to noise / dB")
        axes.set_ylabel("UAR / %")
        axes.set_ylim(0, 100)
        axes.legend()
    return figure
