"""Train a model of the package on all ten EmoDB speakers and put it there; a few minutes on one CPU core.

> python scripts/make_bundled_model.py standard /path/to/emodb --source /path/to/whisper-base
> python scripts/make_bundled_model.py small /path/to/emodb

Each is the system of a committed run with the same settings, trained on everything, so it has no test set of its own:
the numbers, intervals and temperature of its card are those of that run, in which no model had heard its speaker.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from ser_plugins.evaluation.compare.comparable import read_one
from ser_plugins.export.folder import export_model
from ser_plugins.inference.loading import BUNDLED

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "EmoDB"
RESULTS = ROOT / "results" / "bundled"
# Of each model the run that measured it, and how its weights are kept.
MODELS = {
    "standard": (ROOT / "evidence" / "EmoDB" / "bundled.loso", {"int8": True}),
    "small": (ROOT / "evidence" / "EmoDB" / "bigru_mha_mel_mean.loso", {"half": True}),
}


def make(name: str, data_folder: str, options: list[str]) -> None:
    """Train (or resume), export, replace."""
    measured_by, precision = MODELS[name]
    measured = read_one(measured_by).summary
    system, epochs, seed = measured.system, measured.settings["number_of_epochs"], measured.seeds[0]
    values = {
        "data_folder": data_folder,
        "results_folder": RESULTS,
        "protocol": "all",
        "number_of_epochs": epochs,
        "seed": seed,
    }
    arguments = [str(part) for key, value in values.items() for part in (f"--{key}", value)]
    subprocess.run([sys.executable, RECIPE / "train.py", f"hparams/{system}.yaml", *arguments, *options], check=True)
    folder = BUNDLED[name]
    export_model(RESULTS / system / "all", folder, overwrite=True, measured_by=measured_by, **precision)
    print(f"{folder}: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("data_folder", help="the folder of EmoDB")
    known, rest = parser.parse_known_args()
    make(known.name, known.data_folder, rest)
