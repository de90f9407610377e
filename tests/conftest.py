"""Shared fixtures: every test is seeded, and has a small synthetic corpus at hand."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ser_plugins.corpora.toy import write_toy_emodb

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "recipes" / "EmoDB"))  # as `python recipes/EmoDB/train.py` has it
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (third-party code draws from the global state)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def toy_emodb(tmp_path_factory) -> Path:
    """Three speakers, all emotions: enough for every law, small enough for every test."""
    return write_toy_emodb(tmp_path_factory.mktemp("corpus") / "emodb", speakers=3, sentences=2, syllables=2)


# A model and a schedule that train in a second.
TINY = [
    *("--hidden_size", "8", "--heads", "2", "--layers", "1"),
    *("--number_of_epochs", "2", "--batch_size", "8", "--lr", "0.003", "--noprogressbar"),
]


def train(
    data_folder,
    results_folder,
    *options,
    prepare=None,
    brain_class=None,
    here=False,
    yaml_file="hparams/bigru_mha.yaml",
) -> None:
    """Run EmoDB's recipe in this process, as its ``train.py`` does; ``here`` runs several folds without workers."""
    from emodb_prepare import prepare_emodb

    from ser_plugins.training import recipe

    arguments = [yaml_file, "--data_folder", str(data_folder), "--results_folder", str(results_folder)]
    with pytest.MonkeyPatch.context() as patch:
        if here:
            patch.setattr(recipe, "_workers", lambda *_: 0)
        recipe.run_recipe(
            [*arguments, *TINY, *options],
            prepare=prepare or prepare_emodb,
            script=str(ROOT / "recipes" / "EmoDB" / "train.py"),
            brain_class=brain_class or recipe.EmotionBrain,
        )
