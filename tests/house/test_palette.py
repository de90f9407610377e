"""The colours of emotions stay apart for every eye and in grey."""

from itertools import combinations

import numpy as np
import pytest

from ser_plugins.palette import SILENCE, colours_of

EMOTIONS = ["anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
# Linear RGB to linear RGB at full severity: Machado, Oliveira & Fernandes, IEEE TVCG 2009.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def cielab(colour, sight):
    """``#RRGGBB`` of sRGB as an eye sees it -> (lightness, a, b), white point D65."""
    value = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(xyz @ np.clip(np.array(sight) @ linear, 0, 1) / [0.95047, 1.0, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
def test_no_two_colours_look_alike(sight):
    colours = [*colours_of(EMOTIONS).values(), SILENCE]
    seen = [cielab(colour, SIGHTS[sight]) for colour in colours]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 18


def test_on_a_grey_printer_no_two_are_the_same_grey():
    lightness = sorted(cielab(colour, SIGHTS["normal"])[0] for colour in colours_of(EMOTIONS).values())
    assert min(np.diff(lightness)) > 7


def test_one_emotion_has_one_colour_by_whatever_name_and_others_have_their_own():
    colours = colours_of(["happy", "Joy", "happiness", "zeal", "awe"])
    assert len({colours[name] for name in ("happy", "Joy", "happiness")}) == 1
    assert len(set(colours.values())) == 3
