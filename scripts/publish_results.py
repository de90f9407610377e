"""Copy finished runs into the repository and write their tables into the READMEs, nothing typed by hand.

> python scripts/publish_results.py results/EmoDB/*/loso
> python scripts/publish_results.py results/EmoDB/ablation

Per run: results.md, and per fold results.json and predictions.csv, all that `ser report` needs to rebuild the rest; of
a sealed or nested run also when it was opened and what was chosen; figures of the paper's own system only. No weights,
no audio. Then the tables of all published systems (`ser suite`): the page goes into the recipe's README, Table 6 into
the main one. Of an ablation, the folder of a list that `nested.py --folds all` has run: the predictions of all entries
side by side; its table goes into the recipe's README.
"""

import json
import re
import shutil
import sys
from pathlib import Path

from ser_plugins.evaluation import paper
from ser_plugins.evaluation.ablation import ablation_table
from ser_plugins.evaluation.report import write_report
from ser_plugins.evaluation.suite import find_runs, write_suite
from ser_plugins.files import read_json, write_text

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "EmoDB"
COMMAND = "ser suite recipes/EmoDB/results recipes/EmoDB/results"
KEPT = ("results.md", "seal.log", "seed_*/*/results.json", "seed_*/*/predictions*.csv")


def publish(run: Path) -> Path:
    """Rebuild one run's report and copy what is kept of it; returns where to."""
    summary = write_report(run)
    target = RECIPE / "results" / summary["system"] / summary["protocol"]["protocol"]
    keep(run, target, [*KEPT, *(["figures/*.png"] if summary["system"] == paper.MAIN else [])])
    for path in run.resolve().parent.glob("selection.*"):  # of a nested choice
        if path.parent != target.parent:
            shutil.copyfile(path, target.parent / path.name)
    return target


def keep(run: Path, target: Path, patterns=KEPT) -> None:
    """Copy of a run what its numbers can be rebuilt from, in the place of what is there."""
    fresh = target.with_name(f".{target.name}")  # `run` may be the published one itself
    shutil.rmtree(fresh, ignore_errors=True)
    for path in sorted(path for pattern in patterns for path in run.glob(pattern)):
        copy = fresh / path.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":  # one line: half the size
            write_text(copy, json.dumps(read_json(path), ensure_ascii=False, separators=(",", ":")) + "\n")
        else:
            shutil.copyfile(path, copy)
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


def publish_ablation(folder: Path) -> None:
    """Copy what `ser ablation` needs, and write its table."""
    target = RECIPE / "ablations" / folder.name
    target.mkdir(parents=True, exist_ok=True)
    for name in ("inner.json", "inner.csv"):
        shutil.copyfile(folder / name, target / name)
    fill(RECIPE / "README.md", folder.name, ablation_table(target / "inner.json"))


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
    page, *_ = write_suite(find_runs(results), results, command=COMMAND)
    report = results / paper.MAIN / "loso" / "results.md"
    tables = page.read_text(encoding="utf-8").replace("](figures/", "](results/figures/")
    fill(RECIPE / "README.md", "suite", "\n\n".join([report.read_text(encoding="utf-8").strip(), tables]))
    fill(ROOT / "README.md", "table 6", (results / "tables" / "table_6.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
