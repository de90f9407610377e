"""Render ``README.md`` and its figures from the JSON files of the benchmarks: nothing is measured or computed anew.

> python benchmarks/render.py
"""

import argparse
from pathlib import Path

from harness import HERE, RESULTS
from plots import write_figures

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.files import read_json, write_text

ORDER = (
    "features",
    "inference",
    "bundled",
    "training",
    "whisper",
    "scale",
    "gpu",
    "long_audio",
    "attention",
    "service",
    "stream",
    "service_abuse",
)
NEEDED = ("title", "date", "command", "quick", "corpus", "machine", "versions", "seconds", "targets", "tables")
HEAD = """\
# Benchmarks

`make bench` runs them all and renders this page from `results/*.json`; `make bench BENCH=--quick` takes minutes less
and shows only that they run. Peers are measured in the same run, call by call in turns, so that a noisy machine
disturbs all of them; "times ours" compares calls of the same turn. Figures are medians with quartiles (of fewer than
four values, the extremes) in brackets, in three digits. openSMILE, which is compared with, is licensed for research and
private use only. What was tried for speed is in [NOTES.md](NOTES.md).
"""


def main():
    """Render the page and its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of README.md and figures/")
    options = parser.parse_args()
    try:
        print(render(options.results, options.output))
    except SerError as error:
        parser.exit(2, f"error: {error}\n")


def render(results, output) -> Path:
    """Write ``README.md`` and ``figures/*.png`` below ``output``; returns the page.

    Raises
    ------
    MissingPathError, SerError
        No JSON file in ``results``, or one that no benchmark has written.
    """
    files = sorted(Path(results).glob("*.json"), key=lambda path: (_place(path.stem), path.stem))
    if not files:
        raise MissingPathError(
            got=f"no JSON file in {results}", expected="results of benchmarks", remedy="run them first: make bench"
        )
    benchmarks = [_read(path) for path in files]
    figures = write_figures(benchmarks, Path(output) / "figures")
    page = Path(output) / "README.md"
    write_text(page, "\n".join([HEAD, *targets_section(benchmarks), *figures_section(figures), *sections(benchmarks)]))
    return page


def _place(name):
    return ORDER.index(name) if name in ORDER else len(ORDER)


def _read(path) -> dict:
    content = read_json(path)
    missing = [key for key in NEEDED if not isinstance(content, dict) or key not in content]
    if missing:
        raise SerError(
            got=f"{path} without {', '.join(missing)}", expected="what a benchmark writes", remedy="run it again"
        )
    return content


def targets_section(benchmarks) -> list:
    """Every target, what was measured, and whether that is met."""
    rows = []
    for benchmark in benchmarks:
        for line in benchmark["targets"]:
            measured, limit = line["measured"], line["target"]
            unit = f" {line['unit']}" if line["unit"] else ""
            notes = [line["note"]]
            notes += ["On the synthetic corpus."] * ("(synthetic)" in (benchmark["corpus"] or ""))
            notes += ["Quick run: not to be cited."] * benchmark["quick"]
            rows.append(
                {
                    "target": line["name"],
                    "at most": f"{number(limit)}{unit}",
                    "measured": "not measured" if measured is None else f"{number(measured)}{unit}",
                    "measured / target": None if measured is None else measured / limit,
                    "met": None if measured is None else "yes" if measured <= limit else "**no**",
                    "": " ".join(note for note in notes if note),
                }
            )
    return ["## Targets", "", *markdown(rows), ""]


def figures_section(figures) -> list:
    """The figures, each with its sentence."""
    return [line for path, caption in figures for line in (f"![{caption}](figures/{path.name})", "")]


def sections(benchmarks) -> list:
    """One section for each benchmark: its circumstances and its tables."""
    lines = []
    for benchmark in benchmarks:
        lines += [f"## {benchmark['title']}", "", circumstances(benchmark), ""]
        for table in benchmark["tables"]:
            lines += [f"### {table['title']}", ""]
            if table["rows"]:
                lines += [*markdown(table["rows"]), ""]
            if table["note"]:
                lines += [table["note"], ""]
    return lines


def circumstances(benchmark) -> str:
    """Command, date, machine, load and versions in words."""
    machine = benchmark["machine"]
    load = ", ".join(map(str, machine["load_average"] or ["unknown"]))
    versions = ", ".join(f"{name} {found}" for name, found in benchmark["versions"].items())
    corpus = f" Corpus: {benchmark['corpus']}." if benchmark["corpus"] else ""
    quick = " **A quick run: figures are not to be cited.**" if benchmark["quick"] else ""
    memory = f"{machine['memory_GB'] or '?'} GB"
    return (
        f"`{benchmark['command']}`, {benchmark['date'][:10]}, {benchmark['seconds']:.0f} s.{corpus} {machine['cpu']}, "
        f"{machine['cores']} cores, {memory}, {machine['gpu'] or 'no GPU'}; load before it {load}. "
        f"{versions[0].upper()}{versions[1:]}.{quick}"
    )


def markdown(rows) -> list:
    """Rows of column -> value as a Markdown table; columns in order of appearance, figures to the right."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    numeric = {column: any(isinstance(row.get(column), dict | int | float) for row in rows) for column in columns}
    lines = [
        f"| {' | '.join(columns)} |",
        f"|{'|'.join(' ---: ' if numeric[column] else ' --- ' for column in columns)}|",
    ]
    return lines + [f"| {' | '.join(cell(row.get(column)) for column in columns)} |" for row in rows]


def cell(value) -> str:
    """A value as text: a spread as ``median (low - high)``.

    Example
    -------
    >>> cell({"median": 12.345, "low": 12.0, "high": 13.0, "n": 5}), cell(0.000412), cell(1309903), cell(None)
    ('12.3 (12 – 13)', '0.000412', '1,309,903', '')
    """
    if value is None:
        return ""
    if isinstance(value, dict):
        middle, low, high = (number(value[key]) for key in ("median", "low", "high"))
        return middle if value["n"] == 1 or low == high else f"{middle} ({low} – {high})"
    return value.replace("|", "\\|") if isinstance(value, str) else number(value)


def number(value) -> str:
    """Three significant digits, no exponent; whole numbers as they are.

    Example
    -------
    >>> number(0.0004123), number(12.0), number(1234.56), number(535)
    ('0.000412', '12', '1,235', '535')
    """
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = f"{value:.3g}"
    return f"{float(digits):.10f}".rstrip("0").rstrip(".") if "e" in digits else digits


if __name__ == "__main__":
    main()
