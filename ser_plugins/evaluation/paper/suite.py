"""All tables and figures of the paper for one corpus and protocol, its numbers beside ours, from finished runs."""

import re
from pathlib import Path

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.compare.comparable import CHOICES, read_one
from ser_plugins.evaluation.compare.comparison import compare_many, compare_runs
from ser_plugins.evaluation.compare.nouns import Comparison, ManyComparison
from ser_plugins.evaluation.compare.rank_figure import critical_difference_figure
from ser_plugins.evaluation.compare.tables import comparison_markdown, friedman_text
from ser_plugins.evaluation.paper import numbers as paper
from ser_plugins.evaluation.paper.columns import system_of
from ser_plugins.evaluation.paper.heads_figure import heads_figure
from ser_plugins.evaluation.paper.tables import sheets
from ser_plugins.evaluation.report import figures
from ser_plugins.evaluation.report.tables import cautions, title
from ser_plugins.evaluation.runs.evidence import is_packed, system_named_by
from ser_plugins.evaluation.runs.lockbox import is_sealed
from ser_plugins.files import write_text

_SAME = ("corpus", "corpus_sha256", "target", "classes", "scale", "protocol", "subset", "folds")


def find_runs(results_folders, protocol: str = "loso") -> dict[str, Path]:
    """Runs of one protocol by the name of the system, from A to Z; sealed ones are left out.

    Arguments
    ---------
    results_folders : str, Path or list of those
        ``results/<corpus>``, with ``<system>/<protocol>`` below it, or ``evidence/<corpus>``, with packed runs.
    protocol : str
        Which runs.

    Raises
    ------
    MissingPathError, SerError
        There are none; or two of one system.
    """
    folders = [
        Path(folder) for folder in ([results_folders] if isinstance(results_folders, (str, Path)) else results_folders)
    ]
    paths = [path for folder in folders for path in folder.glob(f"*/{protocol}") if any(path.glob("seed_*"))]
    paths = [path for path in paths if not is_sealed(path)]
    paths += [path for folder in folders for path in folder.glob(f"*.{protocol}") if is_packed(path)]
    if not paths:
        raise MissingPathError(
            got=f"no <system>/{protocol}/seed_<n>, and no packed <system>.{protocol}, below "
            f"{', '.join(map(str, folders))}",
            expected="the results of a corpus, results/<corpus> or evidence/<corpus>, with finished runs",
            remedy="name that folder, or another --protocol",
        )
    runs = {system_named_by(path): path for path in paths}
    if twice := [path for path in paths if path not in runs.values()]:
        raise SerError(
            got=f"{twice[0]} and {runs[system_named_by(twice[0])]}",
            expected="one run of every system",
            remedy="remove one",
        )
    return dict(sorted(runs.items()))


def write_suite(runs: dict[str, Path], folder, *, command: str = "") -> list[Path]:
    """Write ``tables.md``, ``tables/*`` (markdown, CSV, LaTeX) and ``figures/*.png`` and ``*.pdf``.

    Arguments
    ---------
    runs : dict
        Complete run folders by the name of the system, as in ``recipes/*/hparams``; those of the paper that are
        missing become rows that say so.
    folder : str or Path
        Where to write.
    command : str
        What made it, to be printed in the files.

    Returns
    -------
    list of Path
        The files written, ``tables.md`` first.

    Raises
    ------
    SerError
        No runs; runs of different corpora or protocols; or one that cannot be read. Nothing is written then.
    """
    folder = Path(folder)
    read = {name: read_one(run) for name, run in runs.items()}
    summaries = {name: run.summary for name, run in read.items()}
    _refuse_mixture(summaries)
    comparison = _compare(runs, read)
    tables = sheets(summaries)
    drawings = _drawings(summaries, _compare_the_papers(runs, read) or comparison)
    written = [folder / "tables.md"]
    for sheet in tables:
        written += sheet.write(folder / "tables", command)
    for name, (_, figure) in drawings.items():
        figures.save(figure, folder / "figures" / name)
        written += [folder / "figures" / f"{name}{suffix}" for suffix in (".png", ".pdf")]
    parts = [f"Written by `{command}`; each table as CSV and LaTeX: `tables/`."] * bool(command)
    parts += _once([sheet.markdown() for sheet in tables])
    parts += [f"![{name}](figures/{name}.png)\n\n{caption}" for name, (caption, _) in drawings.items()]
    if comparison:
        parts.append(comparison_markdown(comparison).strip())
    write_text(folder / "tables.md", "\n\n".join(parts) + "\n")
    return written


