"""Copies and excerpts of a recording are alike, however they were made; two takes of one sentence are not."""

import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, resample_poly, sosfilt

from ser_plugins.corpora.toy.synth import SAMPLE_RATE, make_sentence, make_speaker, speak
from ser_plugins.sound import likeness, peak_index
from ser_plugins.sound.likeness import find_alike, fingerprint
from ser_plugins.sound.peak_index import PeakIndex


def say(take, syllables=10):
    sentence = make_sentence(syllables, np.random.default_rng(0))
    speaker = make_speaker("female", np.random.default_rng(1))
    return (speak(sentence, speaker, "anger", np.random.default_rng(take)) / 32768).astype(np.float32)


def coded(wave, rate=SAMPLE_RATE, **kind):
    file = io.BytesIO()
    soundfile.write(file, wave, rate, **kind)
    file.seek(0)
    return soundfile.read(file, dtype="float32")


def resampled(wave, rate):
    divisor = np.gcd(SAMPLE_RATE, rate)
    return resample_poly(wave, rate // divisor, SAMPLE_RATE // divisor), rate


def at_speed(wave, factor):
    return np.interp(np.arange(0, len(wave) - 1, factor), np.arange(len(wave)), wave), SAMPLE_RATE


def noisy(wave, decibels):
    noise = np.random.default_rng(5).standard_normal(len(wave))
    return wave + noise * np.sqrt(np.mean(wave**2)) * 10 ** (-decibels / 20), SAMPLE_RATE


def part(wave, begin, end):
    return wave[int(begin * len(wave)) : int(end * len(wave))]


def padded(wave, before, after):
    return np.concatenate([np.zeros(before), wave, np.zeros(after)]), SAMPLE_RATE


COPIES = {
    "identical": lambda wave: (wave, SAMPLE_RATE),
    "mp3": lambda wave: coded(wave, format="MP3"),
    "mp3, low quality": lambda wave: coded(wave, format="MP3", compression_level=0.9),
    "ogg": lambda wave: coded(wave, format="OGG", subtype="VORBIS"),
    "opus": lambda wave: coded(wave, format="OGG", subtype="OPUS"),
    "float": lambda wave: coded(wave, format="WAV", subtype="FLOAT"),
    "8 bits": lambda wave: coded(wave, format="WAV", subtype="PCM_U8"),
    "mu-law at 8 kHz": lambda wave: coded(*resampled(wave, 8000), format="WAV", subtype="ULAW"),
    "adpcm": lambda wave: coded(wave, format="WAV", subtype="MS_ADPCM"),
    "8 kHz": lambda wave: resampled(wave, 8000),
    "11.025 kHz": lambda wave: resampled(wave, 11025),
    "22.05 kHz": lambda wave: resampled(wave, 22050),
    "44.1 kHz": lambda wave: resampled(wave, 44100),
    "48 kHz": lambda wave: resampled(wave, 48000),
    "one sample later": lambda wave: padded(wave, 1, 0),
    "one sample less": lambda wave: (wave[1:], SAMPLE_RATE),
    "half a frame later": lambda wave: padded(wave, 128, 0),
    "a trailing zero": lambda wave: padded(wave, 0, 1),
    "10 ms less": lambda wave: (wave[:-160], SAMPLE_RATE),
    "10 ms less at the front": lambda wave: (wave[160:], SAMPLE_RATE),
    "silence around": lambda wave: padded(wave, 8000, 5000),
    "-1 dB": lambda wave: (wave * 10 ** (-1 / 20), SAMPLE_RATE),
    "-30 dB": lambda wave: coded(wave * 10 ** (-30 / 20), format="WAV"),
    "clipped": lambda wave: (np.clip(wave * 4, -0.3, 0.3), SAMPLE_RATE),
    "dithered": lambda wave: (wave + np.random.default_rng(3).uniform(-1, 1, len(wave)) / 32768, SAMPLE_RATE),
    "20 dB above noise": lambda wave: noisy(wave, 20),
    "inverted": lambda wave: (-wave, SAMPLE_RATE),
    "with an offset": lambda wave: (wave + 0.05, SAMPLE_RATE),
    "faded in": lambda wave: (wave * np.linspace(0.1, 1, len(wave)), SAMPLE_RATE),
    "a telephone": lambda wave: (sosfilt(butter(4, (300, 3400), "band", fs=16000, output="sos"), wave), SAMPLE_RATE),
    "1 % faster": lambda wave: at_speed(wave, 1.01),
    "1 % slower": lambda wave: at_speed(wave, 0.99),
    "the middle half": lambda wave: (part(wave, 0.25, 0.75), SAMPLE_RATE),
    "the first half": lambda wave: (part(wave, 0, 0.5), SAMPLE_RATE),
    "the last 40 %": lambda wave: (part(wave, 0.6, 1), SAMPLE_RATE),
    "the middle half as mp3": lambda wave: coded(part(wave, 0.25, 0.75), format="MP3"),
}
EXCERPTS = {name for name in COPIES if name.startswith("the ")}


@pytest.fixture(scope="module")
def takes():
    """Eight takes of one sentence, said by one speaker with one emotion, as fingerprints."""
    return [fingerprint(say(take), SAMPLE_RATE) for take in range(8)]


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_alike_and_another_take_is_not(takes, name):
    wave, rate = COPIES[name](say(3))
    found = find_alike([*takes, fingerprint(wave, rate)])
    assert [(pair.first, pair.second) for pair in found] == [(3, 8)]
    assert found[0].whole == (name not in EXCERPTS)


def test_takes_of_one_sentence_are_not_alike(takes):
    assert find_alike(takes) == []


def test_less_than_half_of_the_shorter_one_is_no_likeness(takes):
    mixed = np.concatenate([say(3)[-8000:], say(20)])
    assert find_alike([*takes, fingerprint(mixed, SAMPLE_RATE)]) == []


def test_a_copy_of_a_single_syllable_has_something_in_common():
    """Too few peaks to count them does not mean that none is common."""
    wave = say(0)
    few = 0
    for begin in range(0, len(wave) - 4800, 1600):
        syllable = wave[begin : begin + 4800]
        prints = [fingerprint(*coded(wave, format="WAV", subtype="PCM_U8")) for wave in (syllable, syllable)]
        few += len(prints[0]) < likeness.FEWEST and bool(find_alike(prints))
        assert all(pair.agreement > 0.3 for pair in find_alike(prints))
    assert few


@pytest.mark.parametrize("wave", [np.zeros(0), np.zeros(16000), np.full(16000, 0.5), np.full(500, 0.5)])
def test_what_has_no_peaks_is_like_nothing(takes, wave):
    prints = fingerprint(wave, SAMPLE_RATE)
    assert len(prints) < likeness.FEWEST
    assert find_alike([prints, prints, *takes]) == find_alike([]) == []


@pytest.mark.parametrize("harmonics", [1, 2, 4])
def test_steady_tones_are_not_alike(harmonics):
    """Of a pure tone the same few bins are loud all the time: at some shift or speed it fits any neighbour."""
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    waves = [
        0.2 * sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, harmonics + 1))
        for pitch in range(250, 1700, 25)
    ]
    assert find_alike([fingerprint(wave, SAMPLE_RATE) for wave in waves]) == []


