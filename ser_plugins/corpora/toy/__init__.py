"""Synthetic corpora in real layouts, for the demo and the tests: a file per layout; ``synth`` speaks them."""

from collections.abc import Callable
from pathlib import Path

from ser_plugins.corpora.toy.cremad import write_toy_cremad
from ser_plugins.corpora.toy.emodb import write_toy_emodb
from ser_plugins.corpora.toy.iemocap import write_toy_iemocap
from ser_plugins.corpora.toy.nemo import write_toy_nemo
from ser_plugins.corpora.toy.ravdess import write_toy_ravdess
from ser_plugins.corpora.toy.sentiment import write_toy_chsims, write_toy_mosi

WRITERS: dict[str, Callable[..., Path]] = {
    "emodb": write_toy_emodb,
    "iemocap": write_toy_iemocap,
    "mosi": write_toy_mosi,
    "chsims": write_toy_chsims,
    "cremad": write_toy_cremad,
    "ravdess": write_toy_ravdess,
    "nemo": write_toy_nemo,
}

__all__ = [
    "WRITERS",
    "write_toy_chsims",
    "write_toy_cremad",
    "write_toy_emodb",
    "write_toy_iemocap",
    "write_toy_mosi",
    "write_toy_nemo",
    "write_toy_ravdess",
]
