"""Synthetic corpora in real layouts, for the demo and the tests: a file per layout; ``synth`` speaks them."""
