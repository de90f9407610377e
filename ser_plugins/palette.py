"""The colours of emotions: one for each, in every picture and on the page; ``palette.json`` holds them.

The eight emotions stand apart for every eye and on a grey printer. They come from a search over CIELAB, each within
hues that fit, for the largest least difference of any two (and of silence) as people see them with normal sight,
protanopia, deuteranopia and tritanopia (Machado, Oliveira & Fernandes, IEEE TVCG 2009). It is 19, and in lightness 7.
"""

import json
from collections.abc import Iterable
from pathlib import Path

_PALETTE = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
SILENCE: str = _PALETTE["silence"]  # where nobody speaks


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label, ``#RRGGBB``; labels of no known emotion take the other colours in turn.

    Example
    -------
    >>> colours_of(["Angry", "anger", "zeal"])
    {'Angry': '#CE0E22', 'anger': '#CE0E22', 'zeal': '#6B4A2B'}
    """
    colours = {}
    others = 0
    for label in labels:
        name = label.lower()
        colour = _PALETTE["emotions"].get(_PALETTE["names"].get(name, name))
        if colour is None:
            colour = _PALETTE["others"][others % len(_PALETTE["others"])]
            others += 1
        colours[label] = colour
    return colours
