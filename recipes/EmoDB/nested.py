"""Choose a configuration for every test speaker of EmoDB from the other nine, train it, and seal the test.

> python recipes/EmoDB/nested.py experiments.yaml --data_folder /path/to/emodb
> ser report results/EmoDB/nested/loso --unseal # when nothing is left to choose
"""

import sys

from emodb_prepare import prepare_emodb

from ser_plugins.training.nested import nested

if __name__ == "__main__":
    nested(sys.argv[1:], prepare=prepare_emodb, script=__file__)
