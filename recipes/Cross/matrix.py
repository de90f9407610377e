"""Print, of some runs, what every set of training corpora scores on every corpus.

> python recipes/Cross/matrix.py results/Cross/whisper_linear/loco results/Cross/whisper_linear/groups
"""

import argparse
import sys

from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.corpus_matrix import corpus_matrix


def main():
    """Read the runs, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="results/<...>/<system>/<protocol> of recipes/Cross, or packed runs")
    try:
        print(corpus_matrix(parser.parse_args().runs))
    except SerError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
