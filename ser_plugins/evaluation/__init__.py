"""From predictions to numbers, tables and figures: pandas, scikit-learn, scipy and matplotlib only, no torch.

- ``metrics``: validate -> metric -> evaluate, reference first, estimate second
- ``statistics``: intervals and the majority baseline
- ``folds``: reads and checks what training left behind
- ``report``: aggregates a run folder and writes everything
- ``tables`` and ``figures``: how it looks
"""
