"""Corpora -> manifests -> folds, with an auditor; neither torch nor SpeechBrain in here.

- ``manifest``: utterances and the manifests made of them
- ``verify``: files on disk against the published checksums and counts
- ``protocols``: named ways of dividing a corpus into train / valid / test
- ``prepare``: all of it together, what a recipe's ``*_prepare.py`` calls
- ``download``: resumable download, safe unpacking
- ``audit``: shows that a train / valid / test triple does not leak
- ``toy``: synthetic corpora in real layouts, spoken by ``voice``
"""
