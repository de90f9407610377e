"""Runs of the same test held against each other, and what follows.

- ``comparable``: which runs are of one test; ``comparison`` and ``conclusion``: how they differ, and what may be said
- ``significance`` and ``power``: the tests, and which difference they can find
- ``ablation``, ``leaks``, ``selection``: the same for parts of a system, for protocols, for configurations
- ``tables`` and ``rank_figure``: how that looks
"""
