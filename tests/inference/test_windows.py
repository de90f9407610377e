import itertools
import re
import struct

import forked
import numpy as np
import pytest
import soundfile
import torch
from fake_run import CLASSES, random_modules, tone, write_wav
from torchaudio.functional import resample

from ser_plugins.errors import AudioError, MissingPathError, SerError
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.windows import cut_windows, open_recording
from ser_plugins.sound.read import read_blocks, read_wave


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(random_modules(), CLASSES)


def speech(seconds, rate=16000, channels=1):
    """Tones of changing pitch, so that no two windows are alike."""
    parts = [tone(0.5, rate, pitch, channels) for pitch in np.linspace(90, 400, round(2 * seconds))]
    return np.concatenate(parts) * np.linspace(0.5, 1, channels)


def until_the_error(windows):
    """The windows that come before the error, and its text."""
    before = []
    with pytest.raises(AudioError) as caught:  # noqa: PT012 (what came before is what the tests are about)
        for window in windows:
            before.append(window)
    return before, str(caught.value)


# Equal to the slow obvious way


@pytest.mark.parametrize(
    ("rate", "channels", "window", "hop", "batch_size"),
    [(16000, 1, 3.0, 1.0, 8), (44100, 2, 3.0, 1.0, 3), (48000, 1, 0.7, 1 / 3, 5), (8000, 2, 1.0, 2.5, 1)],
)
def test_a_window_is_classified_as_its_cut(classifier, tmp_path, rate, channels, window, hop, batch_size):
    path = write_wav(tmp_path / "long.wav", speech(7.25, rate, channels), rate, "FLOAT")
    wave = torch.from_numpy(read_wave(path)[0])
    whole = wave if rate == 16000 else resample(wave, rate, 16000)
    found = list(classifier.classify_windows(path, window=window, hop=hop, batch_size=batch_size))
    assert len(found) >= 3
    assert len({round(one.probability, 4) for one in found}) > 2  # they do differ
    for number, one in enumerate(found):
        assert one.start == pytest.approx(number * hop, abs=1 / 16000)
        cut = whole[round(one.start * 16000) : round(one.end * 16000)]
        expected = classifier.classify_batch(cut)
        assert list(one.probabilities) == CLASSES
        torch.testing.assert_close(
            torch.tensor([list(one.probabilities.values())]), expected.probabilities, rtol=0, atol=1e-4
        )
        assert one.probabilities[one.label] == one.probability == max(one.probabilities.values())


def test_blocks_of_a_file_are_the_file(tmp_path):
    path = write_wav(tmp_path / "a.flac", tone(3.3, 22050, channels=2), 22050)
    rate, blocks = read_blocks(path, seconds=0.5)
    blocks = list(blocks)
    assert [len(block) for block in blocks] == [11025] * 6 + [6615]
    assert rate == 22050
    assert np.array_equal(np.concatenate(blocks), soundfile.read(path, dtype="float32")[0].mean(axis=1))


# Where windows lie


@pytest.mark.parametrize(
    ("seconds", "window", "hop", "expected"),
    [
        (10, 3, 1, [(k, k + 3) for k in range(8)]),  # the eighth ends with the recording: no rest
        (10.5, 3, 1, [*((k, k + 3) for k in range(8)), (8, 10.5)]),
        (9, 3, 3, [(0, 3), (3, 6), (6, 9)]),
        (9.5, 3, 3, [(0, 3), (3, 6), (6, 9)]),  # the rest is shorter than the model can take
        (10, 3, 3, [(0, 3), (3, 6), (6, 9), (9, 10)]),
        (10, 1, 4, [(0, 1), (4, 5), (8, 9)]),
        (8.6, 1, 4, [(0, 1), (4, 5)]),
        (2, 3, 1, [(0, 2)]),
        (0.5, 3, 1, [(0, 0.5)]),  # all there is, for the caller to judge
    ],
)
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_windows_cover_the_recording(seconds, window, hop, expected, block):
    wave = torch.arange(round(seconds * 10)).float()
    cuts = list(cut_windows(wave.split(block), rate=10, window=window, hop=hop, least=7))
    assert [(start / 10, (start + len(cut)) / 10) for start, cut in cuts] == expected
    for start, cut in cuts:
        assert torch.equal(cut, wave[start : start + len(cut)])


def test_silent_windows_have_no_label(classifier, tmp_path):
    wave = speech(12)
    wave[3 * 16000 : 7 * 16000] = 0.0
    path = write_wav(tmp_path / "pause.wav", wave)
    found = list(classifier.classify_windows(path, window=2.0, hop=1.0, batch_size=2))
    assert [one.start for one in found if one.label is None] == [3, 4, 5]
    assert all(one[2:] == (None, None, None) for one in found if one.label is None)
    silent = write_wav(tmp_path / "silent.wav", np.zeros(80000))
    assert [one.label for one in classifier.classify_windows(silent)] == [None] * 3


# Bounded


def test_nothing_is_read_ahead_of_the_windows_asked_for(classifier):
    def endless():
        for read[0] in itertools.count(1):
            yield torch.zeros(16000)

    read = [0]
    cuts = cut_windows(endless(), 16000, window=3.0, hop=1.0)
    for number, (_, wave) in enumerate(itertools.islice(cuts, 50)):
        assert read[0] == number + 3
        assert wave.untyped_storage().nbytes() <= 4 * 4 * 16000  # a window and a block of float32


