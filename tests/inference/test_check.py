import numpy as np
import pytest
import torch
from fake_run import CLASSES, random_modules, tone, write_wav
from scipy.signal import resample

from ser_plugins.errors import AudioError, MissingPathError
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.quality import check_recording


def noise(seconds=2.0, rate=16000, level=0.1):
    return np.random.default_rng(0).normal(0, level, round(seconds * rate))


def sine(seconds=2.0, rate=16000, pitch=180.0):
    return np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


def band_limited(wave, rate, low, high):
    spectrum, frequencies = np.fft.rfft(wave), np.fft.rfftfreq(len(wave), 1 / rate)
    return np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies <= high)), len(wave))


@pytest.fixture
def check(tmp_path):
    """Write a waveform and check it; findings by name."""

    def of(wave, rate=16000, model=None, subtype="PCM_16"):
        found = check_recording(write_wav(tmp_path / "a.wav", wave, rate, subtype), model)
        return found, {finding.what for finding in found.findings}

    return of


@pytest.fixture(scope="module", params=["bin", "utterance_mean"])
def model(request):
    """A model whose training set was this noise."""
    modules = random_modules()
    modules["mean_var_norm"].mode = request.param
    frames = modules["compute_features"](torch.tensor(noise(20), dtype=torch.float32)[None])
    modules["mean_var_norm"].fit([(frames, None)])
    return EmotionClassifier(modules, CLASSES)


def test_nothing_is_found_where_nothing_is_wrong(check, model):
    assert check(tone(2.0) + noise(level=0.02))[1] == set()
    found, names = check(noise(), model=model)
    assert names == {"speech"}
    assert (found.seconds, found.sample_rate, found.clipping, found.silence) == (2.0, 16000, 0.0, 0.0)
    assert found.level == pytest.approx(-20, abs=0.1)
    assert found.bandwidth == pytest.approx(8000, abs=100)
    assert found.distance < 0.2


def test_the_level_is_that_of_the_sound_and_not_of_an_offset(check):
    assert check(0.5 * sine())[0].level == pytest.approx(-9.03, abs=0.01)
    assert check(0.1 * sine() + 0.5)[0].level == pytest.approx(-23.01, abs=0.01)
    assert "level" in check(noise(level=0.003))[1]


@pytest.mark.parametrize("gain", [1.0, 1.05, 2.0, 10.0])
def test_clipping_is_the_share_of_flat_samples(check, gain):
    found, names = check(np.clip(gain * sine(), -1, 32767 / 32768))
    flat = np.mean(np.abs(gain * sine()) >= 1) if gain > 1 else 0.0
    begins = 2 * (2 * 180) / 16000 if gain > 1 else 0.0  # the first two samples of both peaks of a period do not count
    assert found.clipping == pytest.approx(flat - begins, abs=0.001)
    assert ("clipping" in names) == (gain > 1)


def test_silence_is_what_is_far_below_the_loudest(check):
    wave = noise(4)
    wave[16000:] *= 0.001
    found, names = check(wave)
    assert found.silence == pytest.approx(0.75, abs=0.01)
    assert "silence" in names
    wave[16000:] *= 100
    assert check(wave)[0].silence == 0
    assert check(np.zeros(32000))[0].silence == 1


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("edge", [3400, 6000])
def test_bandwidth_is_where_the_spectrum_ends(check, rate, edge):
    found, names = check(band_limited(noise(rate=rate), rate, 0, edge), rate)
    assert found.bandwidth == pytest.approx(edge, abs=150)
    assert ("bandwidth" in names) == (edge < 4000)


def test_a_telephone_is_found_before_and_after_conversion(check):
    phone = band_limited(noise(rate=8000), 8000, 300, 3400)
    assert {"rate", "bandwidth"} <= check(phone, 8000)[1]
    assert check(resample(phone, 2 * len(phone)))[1] == {"speech", "bandwidth"}


def test_distance_grows_with_what_training_has_not_seen(check, model):
    distances = [check(noise() * gain, model=model)[0].distance for gain in (1, 0.3, 0.1)]
    assert distances == sorted(distances)
    assert "distance" in check(noise() * 0.1, model=model)[1]
    assert check(noise())[0].distance is None


def test_one_deviation_everywhere_is_a_distance_of_one(check, model):
    modules = random_modules()
    norm, trained = modules["mean_var_norm"], model.modules["mean_var_norm"]
    norm.mean.copy_(trained.mean + 3 * trained.std)
    norm.std.copy_(trained.std)
    assert check(noise(20), model=EmotionClassifier(modules, CLASSES))[0].distance == pytest.approx(3, abs=0.05)


def test_a_model_without_training_statistics_has_no_distance(check):
    modules = random_modules()
    modules["mean_var_norm"].count.zero_()
    assert check(noise(), model=RecordingModel(modules))[0].distance is None


def test_lengths_far_from_an_utterance_are_found(check):
    assert check(noise(0.3))[1] == {"length"}
    assert check(noise(31))[1] == {"speech", "length"}


def test_the_way_of_cutting_into_blocks_does_not_matter(tmp_path, monkeypatch):
    from ser_plugins.inference import recording as room

    path = write_wav(tmp_path / "a.wav", np.clip(20 * tone(3.0), -1, 1))
    expected = check_recording(path)
    assert expected.clipping > 0
    monkeypatch.setattr(room, "read_blocks", lambda path, seconds, read=room.read_blocks: read(path, seconds=0.1))
    assert check_recording(path)[:-1] == pytest.approx(expected[:-1])


def test_files_that_cannot_be_used_are_told(tmp_path):
    with pytest.raises(MissingPathError):
        check_recording(tmp_path / "no.wav")
    with pytest.raises(AudioError, match="0 samples"):
        check_recording(write_wav(tmp_path / "empty.wav", np.zeros(0)))
