"""Every system of the paper on IEMOCAP: all folds, then every table and figure. The same command resumes.

> python recipes/IEMOCAP/reproduce.py --data_folder /path/to/iemocap
> python recipes/IEMOCAP/reproduce.py --data_folder /path/to/iemocap --systems bigru,bigru_mha --seeds 1,2
"""

import sys

from iemocap_prepare import prepare_iemocap

from ser_plugins.training.reproduce import reproduce

if __name__ == "__main__":
    reproduce(sys.argv[1:], prepare=prepare_iemocap, script=__file__)
