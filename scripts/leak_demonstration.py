"""Train systems on EmoDB with and without leaks, and write what each leak is worth into recipes/EmoDB/leaks.md.

> python scripts/leak_demonstration.py --data_folder EMODB --results_folder results/EmoDB mfcc_svm compare_svm
> python scripts/leak_demonstration.py --data_folder EMODB --results_folder results/EmoDB bigru_mha --device cuda:0

Everything after the systems goes to the recipe. Finished folds are kept, so the table is rebuilt at no cost. What the
numbers come from, results and predictions of every fold, is copied into recipes/EmoDB/leaks/, for `ser leaks`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from publish_results import keep

from ser_plugins.evaluation.leaks import leak_table
from ser_plugins.files import write_text

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "EmoDB"


def settings(system: str) -> dict[str, list[str]]:
    """Run folder, below the results folder, and the options that fill it; the honest one first."""
    by_speaker = f"{system}_speaker"  # a system of its own, so that no table takes one for the other
    return {
        f"{system}/loso": ["--protocol", "loso"],
        f"{system}/random": ["--protocol", "random"],
        f"{system}/loso-sentence": ["--protocol", "loso-sentence"],
        f"{by_speaker}/loso": ["--protocol", "loso", "--normalisation", "speaker", "--system", by_speaker],
    }


def main(arguments=None):
    """Train what is not trained yet, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+", help="names of YAMLs in recipes/EmoDB/hparams")
    parser.add_argument("--data_folder", required=True)
    parser.add_argument("--results_folder", required=True)
    parser.add_argument("--out", default=RECIPE / "leaks.md")
    own, further = parser.parse_known_args(arguments)
    where = ["--data_folder", own.data_folder, "--results_folder", own.results_folder]
    runs = []
    for system in own.systems:
        for run, options in settings(system).items():
            train = [sys.executable, RECIPE / "train.py", f"hparams/{system}.yaml", *where, *options, *further]
            subprocess.run(list(map(str, train)), check=True)
            runs.append(Path(own.results_folder) / run)
            keep(runs[-1], Path(own.out).with_suffix("") / run)
    command = " ".join(["python scripts/leak_demonstration.py", *own.systems, *further])
    write_text(Path(own.out), f"# What leaks are worth on EmoDB\n\nWritten by `{command}`.\n\n{leak_table(runs)}")


if __name__ == "__main__":
    main()