def test_long_recordings_are_transformed_in_pieces(monkeypatch):
    wave = np.concatenate([say(take) for take in range(4)])
    whole = fingerprint(wave, SAMPLE_RATE)
    monkeypatch.setattr(likeness, "BATCH", 50)
    np.testing.assert_array_equal(fingerprint(wave, SAMPLE_RATE), whole)


def test_of_a_large_corpus_a_part_of_the_words_is_enough(takes, monkeypatch):
    copy = fingerprint(*COPIES["mp3"](say(3)))
    (alone,) = find_alike([takes[3], copy])
    monkeypatch.setattr(peak_index, "WORDS", 2000)
    assert find_alike([*takes, copy]) == [replace(alone, first=3, second=8)]


def test_a_few_words_in_common_out_of_few_are_looked_at_again(monkeypatch):
    """A part of the words of short recordings is a handful, of which a third of a second may be half."""
    waves = np.random.default_rng(0).uniform(-0.1, 0.1, (200, 12000))
    waves[1::2, :4000] = waves[::2, :4000]
    prints = [fingerprint(wave, SAMPLE_RATE) for wave in waves]
    alike = {(pair.first, pair.second) for pair in find_alike(prints)}

    def largest_share_of_others():
        return max(pair.share for pair in PeakIndex(prints).candidates() if (pair.first, pair.second) not in alike)

    by_all_words = largest_share_of_others()
    monkeypatch.setattr(peak_index, "WORDS", 4000)
    assert largest_share_of_others() > 1.25 * by_all_words
    assert {(pair.first, pair.second) for pair in find_alike(prints)} <= alike
