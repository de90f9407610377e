"""Speaker-independent emotion recognition on EmoDB, every speaker tested once.

From the repository root or from this folder:

> python recipes/EmoDB/train.py hparams/bigru_mha.yaml --data_folder /path/to/emodb              # the whole protocol
> python recipes/EmoDB/train.py hparams/bigru_mha.yaml --data_folder /path/to/emodb --fold spk03 # one fold
"""

import sys

from emodb_prepare import prepare_emodb

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_emodb, script=__file__)
