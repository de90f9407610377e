import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from fake_run import CLASSES, random_modules, tone, write_wav

from ser_plugins.errors import AudioError, MissingPathError
from ser_plugins.inference import SILENCE, EmotionClassifier

FRONT_ENDS = ("fast", "xu2024", "vlss", "none")


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(random_modules(), CLASSES)


def padded(waves):
    lengths = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence([torch.as_tensor(wave) for wave in waves], batch_first=True)
    return batch, lengths / lengths.max()


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_recording_alone_and_in_a_batch_are_the_same(front_end):
    classifier = EmotionClassifier(random_modules(3, front_end), CLASSES)
    waves = [tone(seconds, pitch=pitch) for seconds, pitch in ((0.71, 120.0), (0.2, 200.0), (0.433, 310.0))]
    batch, lengths = padded(waves)
    together = classifier.classify_batch(batch, lengths)
    alone = [classifier.classify_batch(wave) for wave in waves]
    expected = torch.cat([one.probabilities for one in alone])
    assert expected.std(dim=0).max() > 1e-3  # the recordings do differ
    torch.testing.assert_close(together.probabilities, expected, rtol=0, atol=1e-5)
    assert together.labels == [one.labels[0] for one in alone]


def test_what_lies_beyond_a_length_is_ignored(classifier):
    batch, lengths = padded([tone(0.5), tone(0.3)])
    garbage = batch.clone()
    garbage[1, round(0.3 * 16000) :] = 7.0
    garbage[1, -1] = float("nan")
    torch.testing.assert_close(
        classifier.classify_batch(garbage, lengths).probabilities, classifier.classify_batch(batch, lengths)[0]
    )


def test_classification_is_in_speechbrains_order_and_consistent(classifier):
    result = classifier.classify_batch(np.stack([tone(0.3), tone(0.3, pitch=300)]))
    probabilities, score, index, labels = result
    assert probabilities.shape == (2, 7)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2))
    assert torch.equal(probabilities.argmax(dim=1), index)
    assert torch.equal(probabilities.amax(dim=1), score)
    assert labels == [CLASSES[place] for place in index]
    assert not probabilities.requires_grad


def test_predict_file_gives_plain_values(classifier, tmp_path):
    path = write_wav(tmp_path / "a.wav")
    label, probability, probabilities = classifier.predict_file(path)
    assert list(probabilities) == CLASSES == classifier.labels
    assert probabilities[label] == probability == max(probabilities.values())
    assert classifier.classify_file(path).labels == [label]


def test_permuted_classes_permute_the_probabilities(classifier):
    order = [3, 1, 6, 0, 2, 5, 4]
    modules = random_modules()
    output = modules["classifier"].output
    output.weight.data, output.bias.data = output.weight.data[order], output.bias.data[order]
    permuted = EmotionClassifier(modules, [CLASSES[place] for place in order]).classify_batch(tone())
    expected = classifier.classify_batch(tone())
    assert permuted.labels == expected.labels
    torch.testing.assert_close(permuted.probabilities, expected.probabilities[:, order])


