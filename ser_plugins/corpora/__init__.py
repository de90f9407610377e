"""Corpora -> manifests -> folds, with an auditor; neither torch nor SpeechBrain in here.

- ``manifest``: utterances and the manifests made of them
- ``verify``: files on disk against the published checksums and counts
- ``protocols``: named ways of dividing a corpus into train / valid / test
- ``grouping``: whole groups, such as videos, divided by shares
- ``tables``: label files in CSV
- ``sources``, ``media``, ``audio_cache``: audio of any kind, out of videos too, made 16 kHz mono once
- ``sounds``: recordings measured side by side, and remembered
- ``corpus``: what a corpus is, and how one is read and checked
- ``prepare``: all of it together, what a recipe's ``*_prepare.py`` calls
- ``about``: what a corpus says of itself on the cards of its models
- ``download``: resumable download, safe unpacking
- ``lists``: lists of recordings as people have them, of any toolkit, as manifests and folds
- ``audit``: shows that a train / valid / test triple does not leak; ``auditing``: what is looked for, in all folds
- ``toy``: synthetic corpora in real layouts, spoken by ``voice``
"""
