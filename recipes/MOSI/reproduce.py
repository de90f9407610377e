"""Every system of the paper on CMU-MOSI: all folds, then every table and figure. The same command resumes.

> python recipes/MOSI/reproduce.py --data_folder /path/to/MOSI
> python recipes/MOSI/reproduce.py --data_folder /path/to/MOSI --systems bigru,bigru_mha --seeds 1,2
"""

import sys

from mosi_prepare import prepare_mosi

from ser_plugins.training.reproduce import reproduce

if __name__ == "__main__":
    reproduce(sys.argv[1:], prepare=prepare_mosi, script=__file__)
