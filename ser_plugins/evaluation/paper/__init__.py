"""All systems of a corpus beside the paper that they come from.

- ``numbers``: the paper's own; ``suite``: all runs of a corpus beside them
- ``tables``, ``system_tables`` and ``heads_figure``: its tables and Fig. 4; ``columns``: what they share
- ``published_table``: a table as markdown, CSV and LaTeX
"""
