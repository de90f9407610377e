"""Every system of the paper on CH-SIMS: all folds, then every table and figure. The same command resumes.

> python recipes/CHSIMS/reproduce.py --data_folder /path/to/CH-SIMS
> python recipes/CHSIMS/reproduce.py --data_folder /path/to/CH-SIMS --systems bigru,bigru_mha --seeds 1,2
"""

import sys

from chsims_prepare import prepare_chsims

from ser_plugins.training.reproduce import reproduce

if __name__ == "__main__":
    reproduce(sys.argv[1:], prepare=prepare_chsims, script=__file__)
