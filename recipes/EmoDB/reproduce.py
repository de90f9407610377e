"""Every system of the paper on EmoDB: all folds, then every table and figure. The same command resumes.

> python recipes/EmoDB/reproduce.py --data_folder /path/to/emodb
> python recipes/EmoDB/reproduce.py --data_folder /path/to/emodb --systems bigru,bigru_mha --seeds 1,2
"""

import sys

from emodb_prepare import prepare_emodb

from ser_plugins.training.reproduce import reproduce

if __name__ == "__main__":
    reproduce(sys.argv[1:], prepare=prepare_emodb, script=__file__)
