"""Keep finished runs in the repository and write all tables from what is kept, nothing typed by hand.

> python scripts/publish_results.py results/EmoDB/*/loso
> python scripts/publish_results.py results/EmoDB/ablation
> python scripts/publish_results.py   # the tables alone, anew

Per run two files, as `ser pack` writes them (docs/evidence.md); no weights, no audio. Of an ablation, the folder of a
list that `nested.py --fold all` has run, the predictions of all its entries side by side. Then the tables of all
systems (`ser suite`) in docs/results/EmoDB, the report of the paper's own system beside them, and the tables that stand
between two marks in a document: `DOCUMENTS` says in which.
"""

import re
import shutil
import sys
from pathlib import Path

from results_tables import ALL, FRONT_PAGE, FRONT_PAGE_LINKS, recipe_table, results_table, table_of_runs

from ser_plugins.evaluation.compare.ablation import ablation_table
from ser_plugins.evaluation.compare.leaks import leak_table
from ser_plugins.evaluation.paper import numbers as paper
from ser_plugins.evaluation.paper.suite import find_runs, write_suite
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.report.tables import results_markdown
from ser_plugins.evaluation.runs.evidence import compressed, is_packed
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.evaluation.runs.packing import pack_run, place_of
from ser_plugins.files import write_text

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "EmoDB"
EVIDENCE = ROOT / "evidence"
ABLATIONS = EVIDENCE / "EmoDB" / "ablations"
TABLES = ROOT / "docs" / "results" / "EmoDB"
CSV_PAGE = ROOT / "recipes" / "CSV" / "README.md"
RESULTS_PAGE = ROOT / "docs" / "results" / "emodb.md"
# Whose leaks stand in a document beside those that scripts/leak_demonstration.py writes, by the name of the marks.
LEAKS = {
    "leaks with an encoder": (RESULTS_PAGE, ("whisper_linear", "whisper_svm", "whisper_bigru_mha")),
    "leaks of networks": (RECIPE / "leaks.md", ("bigru_mha_mel_mean", "bigru_mha")),
}
# Where a table stands, by the name of its marks; those of ablations are in RESULTS_PAGE, by their own names.
DOCUMENTS = {"results": [(ROOT / "README.md", FRONT_PAGE, FRONT_PAGE_LINKS), (RESULTS_PAGE, ALL, {})]}


def keep(run: Path) -> Path:
    """Pack a run into its place in the evidence, instead of what is there; returns where to."""
    fresh = EVIDENCE / ".fresh"  # `run` may be finished anew
    shutil.rmtree(fresh, ignore_errors=True)
    pack_run(run, fresh)
    target = EVIDENCE / place_of(read_run(fresh)[0].record)
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    return fresh.rename(target)


def keep_ablation(folder: Path) -> None:
    """Copy what `ser ablation` needs."""
    target = ABLATIONS / folder.name
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "inner.json", target / "inner.json")
    (target / "inner.csv.gz").write_bytes(compressed((folder / "inner.csv").read_bytes()))


def fill(document: Path, name: str, text: str) -> None:
    """Replace what stands between the two marks of that name in a document."""
    old = document.read_text(encoding="utf-8")
    marks = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    if not re.search(marks, old, re.S):
        raise SystemExit(f"got: no marks <!-- {name} -->, <!-- end of {name} --> in {document}; expected: both; "
                         "remedy: put them where the tables belong")  # fmt: skip
    write_text(document, re.sub(marks, lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", old, flags=re.S))


def leaks_of(systems: tuple[str, ...]) -> str:
    """What random folds, epochs chosen on the test and unknown sentences do to systems, as far as they were run."""
    leaks = ("{}_epoch_on_test.loso", "{}.random", "{}_epoch_on_test.random")
    names = ("{}.loso", *(f"leaks/{leak}" for leak in leaks), "{}.loso-sentence")
    runs = [EVIDENCE / "EmoDB" / name.format(system) for system in systems for name in names]
    return leak_table([run for run in runs if run.is_dir()])


def write_tables() -> None:
    """All tables, from the committed runs alone."""
    runs = find_runs(EVIDENCE / "EmoDB")
    command = " ".join(["ser suite", *(path.relative_to(ROOT).as_posix() for path in (EVIDENCE / "EmoDB", TABLES))])
    write_suite(runs, TABLES, command=command)
    write_text(TABLES / "report.md", results_markdown(aggregate(read_run(runs[paper.MAIN]))))
    for document, systems, links in DOCUMENTS["results"]:
        fill(document, "results", results_table(systems, TABLES / "tables", links))
    fill(RECIPE / "README.md", "results", recipe_table(TABLES / "tables"))
    fill(CSV_PAGE, "results on CREMA-D", table_of_runs((EVIDENCE / "CREMA-D").glob("*.session")))
    for marks, (document, systems) in LEAKS.items():
        fill(document, marks, leaks_of(systems))
    for file in sorted(ABLATIONS.glob("*/inner.json")):
        fill(RESULTS_PAGE, file.parent.name, ablation_table(file))


def main():
    """Keep the runs named on the command line, and write the tables of all that are kept."""
    for folder in map(Path, sys.argv[1:]):
        if (folder / "inner.json").is_file():
            keep_ablation(folder)
        elif not is_packed(folder):
            keep(folder)
    write_tables()


if __name__ == "__main__":
    main()
