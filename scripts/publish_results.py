"""Copy finished runs into the repository and write their tables into the READMEs, nothing typed by hand.

> python scripts/publish_results.py results/EmoDB/bigru_mha/loso results/EmoDB/bigru/loso

Per run: results.json, results.md, predictions.csv, figures (PNG), and per fold results.json and predictions.csv: all
that `ser report` needs to rebuild the rest. No weights, no audio.
"""

import re
import shutil
import sys
from pathlib import Path

from ser_plugins.evaluation.report import write_report
from ser_plugins.evaluation.tables import percent
from ser_plugins.files import write_text

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "EmoDB"
KEPT = (
    *("results.json", "results.md", "predictions.csv", "figures/*.png"),
    *("seed_*/*/results.json", "seed_*/*/predictions.csv"),
)
PAPER = {"bigru_mha": "88.93", "bigru": "83.22"}  # Table 3: accuracy, epoch choice unstated


def publish(run: Path) -> tuple[Path, dict]:
    """Rebuild one run's report and copy what is kept of it; returns where to, and the aggregate."""
    summary = write_report(run)
    target = RECIPE / "results" / summary["system"] / summary["protocol"]["protocol"]
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(path for pattern in KEPT for path in run.glob(pattern)):
        copy = target / path.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return target, summary


def overview(summaries) -> str:
    """The main README's table: a row per system, intervals beside the scores, the baseline last."""
    rows = ["| EmoDB, LOSO, seed | epochs | WA | UAR | macro-F1 | paper's WA |", "|---|---|---|---|---|---|"]
    for summary in summaries:
        cells = [
            f"**{percent(summary['metrics'][key])}** ({' – '.join(percent(b) for b in summary['intervals'][key])})"
            for key in ("WA", "UAR", "macro_F1")
        ]
        seeds = ", ".join(str(seed) for seed in summary["seeds"])
        epochs = summary["settings"]["number_of_epochs"]
        rows.append(f"| `{summary['system']}`, {seeds} | {epochs} | {' | '.join(cells)} | {PAPER[summary['system']]} |")
    baseline = summaries[0]["baselines"][0]
    scores = " | ".join(percent(baseline[key]) for key in ("WA", "UAR", "macro_F1"))
    return "\n".join([*rows, f"| always {baseline['answer']} | | {scores} | |"])


def fill(readme: Path, text: str) -> None:
    """Replace what stands between the two result marks of a README."""
    old = readme.read_text(encoding="utf-8")
    marks = r"(<!-- results -->\n).*?(<!-- end of results -->)"
    if not re.search(marks, old, re.S):
        raise SystemExit(f"got: no result marks in {readme}; expected: both; remedy: put them back")
    write_text(readme, re.sub(marks, lambda found: f"{found[1]}\n{text}\n\n{found[2]}", old, flags=re.S))


def main():
    """Publish the runs named on the command line, in that order."""
    published = [publish(Path(argument)) for argument in sys.argv[1:]]
    if not published:
        raise SystemExit(__doc__)
    fill(RECIPE / "README.md", "\n\n".join((folder / "results.md").read_text().strip() for folder, _ in published))
    fill(ROOT / "README.md", overview([summary for _, summary in published]))


if __name__ == "__main__":
    main()
