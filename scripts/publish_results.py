"""Copy finished runs into the repository and write their tables into the documents, nothing typed by hand.

> python scripts/publish_results.py results/EmoDB/*/loso
> python scripts/publish_results.py results/EmoDB/ablation

Per run two files, as `ser pack` writes them, in evidence/EmoDB/<system>.<protocol>; no weights, no audio. A run that is
published fold by fold, in recipes/EmoDB/results, stays so: results.md, results.json and predictions.csv per fold, of a
sealed run when it was opened, figures of the paper's own system. Of a nested choice also the inner predictions of its
list, for `ser ablation`. Then the tables of all published systems (`ser suite`) in docs/results/EmoDB, the report of
the paper's own system beside them, and the short tables of docs/results/emodb.md and the README. Of an ablation, the
folder of a list that `nested.py --folds all` has run: the predictions of all entries side by side; its table goes into
docs/results/emodb.md.
"""

import json
import re
import shutil
import sys
from pathlib import Path

from results_tables import ALL, FRONT_PAGE, results_table

from ser_plugins.evaluation.compare.ablation import ablation_table
from ser_plugins.evaluation.paper import numbers as paper
from ser_plugins.evaluation.paper.suite import find_runs, write_suite
from ser_plugins.evaluation.report.summary import write_report
from ser_plugins.evaluation.runs.packing import pack_run
from ser_plugins.files import read_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "EmoDB"
EVIDENCE = ROOT / "evidence" / "EmoDB"
TABLES = ROOT / "docs" / "results" / "EmoDB"
RESULTS_PAGE = ROOT / "docs" / "results" / "emodb.md"
KEPT = ("results.md", "seal.log", "seed_*/*/results.json", "seed_*/*/predictions*.csv")


def publish(run: Path) -> Path:
    """Rebuild one run's report and copy what is kept of it; returns where to."""
    summary = write_report(run)
    place = Path(summary["system"]) / summary["protocol"]["protocol"]
    by_folds = RECIPE / "results" / place
    if not by_folds.exists():
        for name in ("selection.json", "selection.csv"):  # of a nested choice
            if (path := run.resolve().parent / name).is_file():
                copy = RECIPE / "ablations" / summary["system"] / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        return keep(run, EVIDENCE / place)
    for path in run.resolve().parent.glob("selection.*"):
        if path.parent != by_folds.parent:
            shutil.copyfile(path, by_folds.parent / path.name)
    return keep(run, by_folds, [*KEPT, *(["figures/*.png"] if summary["system"] == paper.MAIN else [])])


def keep(run: Path, target: Path, patterns=KEPT) -> Path:
    """Copy of a run what its numbers can be rebuilt from, in the place of what is there; returns where to.

    ``target`` is ``<system>/<protocol>``: where that exists, by folds; else as two files in ``<system>.<protocol>``.
    """
    by_folds = target.exists()
    if not by_folds:
        target = target.parent.with_name(f"{target.parent.name}.{target.name}")
    fresh = target.with_name(f".{target.name}")  # `run` may be the published one itself
    shutil.rmtree(fresh, ignore_errors=True)
    if by_folds:
        _copy(run, fresh, patterns)
    else:
        pack_run(run, fresh)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return target


def _copy(run, fresh, patterns):
    for path in sorted(path for pattern in patterns for path in run.glob(pattern)):
        copy = fresh / path.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":  # one line: half the size
            write_text(copy, json.dumps(read_json(path), ensure_ascii=False, separators=(",", ":")) + "\n")
        else:
            shutil.copyfile(path, copy)


def publish_ablation(folder: Path) -> None:
    """Copy what `ser ablation` needs, and write its table."""
    target = RECIPE / "ablations" / folder.name
    target.mkdir(parents=True, exist_ok=True)
    for name in ("inner.json", "inner.csv"):
        shutil.copyfile(folder / name, target / name)
    fill(RESULTS_PAGE, folder.name, ablation_table(target / "inner.json"))


def fill(readme: Path, name: str, text: str) -> None:
    """Replace what stands between the two marks of that name in a README."""
    old = readme.read_text(encoding="utf-8")
    marks = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    if not re.search(marks, old, re.S):
        raise SystemExit(f"got: no marks <!-- {name} -->, <!-- end of {name} --> in {readme}; expected: both; remedy: "
                         "put them where the tables belong")  # fmt: skip
    write_text(readme, re.sub(marks, lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", old, flags=re.S))


def main():
    """Publish the runs named on the command line, and the tables of all that are published."""
    if not sys.argv[1:]:
        raise SystemExit(__doc__)
    for folder in map(Path, sys.argv[1:]):
        publish_ablation(folder) if (folder / "inner.json").is_file() else publish(folder)
    results = RECIPE / "results"
    folders = [folder for folder in (results, EVIDENCE) if folder.is_dir()]
    command = " ".join(["ser suite", *(folder.relative_to(ROOT).as_posix() for folder in [*folders, TABLES])])
    write_suite(find_runs(folders), TABLES, command=command)
    shutil.copyfile(results / paper.MAIN / "loso" / "results.md", TABLES / "report.md")
    fill(RESULTS_PAGE, "results", results_table(ALL, TABLES / "tables" / "table_6.csv"))
    fill(ROOT / "README.md", "results", results_table(FRONT_PAGE, TABLES / "tables" / "table_6.csv"))


if __name__ == "__main__":
    main()
