"""Does one recording hold another, however it was coded? Fingerprints of spectral peaks, compared all with all.

A fingerprint is where a spectrogram has local maxima (Wang, "An industrial-strength audio search algorithm", ISMIR
2003): gain, inversion, coding, another rate, a filter, some noise and small shifts leave most of them where they are.
Only recordings with triplets of peaks in common, at one and the same shift, are compared peak by peak. Two takes of one
sentence by one speaker have few peaks in common, a copy or an excerpt most of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import fft
from scipy.ndimage import maximum_filter, maximum_filter1d

from ser_plugins.sound.peak_index import PeakIndex

WINDOW, HOP = 0.064, 0.016  # s
LOWEST, HIGHEST = 200.0, 3400.0  # Hz: above the hum of mains, within the band of a telephone
BINS = int(HIGHEST * WINDOW) - int(LOWEST * WINDOW)
REACH = (6, 5)  # a peak is the highest within so many frames and bins to each side ...
FLOOR, AROUND = 40.0, 32  # ... and at most so many dB below the loudest within so many frames to each side
BATCH = 4096  # frames that are transformed at a time
VARIETY = 8  # bins with peaks at least, or one tone is as like as any other; half an utterance of EmoDB has 34 and more

SURE = 12  # words at one shift from which on other speeds are tried as well
SPEEDS = (0.0, -0.005, 0.005, -0.01, 0.01)  # relative
FEWEST = 15  # peaks that have to be in common
# The share of peaks in common, plus twice that of words at one shift. Of 4.6 million pairs of different recordings
# (EmoDB, CREMA-D, IndoWave) none is above 0.68; copies by MP3 are at 1.0 and above, at another speed at 0.85.
ALIKE = 0.8


@dataclass(frozen=True)
class Likeness:
    """Two recordings, of which the longer one holds at least half of the other.

    Arguments
    ---------
    first, second : int
        Their places in the list.
    agreement : float
        Share of the peaks that they have in common where they overlap, above 0 to 1; of the words, triplets of peaks,
        where fewer than ``FEWEST`` peaks are common, as in a single syllable.
    whole : bool
        True when they overlap in most of the longer one too: a copy, not an excerpt.
    """

    first: int
    second: int
    agreement: float
    whole: bool


def fingerprint(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """Find the peaks of a recording.

    Arguments
    ---------
    wave : numpy.ndarray
        (samples,), float.
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray
        (peaks,), uint32, sorted: 256 * frame + bin. A frame is 16 ms, a bin 15.6 Hz. Empty for a steady tone, by which
        no recording is told from another.

    Example
    -------
    >>> wave = np.random.default_rng(0).standard_normal(16000)
    >>> len(fingerprint(wave, 16000)) > 30
    True
    >>> (fingerprint(wave, 16000) == fingerprint(-wave / 2, 16000)).all()
    np.True_
    """
    size = round(WINDOW * sample_rate)
    frames = 1 + int((len(wave) - size) / (HOP * sample_rate)) if len(wave) >= size > 1 else 0
    margin = AROUND + REACH[0]
    hashes = [np.zeros(0, np.uint32)]
    for begin in range(0, frames, BATCH):
        start = max(0, begin - margin)
        end = min(frames, begin + BATCH)
        spectrum = _spectrogram(wave, sample_rate, start, min(frames, end + margin))
        loudest = maximum_filter1d(spectrum.max(axis=1), 2 * AROUND + 1, mode="nearest")[:, None]
        highest = maximum_filter(spectrum, [2 * reach + 1 for reach in REACH], mode="constant")
        places = (spectrum == highest) & (spectrum > loudest * 10 ** (-FLOOR / 20))
        frame, bin_ = np.nonzero(places[begin - start : end - start])
        hashes.append(((frame + begin) * 256 + bin_).astype(np.uint32))
    peaks = np.concatenate(hashes)
    return peaks if len(np.unique(peaks % 256)) >= VARIETY else peaks[:0]


def _spectrogram(wave, rate, first, last) -> np.ndarray:
    """Magnitudes of frames ``first`` to ``last``: (frames, bins)."""
    size = round(WINDOW * rate)
    starts = np.round(np.arange(first, last) * HOP * rate).astype(int)
    pieces = np.lib.stride_tricks.sliding_window_view(np.asarray(wave, np.float32), size)[starts]
    pieces = pieces - pieces.mean(axis=1, keepdims=True)  # an offset leaks into the lowest bins
    spectrum = np.abs(fft.rfft(pieces * np.hanning(size).astype(np.float32), axis=1))
    return spectrum[:, int(LOWEST * WINDOW) : int(HIGHEST * WINDOW)]


def find_alike(fingerprints: Sequence[np.ndarray]) -> list[Likeness]:
    """Compare all recordings with all.

    Time grows with the number of peaks, not with that of pairs. Of a large corpus a part of the words is indexed, so
    that memory is bounded but for the peaks themselves; whoever may be alike by these is compared by all words.

    Arguments
    ---------
    fingerprints : sequence of numpy.ndarray
        As :func:`fingerprint` makes them.

    Returns
    -------
    list of Likeness
        Sorted by place.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> one, other = rng.standard_normal((2, 32000))
    >>> find_alike([fingerprint(wave, 16000) for wave in (one, other, -0.1 * one[8000:24000])])
    [Likeness(first=0, second=2, agreement=0.85, whole=False)]
    """
    index = PeakIndex(fingerprints)
    if index.part > 1 and len(fingerprints) > 2:
        return _alike_by_all_words(index, fingerprints)
    alike = []
    for pair in index.candidates():
        first, second = (_places(fingerprints[number]) for number in (pair.first, pair.second))
        speeds = SPEEDS if pair.votes >= SURE else SPEEDS[:1]
        agreement, whole = _compare(first, second, pair.shift, speeds)
        if agreement + 2 * pair.share >= ALIKE:
            agreement = round(agreement or min(1.0, float(pair.share)), 3)
            alike.append(Likeness(pair.first, pair.second, agreement, whole))
    return alike


def _alike_by_all_words(index: PeakIndex, fingerprints) -> list[Likeness]:
    """Compare each candidate of an index of a part of the words alone: three words of a handful may be chance."""
    return [
        replace(alone, first=pair.first, second=pair.second)
        for pair in index.candidates()
        for alone in find_alike([fingerprints[pair.first], fingerprints[pair.second]])
    ]


def _places(peaks) -> np.ndarray:
    """Frames and bins: (2, peaks)."""
    return np.stack([peaks // 256, peaks % 256]).astype(np.int64)


def _compare(first, second, shift, speeds) -> tuple[float, bool]:
    """Share of peaks in common at the best shift near this one and the best of the speeds; is most of both alike?"""
    shorter = first
    longer = second
    if shorter.shape[1] > longer.shape[1]:
        shorter, longer, shift = longer, shorter, -shift
    best = 0.0
    whole = False
    for speed in speeds:
        frame = np.round(shorter[0] * (1 - speed)).astype(int) + shift
        offset = LOWEST * WINDOW
        bin_ = np.clip(np.round((shorter[1] + offset) * (1 + speed) - offset), 0, BINS - 1).astype(int)
        for nudge in range(-2, 3) if speed == 0 else range(-4, 5):
            agreement, covered = _overlap(frame + nudge, bin_, longer)
            if agreement > best:
                best = agreement
                whole = covered
    return best, whole


def _overlap(frame, bin_, longer) -> tuple[float, bool]:
    """Share of peaks in common; 0 where the overlap is less than half of the shorter recording."""
    begin = max(frame[0], longer[0, 0]) - 1
    end = min(frame[-1], longer[0, -1]) + 2
    inside = (frame >= begin) & (frame < end)
    within = (longer[0] >= begin) & (longer[0] < end)
    fewer = min(inside.sum(), within.sum())
    if inside.sum() < len(frame) / 2 or fewer < FEWEST:
        return 0.0, False
    grid = np.zeros((end - begin + 2, BINS + 2), bool)
    for later in range(3):  # each peak of the longer one, with its eight neighbours
        for higher in range(3):
            grid[longer[0, within] - begin + later, longer[1, within] + higher] = True
    common = int(grid[frame[inside] - begin + 1, bin_[inside] + 1].sum())
    agreement = min(1.0, common / int(fewer)) if common >= FEWEST else 0.0
    return agreement, bool(within.sum() >= 0.8 * longer.shape[1] and inside.sum() >= 0.8 * len(frame))
