"""Whether anybody speaks: sounds that are made here, and what the faces of a model say of them."""

import json

import numpy as np
import pytest
import torch
from fake_run import CLASSES, random_modules, tone, write_wav
from scipy.signal import lfilter

from ser_plugins.classifier import RegressionHead
from ser_plugins.inference import EmotionClassifier, SentimentRegressor
from ser_plugins.inference.quality import check_recording
from ser_plugins.inference.timeline import timeline
from ser_plugins.sound.voice import holds_speech

RATE = 16000
TIME = np.arange(2 * RATE) / RATE


def noise(slope):
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=len(TIME)))
    wave = np.fft.irfft(spectrum * np.arange(1, len(spectrum) + 1) ** (slope / 2))
    return 0.3 * wave / np.abs(wave).max()


def harmonics(pitch, count=6):
    return sum(np.sin(2 * np.pi * pitch * k * TIME) / k for k in range(1, count + 1))


def clicks():
    wave = np.zeros(len(TIME))
    wave[np.random.default_rng(0).integers(0, len(wave), 20)] = 1
    return 0.5 * lfilter([1], [1, -0.8], wave)


OTHERS = {
    "tone": 0.5 * np.sin(2 * np.pi * 440 * TIME),
    "low tone": 0.5 * np.sin(2 * np.pi * 100 * TIME),
    "white noise": noise(0),
    "pink noise": noise(-1),
    "brown noise": noise(-2),
    "hum": 0.2 * harmonics(50, 12) + noise(0) * 0.1,
    "chord": 0.1 * (harmonics(220) + harmonics(277.2) + harmonics(329.6)),
    "beeps": 0.5 * np.sin(2 * np.pi * 1000 * TIME) * (TIME % 0.5 < 0.2),
    "dialling": 0.3 * (np.sin(2 * np.pi * 770 * TIME) + np.sin(2 * np.pi * 1336 * TIME)) * (TIME % 0.2 < 0.1),
    "buzz": 0.1 * harmonics(120, 30),
    "sweep": 0.5 * np.sin(2 * np.pi * 200 * TIME * (1 + TIME)),
    "clicks": clicks(),
    "faint noise": noise(0) * 0.01,
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("gain", [1.0, 0.05])
def test_other_sounds_are_no_speech(name, gain):
    assert not holds_speech(gain * OTHERS[name], RATE)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("pitch", [90, 200, 350])
def test_what_moves_like_a_voice_is_speech_at_any_level_and_rate(pitch, rate):
    for gain in (1.0, 0.03):
        assert holds_speech(gain * tone(1.5, rate, pitch), rate)


def test_speech_somewhere_is_enough():
    wave = np.concatenate([noise(0) for _ in range(40)])
    assert not holds_speech(wave, RATE)
    wave[50 * RATE : 51 * RATE] = tone(1.0)
    assert holds_speech(wave, RATE)


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(random_modules(), CLASSES)


def test_no_label_where_nobody_speaks_alone_and_in_a_batch(classifier):
    speech, hum = (torch.tensor(wave, dtype=torch.float32) for wave in (tone(2.0), OTHERS["hum"]))
    alone = [classifier.predict(wave, RATE) for wave in (speech, hum)]
    together = classifier.predict([speech, hum], RATE)
    assert alone[1] == together[1] == (None, None, None)
    assert alone[0].label == together[0].label is not None
    assert classifier.classify_batch(torch.stack([speech, hum])).labels == [alone[0].label, None]
    any_sound = EmotionClassifier(classifier.modules, CLASSES, any_sound=True)
    assert any_sound.predict(hum, RATE).label in CLASSES


def test_windows_streams_and_checks_say_the_same(classifier, tmp_path):
    wave = np.concatenate([tone(3.0), np.tile(OTHERS["beeps"], 2)[: 3 * RATE]])
    path = write_wav(tmp_path / "a.wav", wave)
    windows = list(classifier.classify_windows(path, window=3.0, hop=3.0))
    assert [window.label is None for window in windows] == [False, True]
    stream = classifier.stream(RATE, window=3.0, hop=3.0)
    streamed = [*stream.feed(wave.astype(np.float32)), *stream.close()]
    assert [window.label for window in streamed] == [window.label for window in windows]
    segments = timeline(classifier, path, window=3.0, hop=3.0, smooth=3).segments
    assert segments[-1][2:4] == (None, None)
    beeps = write_wav(tmp_path / "b.wav", OTHERS["beeps"])
    assert "speech" in [finding.what for finding in check_recording(beeps, classifier).findings]
    assert "speech" not in [finding.what for finding in check_recording(path, classifier).findings]


def test_a_sentiment_of_no_speech_is_none():
    modules = random_modules()
    modules["classifier"] = RegressionHead(modules["embedding_model"].output_size)
    model = SentimentRegressor(modules, "mosi")
    hum = torch.tensor(OTHERS["hum"], dtype=torch.float32)
    assert model.predict(hum, RATE) == (None, None)
    assert model.classify_batch(hum).polarity == [None]


def test_the_command_line_says_no_speech(tmp_path, monkeypatch, capsys):
    from ser_plugins import cli

    def ser(*arguments):
        monkeypatch.setattr("sys.argv", ["ser", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "300")
        with pytest.raises(SystemExit):
            cli.main()
        return capsys.readouterr()

    path = write_wav(tmp_path / "tone.wav", OTHERS["tone"])
    printed = ser("classify", path)
    assert "no speech" in printed.out
    assert "warning: " in printed.err
    (row,) = json.loads(ser("classify", path, "--json").out)
    assert (row["label"], row["probability"], row["probabilities"]) == (None, None, None)
    assert row["warnings"][0].startswith("no speech")
    assert "no speech heard" in ser("classify", path, "--format", "csv").out
    (row,) = json.loads(ser("classify", path, "--json", "--any-sound").out)
    assert row["label"]
    assert all(segment["label"] is None for segment in json.loads(ser("timeline", path, "--format", "json").out))
