"""The index finds the pairs that counting every word of every pair finds, in pieces of any size."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from ser_plugins.sound import peak_index
from ser_plugins.sound.peak_index import FAN, LONGEST, VOTES, WIDEST, Candidate, PeakIndex


def made_up(peaks, frames, seed):
    generator = np.random.default_rng(seed)
    places = generator.choice(frames * 64, peaks, replace=False)
    return np.sort(256 * (places // 64) + places % 64).astype(np.uint32)


@pytest.fixture(scope="module")
def fingerprints():
    """Of the first one there is a half, and a copy eight frames later; the last one has a part of the fifth."""
    others = [made_up(peaks, 300, seed) for seed, peaks in enumerate((150, 80, 0, 3, 200, 90, 100, 20, 120))]
    first = others[0]
    mixed = np.union1d(others[4][:50], made_up(100, 300, seed=20))
    return [*others, first[: len(first) // 2], np.zeros(0, np.uint32), first + np.uint32(8 * 256), mixed]


def words(fingerprint):
    """Every word with the frame of its first peak, one by one."""
    peaks = [divmod(int(peak), 256) for peak in fingerprint]
    for number, (frame, bin_) in enumerate(peaks):
        near = [
            (later, higher)
            for later, higher in peaks[number + 1 : number + 7 * FAN]
            if 2 <= later - frame <= LONGEST and abs(higher - bin_) <= WIDEST
        ]
        for pair in combinations(near[:FAN], 2):
            yield (bin_ // 2, *((higher // 2, (later - frame) // 2) for later, higher in pair)), frame


def counted(fingerprints):
    every = [list(words(fingerprint)) for fingerprint in fingerprints]
    for first, second in combinations(range(len(fingerprints)), 2):
        shifts = Counter(
            later - frame for word, frame in every[first] for other, later in every[second] if other == word
        )
        near = {shift: sum(shifts[shift + step] for step in (-1, 0, 1)) for shift in sorted(shifts)}
        if near and max(near.values()) >= VOTES:
            shift = max(near, key=near.get)
            fewer = min(len(every[first]), len(every[second]))
            yield Candidate(first, second, shift, near[shift], near[shift] / fewer)


def test_candidates_are_those_of_counting_every_pair(fingerprints):
    expected = list(counted(fingerprints))
    assert {(0, 9), (0, 11), (9, 11), (4, 12)} <= {(pair.first, pair.second) for pair in expected}
    assert list(PeakIndex(fingerprints).candidates()) == expected


@pytest.mark.parametrize("sizes", [{"CHUNK": 1}, {"CHUNK": 170}, {"SLICE": 1}, {"SLICE": 777}, {"HASH_BITS": 1}])
def test_in_pieces_of_any_size(fingerprints, sizes, monkeypatch):
    expected = list(PeakIndex(fingerprints).candidates())
    for name, value in sizes.items():
        monkeypatch.setattr(peak_index, name, value)
    assert list(PeakIndex(fingerprints).candidates()) == expected


@pytest.mark.parametrize("fingerprints", [[], [np.zeros(0, np.uint32)] * 3, [made_up(3, 10, 0)]])
def test_of_nothing_there_are_no_candidates(fingerprints):
    assert list(PeakIndex(fingerprints).candidates()) == []


def test_pairs_with_few_words_in_common_are_not_held():
    index = PeakIndex([made_up(80, 300, seed) for seed in range(80)])
    every = sum(map(len, index._keys()))
    assert 0 < len(index._frequent_keys(VOTES)) < every / 3
