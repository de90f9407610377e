"""The auditor as a library: every fold of a folder, whatever toolkit its lists are for; fails where one leaks.

> python examples/audit_lists.py FOLDER [--speaker-from emodb]
"""

import argparse
import sys

from ser_plugins.corpora.audit import audit_lists
from ser_plugins.corpora.auditing.page import statement
from ser_plugins.corpora.lists.naming import Naming
from ser_plugins.corpora.lists.reading import Reader

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lists", nargs="+", help="a folder of folds, or the lists of train and test")
    parser.add_argument("--speaker-from", help="a regular expression with a group, or the name of a corpus")
    options = parser.parse_args()

    naming = Naming.of(options.speaker_from) if options.speaker_from else None
    found = audit_lists(options.lists, reader=Reader(naming=naming), read_audio=False)
    for fold in found.folds:
        leaks = ", ".join(f"{leak.kind} ({leak.count})" for leak in fold.leaks)
        print(f"{fold.name}: {fold.counts['test']} tested, {leaks or 'nothing shared'}")
    print(statement(found))
    sys.exit(1 if found.leaking else 0)
