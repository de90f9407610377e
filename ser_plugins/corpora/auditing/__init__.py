"""What the auditor finds, and how it says it; ``corpora.audit`` is what others call.

- ``audio``: hashes and fingerprints of recordings; ``leaks``: what two parts of a fold share
- ``fold``: one fold; ``confounds``: labels that metadata alone predict; ``division``: all folds of a protocol
- ``page``: table, Markdown and one line
"""
