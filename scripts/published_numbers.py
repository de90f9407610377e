"""Print every published number, computed from the committed predictions, as one sorted text.

> python scripts/published_numbers.py > evidence/numbers.txt
> git diff evidence/numbers.txt   # the numbers that have changed, if any

A line is a row of a table, or a sentence with a number, behind the name of its page and table: the reports of all runs
below evidence/, nested choices, robustness, the tables of all systems, leaks, ablations, and the comparisons that a
text cites. So runs and tables may be moved, and written in another form, and no number is lost. Left out is how a run
was made (seeds, hashes, machine), and what says nothing: the standard deviation of seeds that all predict the same.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from publish_results import ABLATIONS, EVIDENCE

from ser_plugins.evaluation.compare.ablation import ablation_table
from ser_plugins.evaluation.compare.comparable import CHOICES
from ser_plugins.evaluation.compare.comparison import compare_runs
from ser_plugins.evaluation.compare.leaks import leak_table
from ser_plugins.evaluation.compare.selection import selection_markdown
from ser_plugins.evaluation.compare.tables import comparison_markdown
from ser_plugins.evaluation.paper.suite import find_runs, write_suite
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.report.tables import results_markdown
from ser_plugins.evaluation.runs.evidence import INNER_TABLE, RECORD, read_record, system_named_by
from ser_plugins.evaluation.runs.folds import read_run

EMODB = EVIDENCE / "EmoDB"
CITED = [
    ("50_epochs/bigru_mha.loso", "50_epochs/bigru.loso"),
    ("nested_sentence.loso", "functionals_svm.loso"),
    ("best.loso", "functionals_svm.loso"),
]
_PROVENANCE = re.compile(
    r"- (audit|model|wall time|machine|versions|Protocol)|(\*\*)?(Protocol|Despite)|Written by|!\["
)
_OF_SEEDS = re.compile(r" ± 0\.00|, mean ± sd of \d+ seeds| The Wilson interval is of the mean accuracy of .*")
_PROVENANCE_COLUMNS = ("seeds", "protocol", "machine")


def published_runs() -> dict[str, Path]:
    """All packed runs, by the place that they have below evidence/EmoDB, or below evidence."""
    folders = sorted(path.parent for path in EVIDENCE.rglob(RECORD))
    return {
        folder.relative_to(EMODB if folder.is_relative_to(EMODB) else EVIDENCE).as_posix(): folder for folder in folders
    }


def numbers_in(page: str, markdown: str) -> Iterator[str]:
    """The rows of all tables of a text, and its sentences with a number, behind the page and the table's name."""
    caption, header, seeds = "", [], 1
    for line in markdown.splitlines():
        if line.startswith(("## ", "**")) and not _PROVENANCE.match(line):
            caption = line.strip("#* ").split("**")[0]
            summed = re.search(r"summed over (\d+) seeds", line)
            seeds = int(summed[1]) if summed else 1
        if line.startswith("|"):
            cells = [cell.strip(" *") for cell in line.strip("|").split("|")]
            header = header or cells
            if not line.strip("|-: "):
                continue
            cells = [cell for name, cell in zip(header, cells, strict=True) if name not in _PROVENANCE_COLUMNS]
            line = " | ".join(_per_seed(cell, seeds) for cell in cells)
        else:
            header = []
        if re.search(r"\d", line) and not _PROVENANCE.match(line):
            yield f"{page} | {caption} | {_OF_SEEDS.sub('', line)}".replace("**", "")


def _per_seed(cell, seeds):
    """A count of a confusion matrix that is summed over seeds."""
    return f"{int(cell) / seeds:g}" if seeds > 1 and cell.isdigit() else cell


def report_numbers(name: str, run: Path) -> Iterator[str]:
    """What a run's report says; of a nested choice its inner scores; what other conditions cost."""
    folds, record = read_run(run), read_record(run)
    yield from numbers_in(f"report {name}", results_markdown(aggregate(folds)))
    if record.selection:
        task = next(iter(folds[0].record.tasks.values()))
        yield from numbers_in(f"selection {name}", selection_markdown(record.selection, task))
    if measured := record.robustness:
        conditions = {**measured["conditions"], "timeline": {"right": measured["timeline"]}}
        for condition, scores in conditions.items():
            yield f"robustness {name} | {condition} | " + " | ".join(f"{value:.6g}" for value in scores.values())


def suite_numbers() -> Iterator[str]:
    """What the tables of all systems say."""
    with tempfile.TemporaryDirectory() as folder:
        page, *_ = write_suite(find_runs(EMODB), folder)
        yield from numbers_in("suite EmoDB", page.read_text(encoding="utf-8"))


def leak_numbers() -> Iterator[str]:
    """What leaks are worth: of every system that has a run with random folds."""
    systems = {system_named_by(run).removesuffix("_epoch_on_test") for run in EMODB.glob("leaks/*.random")}
    leaks = ("{}_epoch_on_test.loso", "{}.random", "{}_epoch_on_test.random", "{}_speaker.loso")
    for system in sorted(systems):
        names = (f"{system}.loso", f"{system}.loso-sentence", *(f"leaks/{leak.format(system)}" for leak in leaks))
        runs = [EMODB / name for name in names if (EMODB / name).is_dir()]
        yield from numbers_in("leaks", leak_table(runs))


def ablation_numbers() -> Iterator[str]:
    """What each entry of a list is worth."""
    lists = [*ABLATIONS.glob("*/inner.json"), *(path.parent for path in EMODB.glob(f"*/{INNER_TABLE}"))]
    for file in lists:
        name = system_named_by(file) if file.is_dir() else file.parent.name
        yield from numbers_in(f"ablation {name}", ablation_table(file))


def comparison_numbers() -> Iterator[str]:
    """What is cited of two runs."""
    for names in CITED:
        found = compare_runs(*(EMODB / name for name in names), CHOICES)
        text = comparison_markdown(found)
        yield from numbers_in(f"compare {' '.join(names)}", text)


def all_numbers() -> list[str]:
    """Every line, sorted."""
    lines = set()
    for name, run in published_runs().items():
        print(name, file=sys.stderr)
        lines.update(report_numbers(name, run))
    for numbers in (suite_numbers, leak_numbers, ablation_numbers, comparison_numbers):
        lines.update(numbers())
    return sorted(lines)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    print("\n".join(all_numbers()))
