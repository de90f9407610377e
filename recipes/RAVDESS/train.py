"""Speaker-independent emotion recognition on RAVDESS, every actor tested once.

From the repository root or from this folder:

> python recipes/RAVDESS/train.py hparams/bigru_mha.yaml --data_folder /path/to/ravdess                   # 24 actors
> python recipes/RAVDESS/train.py hparams/bigru_mha.yaml --data_folder /path/to/ravdess --protocol groups # six groups
"""

import sys

from ravdess_prepare import prepare_ravdess

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_ravdess, script=__file__)
