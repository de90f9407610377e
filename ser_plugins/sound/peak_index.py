"""Which recordings have words in common? An index of triplets of spectral peaks, in bounded memory.

A word is a peak and two of the next ones: its bin, and how far they are from it in bins and frames. Sorted by word,
recordings with one in common stand side by side; many words in common at one and the same shift are no chance.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

FAN, LONGEST, WIDEST = 5, 40, 40  # a peak is combined with the next five within so many frames and bins
COARSE = 2  # frames or bins to a step of a word
WORDS = 1 << 23  # in the index; of larger corpora a part of the words is taken, the same in every recording
GROUP = 64  # of recordings with one word, each is paired with so many
VOTES = 6  # words at one shift: fewer are chance

BINS_BITS, FRAMES_BITS = 6, 5  # of a word, for the distance from its first peak to a later one
PLACE_BITS = 34  # of an entry, for the place of the first peak; above them are the 29 of the word
HASH_BITS = 24
CHUNK = 1 << 16  # peaks whose words are made at a time
SLICE = 1 << 18  # entries that are compared at a time


@dataclass(frozen=True)
class Candidate:
    """Two recordings with words in common.

    Arguments
    ---------
    first, second : int
        Their places in the list.
    shift : int
        Frames that most of these words are later in the second one.
    votes : int
        Words at this shift; in a large corpus estimated from a part of all words.
    share : float
        These words as a share of those of the recording that has fewer.
    """

    first: int
    second: int
    shift: int
    votes: int
    share: float


class PeakIndex:
    """The words of all recordings, sorted.

    Arguments
    ---------
    fingerprints : sequence of numpy.ndarray
        Each (peaks,), uint32, sorted: 256 * frame + bin.
    """

    def __init__(self, fingerprints: Sequence[np.ndarray]):
        lengths = np.array([len(fingerprint) for fingerprint in fingerprints], int)
        peaks = np.concatenate([np.zeros(0, np.uint32), *fingerprints])
        self.recordings = len(lengths)
        self.part = 1 + len(peaks) * FAN * (FAN - 1) // 2 // WORDS  # one word of so many is in the index
        self.owners = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        self.frames = (peaks // 256).astype(np.int32)
        self.reach = int(self.frames.max(initial=0)) + 2  # more than any shift
        self.entries = np.zeros(0, np.int64)  # word, and place of its first peak
        self.totals = np.zeros(len(lengths), int)  # words of a recording that are in the index
        for chunk in _chunks(lengths):
            self._add(chunk, (peaks[chunk] % 256).astype(int))
        self.entries.sort()

    def _add(self, chunk: slice, bins: np.ndarray) -> None:
        word, place = _words(self.frames[chunk], bins, self.owners[chunk])
        kept = _hash(word) % self.part == 0
        place = place[kept] + chunk.start
        np.add.at(self.totals, self.owners[place], 1)
        before = len(self.entries)
        self.entries.resize(before + len(place), refcheck=False)  # in place: nothing here is larger
        self.entries[before:] = (word[kept] << PLACE_BITS) + place

    def candidates(self) -> Iterator[Candidate]:
        """Yield every pair with more words in common, at one shift, than by chance; sorted by place."""
        fewest = max(3, VOTES // self.part)
        keys, counts = np.unique(self._frequent_keys(fewest), return_counts=True)
        counts = _with_neighbours(keys, counts)
        keys = keys[counts >= fewest]
        counts = counts[counts >= fewest]
        pairs = keys // (2 * self.reach)
        order = np.lexsort((-counts, pairs))
        best = order[np.append(True, np.diff(pairs[order]) != 0)[: len(order)]]
        for key, count in zip(keys[best].tolist(), counts[best].tolist(), strict=True):
            pair, shift = divmod(key, 2 * self.reach)
            first, second = divmod(pair, self.recordings)
            share = count / min(self.totals[first], self.totals[second])
            yield Candidate(first, second, shift - self.reach, count * self.part, share)

    def _frequent_keys(self, fewest: int) -> np.ndarray:
        """The keys of pairs with ``fewest`` words in common, and of some with less.

        Most pairs have a word or two in common, and are too many to be held. They are counted by a hash of the pair,
        and those that may have enough words are kept when all pass for the second time.
        """
        counts = np.zeros(1 << HASH_BITS, np.uint32)
        for keys in self._keys():
            np.add.at(counts, _hash(keys // (2 * self.reach)), np.uint32(1))
        kept = [keys[counts[_hash(keys // (2 * self.reach))] >= fewest] for keys in self._keys()]
        return np.concatenate([np.zeros(0, np.int64), *kept])

    def _keys(self) -> Iterator[np.ndarray]:
        """For every word that two recordings have in common, a key: the pair and the shift as one number."""
        for begin in range(0, len(self.entries), SLICE):
            left = np.arange(begin, min(begin + SLICE, len(self.entries)))
            for step in range(1, GROUP):
                left = left[left < len(self.entries) - step]
                left = left[self.entries[left] >> PLACE_BITS == self.entries[left + step] >> PLACE_BITS]
                if not len(left):
                    break
                first, second = (self.entries[places] % (1 << PLACE_BITS) for places in (left, left + step))
                apart = self.owners[first] != self.owners[second]  # the first one is the lower, as places are sorted
                first, second = first[apart], second[apart]
                pair = self.owners[first].astype(np.int64) * self.recordings + self.owners[second]
                yield pair * (2 * self.reach) + self.frames[second] - self.frames[first] + self.reach


def _chunks(lengths) -> Iterator[slice]:
    """Places of peaks, in pieces of whole recordings: ``CHUNK`` peaks at most, or one recording."""
    begin = end = 0
    for length in lengths.tolist():
        if begin < end and end + length > begin + CHUNK:
            yield slice(begin, end)
            begin = end
        end += length
    yield slice(begin, end)


def _words(frames, bins, owners) -> tuple[np.ndarray, np.ndarray]:
    """The words of some recordings, (words,), and the places of their first peaks."""
    partners, counts = _partners(frames, bins, owners)
    bands = bins // COARSE
    words = []
    places = []
    for second in range(FAN):
        for third in range(second + 1, FAN):
            first = np.flatnonzero(counts > third)
            word = bands[first]
            for later in (partners[first, second], partners[first, third]):
                word = (word << BINS_BITS) + bands[later] - bands[first] + WIDEST // COARSE
                word = (word << FRAMES_BITS) + (frames[later] - frames[first]) // COARSE
            words.append(word)
            places.append(first)
    return np.concatenate(words), np.concatenate(places)


def _partners(frames, bins, owners) -> tuple[np.ndarray, np.ndarray]:
    """Of every peak the next ones that it is combined with, (peaks, FAN), and how many they are."""
    partners = np.full((len(frames), FAN), -1)
    counts = np.zeros(len(frames), int)
    for step in range(1, 7 * FAN):
        after = frames[step:] - frames[:-step]
        near = np.abs(bins[step:] - bins[:-step]) <= WIDEST
        together = owners[step:] == owners[:-step]
        taken = np.flatnonzero(together & near & (after >= 2) & (after <= LONGEST) & (counts[:-step] < FAN))
        partners[taken, counts[taken]] = taken + step
        counts[taken] += 1
    return partners, counts


def _hash(values) -> np.ndarray:
    """Multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4) to ``HASH_BITS``."""
    mixed = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(64 - HASH_BITS)).astype(np.int64)


def _with_neighbours(keys, counts) -> np.ndarray:
    """Each count with those of the shifts one frame less and more."""
    sums = counts.copy()
    for step in (-1, 1):
        place = np.minimum(np.searchsorted(keys, keys + step), len(keys) - 1)
        sums += np.where(keys[place] == keys + step, counts[place], 0)
    return sums