def dense(rate, seconds=0.5):
    """The same continuous sound, with energy everywhere below 4 kHz, sampled at any rate."""
    generator = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    pitches, phases = generator.uniform(20, 3980, 1500), generator.uniform(0, 2 * np.pi, 1500)
    return 0.01 * sum(np.sin(2 * np.pi * f * time + phase) for f, phase in zip(pitches, phases, strict=True))


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_files_are_resampled_and_mixed_down(classifier, tmp_path, rate):
    expected = classifier.classify_file(write_wav(tmp_path / "16000.wav", dense(16000))).probabilities
    mono = classifier.classify_file(write_wav(tmp_path / "mono.wav", dense(rate), rate)).probabilities
    left_only = np.stack([2 * dense(rate), np.zeros(rate // 2)], axis=1)
    stereo = classifier.classify_file(write_wav(tmp_path / "stereo.wav", left_only, rate, "FLOAT")).probabilities
    torch.testing.assert_close(mono, expected, rtol=0, atol=0.05)
    torch.testing.assert_close(stereo, mono, rtol=0, atol=0.01)  # 16 bits against 32


def test_classifying_leaves_the_random_state_and_training_modules_alone(classifier, tmp_path):
    path = write_wav(tmp_path / "a.wav")
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = classifier.classify_file(path), classifier.classify_file(path)
    assert torch.equal(first.probabilities, second.probabilities)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()  # noqa: NPY002


def test_threads_may_share_a_classifier(classifier):
    waves = [tone(0.2 + 0.05 * place, pitch=100 + 20 * place) for place in range(8)]
    expected = [classifier.classify_batch(wave).probabilities for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda wave: classifier.classify_batch(wave).probabilities, waves))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("front_end", "seconds"), [("fast", 0.04), ("vlss", 0.04), ("none", 0.04), ("xu2024", 0.07)])
def test_the_shortest_recording_is_classified_and_a_shorter_one_refused(front_end, seconds):
    classifier = EmotionClassifier(random_modules(0, front_end), CLASSES)
    wave = tone(1.0)[: round(seconds * 16000)]
    assert classifier.min_samples == len(wave)
    assert classifier.classify_batch(wave).probabilities.isfinite().all()
    with pytest.raises(AudioError, match=rf"waveform: {seconds - 1 / 16000:.3f} s .*at least {seconds:.3f} s"):
        classifier.classify_batch(wave[:-1])


def bad_files(folder):
    nan = tone()
    nan[100] = np.nan
    garbage = folder / "garbage.wav"
    garbage.write_bytes(b"RIFF but not really")
    hiss = np.random.default_rng(0).uniform(-1, 1, 8000)
    return {
        "missing": (folder / "no.wav", "no file .*no.wav"),
        "folder": (folder, "no file"),
        "empty": (write_wav(folder / "empty.wav", np.zeros(0)), "empty.wav: 0 samples"),
        "unreadable": (garbage, "garbage.wav: .*expected: an audio file that libsndfile reads"),
        "short": (write_wav(folder / "short.wav", tone(0.02)), r"short.wav: 0.020 s \(320 samples.*at least 0.040 s"),
        "digital silence": (write_wav(folder / "zero.wav", np.zeros(8000)), "silent .peak digital silence.*-60 dB"),
        "offset": (write_wav(folder / "offset.wav", np.full(8000, 0.25)), "offset.wav: silent"),
        "hiss": (write_wav(folder / "hiss.wav", 0.9 * SILENCE * hiss), r"silent \(peak -6\d dB of full scale\)"),
        "nan": (write_wav(folder / "nan.wav", nan, subtype="FLOAT"), "nan.wav: NaN or infinity"),
        "rate": (write_wav(folder / "rate.wav", tone(), 44101), "44101 Hz; expected: a usual sample rate.*ffmpeg"),
    }


def test_unusable_files_are_refused_in_words(classifier, tmp_path):
    for name, (path, message) in bad_files(tmp_path).items():
        kind = MissingPathError if name in ("missing", "folder") else AudioError
        with pytest.raises(kind, match=message) as caught:
            classifier.classify_file(path)
        assert all((caught.value.got, caught.value.expected, caught.value.remedy)), name


def with_value(value):
    wave = torch.as_tensor(np.stack([tone(), tone()]))
    wave[1, 5] = value
    return wave


@pytest.mark.parametrize(
    ("wavs", "wav_lens", "message"),
    [
        (torch.zeros(2, 3, 16000), None, r"\(2, 3, 16000\) of torch.float32; expected: a tensor or array"),
        (torch.ones(1, 16000, dtype=torch.int16), None, "torch.int16; .*divide 16-bit integers by 32768"),
        ([0.0, 0.1], None, "waveforms: list"),
        (torch.zeros(0, 16000), None, "at least one sample of at least one recording"),
        (torch.zeros(2, 0), None, "at least one sample of at least one recording"),
        (with_value(float("nan")), None, "waveform 1: NaN or infinity"),
        (with_value(float("inf")), None, "waveform 1: NaN or infinity"),
        (with_value(0.0), [1.0], "2 fractions in"),
        (with_value(0.0), [1.0, 1.5], "2 fractions in"),
        (with_value(0.0), [1.0, 0.0], "2 fractions in"),
        (with_value(0.0), [1.0, float("nan")], "2 fractions in"),
        (with_value(0.0), torch.tensor([9600, 4800]), "2 fractions in .*divide the numbers of samples"),
        (with_value(0.0), [1.0, 0.01], "waveform 1: 0.006 s"),
        (torch.stack([torch.as_tensor(tone()), torch.zeros(9600)]), None, "waveform 1: silent"),
    ],
)
def test_unusable_batches_are_refused_in_words(classifier, wavs, wav_lens, message):
    with pytest.raises(AudioError, match=message):
        classifier.classify_batch(wavs, wav_lens)


def test_importing_inference_brings_nothing_beyond_the_plugins():
    code = (
        "import sys, ser_plugins.classifier, ser_plugins.spectrogram\n"
        "before = set(sys.modules)\n"
        "import ser_plugins.inference\n"
        "print(*sorted(name for name in set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = {name.split(".")[0] for name in run.stdout.split()}
    assert not added & {"speechbrain", "torchaudio", "pandas", "matplotlib", "sklearn", "scipy", "rich", "typer"}
    assert not {"ser_plugins.training", "ser_plugins.evaluation"} & set(run.stdout.split())


def test_a_recording_longer_than_any_utterance_is_read_no_further(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr("ser_plugins.inference.recording.LONGEST", 1)
    path = write_wav(tmp_path / "long.wav", tone(1.1))
    for sound in (path, tone(1.1)):
        with pytest.raises(AudioError, match=r"more than 1 s; expected: one utterance; .*ser timeline"):
            classifier.predict(sound, 16000)
    assert classifier.predict_file(write_wav(tmp_path / "whole.wav", tone(1.0))).label in CLASSES
    assert list(classifier.classify_windows(path, window=0.5, hop=0.5))
