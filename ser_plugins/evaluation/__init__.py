"""From predictions to numbers, tables and figures: pandas, scikit-learn, scipy and matplotlib only, no torch.

- ``metrics`` of classes and ``regression`` of numbers: validate -> metric -> evaluate, reference first, estimate second
- ``scores``: what each of them is called, and how it is printed
- ``statistics``: intervals and the majority baseline
- ``calibration``: temperature, calibration error, what abstaining buys
- ``tasks``: a class or a number; all that training, report and export have to ask about the difference
- ``folds``: reads and checks what training left behind
- ``report``: aggregates a run folder and writes everything
- ``comparable``, ``comparison`` and ``conclusion``: runs of the same test held against each other, and what follows;
  ``significance`` and ``power``: the tests, and which difference they can find
- ``comparison_tables`` and ``rank_figure``: how that looks
- ``suite``: all runs of a corpus beside the paper; ``paper`` its numbers, ``paper_tables``, ``system_tables`` and
  ``heads_figure`` its tables and Fig. 4, ``beside`` what they share, ``sheets`` a table as markdown, CSV and LaTeX
- ``tables`` and ``figures``: how it looks
"""
