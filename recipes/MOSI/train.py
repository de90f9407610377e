"""Sentiment from -3 to 3 on CMU-MOSI, from the audio alone.

From the repository root or from this folder:

> python recipes/MOSI/train.py hparams/bigru_mha.yaml --data_folder /path/to/MOSI   # standard folds
> python recipes/MOSI/train.py hparams/bigru_mha.yaml --data_folder /path/to/MOSI --protocol loo-video --select last
"""

import sys

from mosi_prepare import prepare_mosi

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_mosi, script=__file__)
