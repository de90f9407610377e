"""Sentiment from -1 to 1 on CH-SIMS, from the audio alone.

From the repository root or from this folder:

> python recipes/CHSIMS/train.py hparams/bigru_mha.yaml --data_folder /path/to/CH-SIMS   # official split
> python recipes/CHSIMS/train.py hparams/bigru_mha.yaml --data_folder /path/to/CH-SIMS --protocol video-disjoint
"""

import sys

from chsims_prepare import prepare_chsims

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_chsims, script=__file__)
