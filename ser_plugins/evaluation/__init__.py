"""From predictions to numbers, tables and figures: pandas, scikit-learn, scipy and matplotlib only, no torch.

Each room knows those before it: ``metrics``, ``runs``, ``report``, ``compare``, ``paper``.
"""
