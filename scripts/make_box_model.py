"""Train the bundled model `small` on all ten EmoDB speakers and put it into the package; three minutes on one CPU core.

> python scripts/make_box_model.py /path/to/emodb

It is the system of the committed run below with the same settings, trained on everything, so it has no test set of its
own: the numbers, intervals and temperature of its card are those of that run, in which no model had heard its speaker.
"""

import subprocess
import sys
from pathlib import Path

from ser_plugins.evaluation.comparable import read_one
from ser_plugins.inference import BUNDLED
from ser_plugins.serving.export import export_model

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "EmoDB"
MEASURED_BY = RECIPE / "results" / "bigru_mha_mel_mean" / "loso"
RESULTS = ROOT / "results" / "box"


def main(data_folder: str) -> None:
    """Train (or resume), export in half precision, replace."""
    measured = read_one(MEASURED_BY).summary
    system, epochs, seed = measured["system"], measured["settings"]["number_of_epochs"], measured["seeds"][0]
    options = {
        "data_folder": data_folder,
        "results_folder": RESULTS,
        "protocol": "all",
        "number_of_epochs": epochs,
        "seed": seed,
    }
    arguments = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    subprocess.run([sys.executable, RECIPE / "train.py", f"hparams/{system}.yaml", *arguments], check=True)
    export_model(RESULTS / system / "all", BUNDLED["small"], overwrite=True, half=True, measured_by=MEASURED_BY)
    print(f"{BUNDLED['small']}: {sum(path.stat().st_size for path in BUNDLED['small'].iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"got: {len(sys.argv) - 1} arguments; expected: the folder of EmoDB; remedy: see {__file__}")
    main(sys.argv[1])
