"""Train on some corpora, test on another that training has never met.

From the repository root or from this folder; the recipe of that name reads a folder, and recipes/CSV reads a file:

> python recipes/Cross/train.py hparams/whisper_linear.yaml --corpora emodb=/path/to/emodb,mine=/path/to/my.csv
"""

import sys

from cross_prepare import prepare_cross

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_cross, script=__file__)
