"""One run as people read it: ``summary`` gathers its folds, ``tables`` and ``figures`` show them."""
