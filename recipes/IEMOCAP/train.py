"""Speaker-independent emotion recognition on IEMOCAP, every speaker tested once.

From the repository root or from this folder:

> python recipes/IEMOCAP/train.py hparams/bigru_mha.yaml --data_folder /path/to/iemocap                # ten speakers
> python recipes/IEMOCAP/train.py hparams/bigru_mha.yaml --data_folder /path/to/iemocap --unit session # five sessions
"""

import sys

from iemocap_prepare import prepare_iemocap

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_iemocap, script=__file__)
