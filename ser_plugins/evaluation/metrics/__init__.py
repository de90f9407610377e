"""Scores and how far to trust them.

- ``classification`` of classes and ``regression`` of numbers: validate -> metric -> evaluate
- ``scores``: what each of them is called, and how it is printed
- ``diarization``: which emotion appears when, by the emotion diarization error rate
- ``intervals`` and the majority baseline; ``calibration``: temperature, calibration error, what abstaining buys
- ``tasks``: a class or a number; all that training, report and export have to ask about the difference
"""
