"""What the files in a folder of ``ser stress`` are called. No torch: commands that only look pay for none."""

from pathlib import Path

FILE, PAGE = "stress.json", "stress.md"
TRIAL, RECORDINGS = "trial.json", "recordings.csv"


def is_stress(folder) -> bool:
    """Whether a folder holds a finished trial.

    Example
    -------
    >>> is_stress("results/nothing")
    False
    """
    return (Path(folder) / FILE).is_file()