def _once(texts) -> list[str]:
    """The protocol lines in full where they stand first, and one short line in the place of those from then on."""
    seen = set()

    def shorten(line):
        repeated = line[0] in seen
        seen.add(line[0])
        return f"- Protocol {line[1]}, as above." if repeated else line[0]

    short = (re.sub(r"^- Protocol (`\w+`).*$", shorten, text, flags=re.MULTILINE) for text in texts)
    return [re.sub(r"^(- Protocol `\w+`, as above\.)(\n\1)+", r"\1", text, flags=re.MULTILINE) for text in short]


def _refuse_mixture(summaries):
    if not summaries:
        raise SerError(got="no runs", expected="at least one", remedy="train a system first")
    (first_name, first), *further = summaries.items()
    for name, summary in further:
        for key in _SAME:
            value, first_value = getattr(summary.protocol, key), getattr(first.protocol, key)
            if value != first_value:
                raise SerError(
                    got=f"{key} {value} of {name}, but {first_value} of {first_name}",
                    expected="runs of one corpus under one protocol",
                    remedy="write one suite for each",
                )


def _compare(runs, read) -> Comparison | None:
    """The paper's own system against all others that were put to the same test; None without others."""
    reference = paper.MAIN if paper.MAIN in runs else next(iter(runs))
    fair = cautions(read[reference].summary.protocol)
    same = {name: read[name] for name in runs if cautions(read[name].summary.protocol) == fair}
    if len(same) < 2:
        return None
    if len(same) == 2:
        (other,) = same.keys() - {reference}
        return compare_runs(runs[reference], runs[other], allow_differing=CHOICES)
    return compare_many(same, allow_differing=CHOICES, reference=reference)


def _compare_the_papers(runs, read) -> Comparison | None:
    """As :func:`_compare`, of the systems of Tables 3 and 6 alone; None for fewer than three of them."""
    accuracies = paper.ACCURACY.get(next(iter(read.values())).summary.protocol.corpus, paper.ACCURACY["EmoDB"])
    papers = {name: run for name, run in runs.items() if name in accuracies}
    return _compare(papers, read) if len(papers) > 2 else None


def _drawings(summaries, comparison) -> dict:
    """By name of file: a caption, and the figure."""
    reference, drawings = next(iter(summaries.values())), {}
    corpus, main = reference.protocol.corpus, summaries.get(paper.MAIN)
    if "confusion" in reference.metrics:
        if main:
            number = paper.CONFUSION_FIGURE.get(corpus)
            name = f"figure_{number}" if number else "confusion_matrix"
            drawings[name] = (
                f"Fig. {number}: confusion matrix of {paper.MAIN}" if number else f"Confusion matrix of {paper.MAIN}",
                figures.confusion_figure(main.metrics["confusion"], reference.protocol.classes, title(main)),
            )
        systems = {heads: system_of(corpus, heads) for heads in (0, *sorted(paper.HEADS))}
        ours = {heads: summaries[name] for heads, name in systems.items() if name in summaries}
        if ours:
            published = paper.ACCURACY.get(corpus, {})
            accuracies = {heads: published[name] for heads, name in systems.items() if name in published}
            scores = {heads: _with_intervals(summary) for heads, summary in ours.items()}
            note = f"{corpus} · {reference.protocol.protocol}"
            drawings["figure_4"] = ("Fig. 4: accuracy over attention heads", heads_figure(accuracies, scores, note))
    if isinstance(comparison, ManyComparison) and comparison.mean_ranks and comparison.critical_difference:
        note = f"{corpus} · mean ranks over {comparison.folds} folds"
        figure = critical_difference_figure(comparison.mean_ranks, comparison.critical_difference, note)
        caption = f"Mean ranks of {len(comparison.mean_ranks)} systems and the critical difference"
        drawings["critical_difference"] = (f"{caption}. {friedman_text(comparison)}", figure)
    return drawings


def _with_intervals(summary):
    return {key: (summary.metrics[key], summary.intervals[key]) for key in ("WA", "UAR")}
