"""Speaker-independent recognition on any corpus that a CSV describes, every speaker tested once.

From the repository root or from this folder, for a file with the columns wav, label, speaker:

> python recipes/CSV/train.py hparams/bigru_mha.yaml --csv my.csv
"""

import sys

from csv_prepare import prepare_csv

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_csv, script=__file__)
