"""Train systems on EmoDB with and without leaks, and write what each leak is worth into recipes/EmoDB/leaks.md.

> python scripts/leak_demonstration.py --data_folder EMODB --results_folder results/EmoDB mfcc_svm compare_svm
> python scripts/leak_demonstration.py --data_folder EMODB --results_folder results/EmoDB bigru_mha --device cuda:0
> python scripts/leak_demonstration.py --data_folder EMODB --results_folder results/EmoDB "bigru_mha --lr 0.001" best

Options in the quotes of a system go to its trainings, those after the systems to all trainings. A classical system is
trained under three protocols, and once with statistics of the test speaker; a network under two protocols, each tested
with the last epoch and with the one that the test set chooses (scripts/epoch_on_test.py). Finished folds are kept, so
the table is rebuilt at no cost. What the numbers come from is kept in evidence/EmoDB, as `ser pack` writes it. The text
around the table stays.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from epoch_on_test import SUFFIX
from publish_results import fill, keep

from ser_plugins.evaluation.compare.leaks import leak_table
from ser_plugins.files import write_text
from ser_plugins.training.settings import resolve
from ser_plugins.training.systems import find_system

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "EmoDB"
NEW_PAGE = "# What leaks are worth on EmoDB\n\n<!-- leaks -->\n<!-- end of leaks -->\n"


def settings(system: str) -> dict[str, list]:
    """Run folder, below the results folder, and the script and options that fill it; the honest one first."""
    yaml_file, _ = find_system(system, RECIPE / "train.py")
    if "estimator" not in resolve(yaml_file, {}):
        script = Path(__file__).with_name("epoch_on_test.py")
        return {
            f"{name}/{protocol}": [script, "--protocol", protocol]
            for name in (system, system + SUFFIX)
            for protocol in ("loso", "random")
        }
    script = RECIPE / "train.py"
    by_speaker = f"{system}_speaker"  # a system of its own, so that no table takes one for the other
    return {
        f"{system}/loso": [script, "--protocol", "loso"],
        f"{system}/random": [script, "--protocol", "random"],
        f"{system}/loso-sentence": [script, "--protocol", "loso-sentence"],
        f"{by_speaker}/loso": [script, "--protocol", "loso", "--normalisation", "speaker", "--system", by_speaker],
    }


def main(arguments=None):
    """Train what is not trained yet, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "systems",
        nargs="+",
        help="YAMLs in recipes/EmoDB/hparams or rows of recipes/systems.yaml, in quotes with options",
    )
    parser.add_argument("--data_folder", required=True)
    parser.add_argument("--results_folder", required=True)
    parser.add_argument("--out", default=RECIPE / "leaks.md")
    own, further = parser.parse_known_args(arguments)
    where = ["--data_folder", own.data_folder, "--results_folder", own.results_folder]
    out, runs = Path(own.out), []
    for system, *options in map(shlex.split, own.systems):
        yaml_file, row = find_system(system, RECIPE / "train.py")
        name = ["--system", system] if row else []
        for run, (script, *setting) in settings(system).items():
            train = [sys.executable, script, f"hparams/{yaml_file.name}", *where, *name, *setting, *options, *further]
            subprocess.run(list(map(str, train)), check=True)
            runs.append(keep(Path(own.results_folder) / run))
    command = shlex.join(["python", "scripts/leak_demonstration.py", *own.systems, *further])
    if not out.exists():
        write_text(out, NEW_PAGE)
    fill(out, "leaks", f"Written by `{command}`.\n\n{leak_table(runs)}")


if __name__ == "__main__":
    main()
