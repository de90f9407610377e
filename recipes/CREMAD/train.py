"""Speaker-independent emotion recognition on CREMA-D, every actor tested once.

From the repository root or from this folder:

> python recipes/CREMAD/train.py hparams/bigru_mha.yaml --data_folder /path/to/crema-d                # six groups
> python recipes/CREMAD/train.py hparams/bigru_mha.yaml --data_folder /path/to/crema-d --target heard  # as heard
"""

import sys

from cremad_prepare import prepare_cremad

from ser_plugins.training.recipe import run_recipe

if __name__ == "__main__":
    run_recipe(sys.argv[1:], prepare=prepare_cremad, script=__file__)
