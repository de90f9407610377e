"""Training on a GPU, in one command: ten folds x 80 epochs of bigru_mha, then of bigru_mha_xu2024, on one card.

> python benchmarks/gpu.py --data_folder /path/to/emodb --jobs 10

Runs ``train.py`` as users type it, with N worker processes on the first GPU, and takes the wall time of the whole
call: imports, features, all epochs, tests and report. Without a GPU it says so, writes an entry that says so, and exits
with 0.
"""

import sys
import tempfile
import time
from pathlib import Path

from harness import ROOT, Report, gpu_name, parser, recordings, run, significant, table, target

from ser_plugins.files import read_json
from ser_plugins.machine import cores

TARGETS = {"bigru_mha": 2.0, "bigru_mha_xu2024": 10.0}  # minutes on one H200
TITLE = "Ten folds, 80 epochs, one GPU: minutes of wall time"


def main():
    """Measure, write ``gpu.json``."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--jobs", type=int, default=min(10, cores()), help="worker processes on the card")
    options = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        report = Report("gpu", "Training on a GPU", options)
        if gpu_name() is None:
            print("no GPU on this machine: nothing to measure")
            report.content["skipped"] = "no GPU"
            for system, minutes in TARGETS.items():
                report.targets.append(target(f"{system}: {TITLE}", minutes, None, "min", "No GPU on this machine."))
            report.tables.append(table("gpu", TITLE, [], "No GPU on this machine: not measured."))
        else:
            measure(options, Path(temporary), report)
        report.write()


def measure(options, folder, report) -> None:
    """Both systems, one after the other."""
    corpus = recordings(options, folder)
    report.content["corpus"] = corpus.name
    epochs = 2 if options.quick else 80
    rows = []
    for system, minutes in TARGETS.items():
        command = [
            *(sys.executable, ROOT / "recipes" / "EmoDB" / "train.py", "hparams/bigru_mha.yaml", "--system", system),
            *("--data_folder", corpus.folder, "--results_folder", folder / "results", "--number_of_epochs", epochs),
            *("--device", "cuda:0", "--jobs", options.jobs, "--noprogressbar"),
        ]
        start = time.perf_counter()
        run(command)
        wall = (time.perf_counter() - start) / 60
        results = read_json(folder / "results" / system / "loso" / "results.json")
        note = f"{gpu_name()}, {options.jobs} workers" + (f", only {epochs} epochs." if epochs != 80 else ".")
        # Fewer epochs say nothing about the target.
        report.targets.append(target(f"{system}: {TITLE}", minutes, wall if epochs == 80 else None, "min", note))
        rows.append(
            {
                "system": system,
                "workers": options.jobs,
                "epochs": epochs,
                "wall time / min": significant(wall),
                "UAR": significant(results["metrics"]["UAR"]),
                "WA": significant(results["metrics"]["WA"]),
            }
        )
    report.tables.append(table("gpu", TITLE, rows))


if __name__ == "__main__":
    main()
