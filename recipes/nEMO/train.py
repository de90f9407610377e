"""Speaker-independent emotion recognition on nEMO, every speaker tested once.

From the repository root or from this folder:

> python recipes/nEMO/train.py hparams/bigru_mha.yaml --data_folder /path/to/nEMO   # nine speakers
> python recipes/nEMO/train.py hparams/bigru_mha.yaml --data_folder /path/to/nEMO --protocol loso-sentence
"""

import sys

from nemo_prepare import prepare_nemo

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_nemo, script=__file__)
