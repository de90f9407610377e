"""Lists of recordings as people have them, read as manifests and as folds.

- ``division``: any of what follows -> folds
- ``reading``: one list (JSON, JSON lines, CSV, TSV, index, Kaldi folder, audformat table) -> a manifest
- ``columns``: what people call a column; ``naming``: speakers out of names of files; ``parts``: train, dev, test
- ``records``, ``kaldi``, ``audformat``, ``indices``: the formats
"""
