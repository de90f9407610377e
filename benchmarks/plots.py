"""Figures of the benchmarks, from the tables of their JSON files."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ser_plugins.evaluation.report.figures import BLUE, ORANGE, SKY
from ser_plugins.files import atomic_path

GREEN = "#009E73"  # of the same palette


def write_figures(benchmarks, folder) -> list:
    """Write every figure whose table is there; returns (path, caption) of each."""
    tables = {table["key"]: table["rows"] for benchmark in benchmarks for table in benchmark["tables"]}
    written = []
    for key, draw, caption in FIGURES:
        if not tables.get(key):
            continue
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        draw(figure, tables[key])
        path = Path(folder) / f"{key}.png"
        with atomic_path(path) as temporary:
            # Without the version of matplotlib in it, the same figures give the same file.
            figure.savefig(temporary, dpi=120, metadata={"Software": None})
        written.append((path, caption))
    return written


def draw_training(figure, rows) -> None:
    """Extrapolated wall time of every way to train."""
    column = next(column for column in rows[0] if column.endswith("min, extrapolated"))
    axes = bars(figure.add_subplot(), rows, column)
    axes.set_xlabel(column)
    stock = next((row for row in rows if row["system"].startswith("stock, default")), None)
    if stock:
        axes.axvline(0.11 * stock[column]["median"], color="black", linestyle=":", label="target: 0.11 of stock")
        axes.legend(frameon=False, fontsize=8)


def draw_latency(figure, rows) -> None:
    """Latency of every system, logarithmic."""
    axes = bars(figure.add_subplot(), rows, "latency / ms")
    axes.set(xscale="log", xlim=(1, None), xlabel="latency of a 3-s wav on one core / ms")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(30, color="black", linestyle=":", label="target: 30 ms")
    axes.legend(frameon=False, fontsize=8)


def draw_long_audio(figure, rows) -> None:
    """Time and memory over length, window by window and as a whole."""
    time, memory = figure.subplots(1, 2)
    for axes, name in ((time, "time / s"), (memory, "peak memory / MiB")):
        for how, colour in (("windows", BLUE), ("whole", ORANGE)):
            points = [(row["seconds"], middle(row.get(f"{how}: {name}"))) for row in rows]
            points = [(seconds, value) for seconds, value in points if value is not None]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=colour, label=how)
        axes.set(xscale="log", xlabel="length of the recording", ylabel=name)
        axes.set_xticks([row["seconds"] for row in rows], [row["length"] for row in rows], minor=False)
        axes.minorticks_off()
        tidy(axes)
    time.set_yscale("log")
    time.yaxis.set_major_formatter("{x:g}")
    time.yaxis.set_minor_formatter(NullFormatter())
    memory.set_ylim(0, 1.1 * memory.get_ylim()[1])
    if time.has_data():
        time.legend(frameon=False)


def draw_attention(figure, rows) -> None:
    """Time and memory of attention over frames, logarithmic."""
    for axes, name in zip(figure.subplots(1, 2), ("time / ms", "memory / MiB"), strict=True):
        for system, colour in zip(
            dict.fromkeys(row["system"] for row in rows), (ORANGE, SKY, BLUE, GREEN), strict=False
        ):
            points = [(row["frames"], middle(row[name])) for row in rows if row["system"] == system]
            points = [(frames, value) for frames, value in points if value]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", color=colour, label=system, markersize=3)
        axes.set(xscale="log", yscale="log", xlabel="frames", ylabel=name)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
        tidy(axes)
    axes.legend(frameon=False, fontsize=8)


def bars(axes, rows, column):
    """Horizontal bars with whiskers from low to high; ours in blue."""
    rows = [row for row in rows if isinstance(row.get(column), dict)][::-1]
    medians = [row[column]["median"] for row in rows]
    whiskers = [
        [row[column]["median"] - row[column]["low"] for row in rows],
        [row[column]["high"] - row[column]["median"] for row in rows],
    ]
    names = [row["system"] for row in rows]
    colours = [BLUE if name.startswith("ours") else SKY for name in names]
    axes.barh(names, medians, xerr=whiskers, color=colours, height=0.6, capsize=3)
    tidy(axes)
    return axes


def middle(value):
    """The median of a spread, a number as it is, None for anything else."""
    if isinstance(value, dict):
        return value["median"]
    return value if isinstance(value, int | float) else None


def tidy(axes) -> None:
    """Two spines are enough."""
    axes.spines[["top", "right"]].set_visible(False)


FIGURES = (
    ("training", draw_training, "Wall time of a whole leave-one-speaker-out training, extrapolated"),
    ("latency", draw_latency, "Latency of one 3-s wav on one core"),
    ("long_audio", draw_long_audio, "Time and peak memory over the length of a recording"),
    ("attention_dropout", draw_attention, "Attention in training on one core: time and memory over frames"),
)
