"""Train a model of the package on all speakers of its corpora and put it there; a few minutes on one CPU core.

> python scripts/make_bundled_model.py standard --source /path/to/whisper-base --corpora
      emodb=/path/to/emodb,cremad=/path/to/cremad.csv,indowave=/path/to/indowave.csv
> python scripts/make_bundled_model.py fast --data_folder /path/to/emodb --source /path/to/whisper-base
> python scripts/make_bundled_model.py small --data_folder /path/to/emodb

Each is the system of a committed run with the same settings, trained on everything, so it has no test set of its own:
the numbers, intervals and temperature of its card are those of that run, in which no model had heard its speaker. Of
the first one another run says what it is worth on corpora that it has never met.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ser_plugins.evaluation.compare.comparable import read_one
from ser_plugins.export.folder import export_model
from ser_plugins.inference.loading import BUNDLED

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
EVIDENCE = ROOT / "evidence"
RESULTS = ROOT / "results" / "bundled"


@dataclass(frozen=True)
class Bundled:
    """A model of the package: its recipe, the run that measured it, and how it is exported."""

    recipe: str
    measured_by: Path
    arguments: tuple[str, ...]  # of the training
    options: dict  # of the export


MODELS = {
    "standard": Bundled(
        "Cross",
        EVIDENCE / "Cross" / "whisper_strangers.groups",
        ("--labels", "seven.yaml"),
        {
            "int8": True,
            "strangers": EVIDENCE / "Cross" / "whisper_strangers.loco",
            "corpora": RECIPES / "Cross" / "corpora.yaml",
            "speakers": RESULTS / "manifests" / "all_last" / "speakers.csv",
        },
    ),
    "fast": Bundled("EmoDB", EVIDENCE / "EmoDB" / "bundled.loso", (), {"int8": True}),
    "small": Bundled("EmoDB", EVIDENCE / "EmoDB" / "bigru_mha_mel_mean.loso", (), {"half": True}),
}


def make(name: str, options: list[str]) -> None:
    """Train (or resume), export, replace."""
    model = MODELS[name]
    measured = read_one(model.measured_by).summary
    arguments = [f"hparams/{measured.system}.yaml", "--results_folder", RESULTS, "--protocol", "all"]
    arguments += ["--seed", str(measured.seeds[0]), *model.arguments, *options]
    if epochs := measured.settings.get("number_of_epochs"):
        arguments += ["--number_of_epochs", str(epochs)]
    subprocess.run([sys.executable, RECIPES / model.recipe / "train.py", *arguments], check=True)
    folder = BUNDLED[name]
    run = RESULTS / measured.system / "all"
    export_model(run, folder, overwrite=True, measured_by=model.measured_by, **model.options)
    print(f"{folder}: {sum(path.stat().st_size for path in folder.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("name", choices=MODELS)
    known, rest = parser.parse_known_args()
    make(known.name, rest)