def test_memory_does_not_grow_with_the_length(tmp_path):
    code = """
import sys, numpy as np, soundfile
sys.path.append("tests/support")
from fake_run import CLASSES, random_modules
from ser_plugins.inference import EmotionClassifier
from ser_plugins.machine import peak_memory

classifier = EmotionClassifier(random_modules(), CLASSES)
hiss = np.random.default_rng(0).normal(0, 0.1, 8000)
for seconds in (30, 300):
    with soundfile.SoundFile(sys.argv[1], "w", 8000, 1, "PCM_U8") as file:
        for _ in range(seconds):
            file.write(hiss)
    assert sum(1 for _ in classifier.classify_windows(sys.argv[1], hop=3.0)) == seconds // 3
    print(peak_memory() or 0)  # 0 on Windows, which does not tell
"""
    (tmp_path / "code.py").write_text(code, encoding="utf-8")
    forked.run(tmp_path / "printed", tmp_path / "code.py", tmp_path / "long.wav")
    short, long = map(float, (tmp_path / "printed").read_text(encoding="utf-8").split())
    assert long - short < 100  # MiB; classifying the 300 s at once takes some 600


# Bad files


def cut_short(path, share):
    path.write_bytes(path.read_bytes()[: round(share * path.stat().st_size)])
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_a_file_cut_short_gives_the_windows_before_and_names_the_second(classifier, tmp_path, suffix):
    path = tmp_path / f"long.{suffix}"
    write_wav(path, speech(10))
    whole = list(classifier.classify_windows(path))
    cut_short(path, 0.65)
    before, message = until_the_error(classifier.classify_windows(path))
    assert 2 <= len(before) <= 5
    for one, other in zip(before, whole, strict=False):
        assert one[:2] == other[:2]
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    second = re.search(rf"long.{suffix}(?:: the audio ends at| after) (\d+\.\d+) s", message)
    assert before[-1].end <= float(second[1]) <= 6.6
    with pytest.raises(AudioError, match=r"ends at|after"):
        classifier.classify_file(path)


def test_a_header_that_claims_hours_is_found_out_without_memory(classifier, tmp_path):
    path = write_wav(tmp_path / "bomb.wav", speech(4))
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 3 * 3600 * 32000)
    path.write_bytes(content)
    before, message = until_the_error(classifier.classify_windows(path))
    assert len(before) == 2
    assert "ends at 4.000 s; expected: the 10800.000 s that its header promises" in message
    with pytest.raises(AudioError, match=r"expected: the 10800.000 s that its header promises"):
        classifier.classify_file(path)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFF000, 128000 + 16])
def test_a_header_without_a_true_length_is_no_damage(classifier, tmp_path, length):
    path = write_wav(tmp_path / "piped.wav", speech(4))
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", length)
    path.write_bytes(content)
    assert len(list(classifier.classify_windows(path))) == 2
    assert len(read_wave(path)[0]) == 64000


def test_nan_in_the_middle_is_told_after_the_windows_before(classifier, tmp_path):
    wave = speech(10, 44100)
    wave[round(6.5 * 44100)] = np.nan
    path = write_wav(tmp_path / "nan.wav", wave, 44100, "FLOAT")
    before, message = until_the_error(classifier.classify_windows(path, batch_size=3))
    assert [one.start for one in before] == [0, 1, 2, 3]
    assert "NaN or infinity in the samples, first at 6.500 s" in message


def test_unusable_files_are_refused_in_words(classifier, tmp_path):
    garbage = tmp_path / "garbage.wav"
    garbage.write_bytes(b"RIFF but not really")
    # At the call
    for path, kind, message in (
        (tmp_path / "no.wav", MissingPathError, "no file .*no.wav"),
        (garbage, AudioError, "garbage.wav: .*expected: an audio file that libsndfile reads"),
        (write_wav(tmp_path / "rate.wav", tone(), 44101), AudioError, "44101 Hz; expected: a usual sample rate"),
    ):
        with pytest.raises(kind, match=message):
            classifier.classify_windows(path)
    with pytest.raises(AudioError, match=r"empty.wav: 0 samples"):
        list(classifier.classify_windows(write_wav(tmp_path / "empty.wav", np.zeros(0))))
    with pytest.raises(AudioError, match=r"short.wav: 0.020 s .*at least 0.040 s"):
        list(classifier.classify_windows(write_wav(tmp_path / "short.wav", tone(0.02))))
    with pytest.raises(AudioError, match=r"empty.wav: 0 samples"):
        list(open_recording(tmp_path / "empty.wav", 8000))


@pytest.mark.parametrize(
    "options",
    [{"window": 0.03}, {"window": float("nan")}, {"hop": 0}, {"hop": -1.0}, {"hop": float("inf")}, {"batch_size": 0}],
)
def test_impossible_windows_are_refused_in_words(classifier, tmp_path, options):
    path = write_wav(tmp_path / "a.wav")
    with pytest.raises(SerError, match=r"window of at least 0.040 s, a hop above 0 s, a batch of at least 1"):
        classifier.classify_windows(path, **options)
