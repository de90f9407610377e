"""Changing the rate of samples: the values of torchaudio, however the samples arrive."""

import numpy as np
import pytest
import torch
from torchaudio.functional import resample as torchaudio_resample

from ser_plugins.sound.resample import Resampler, resample, resampled

RATES = (8000, 11025, 22050, 32000, 44100, 48000, 96000)


def noise(samples):
    return np.random.default_rng(0).uniform(-1, 1, samples).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", [1, 5, 37, 441, 20017])
def test_the_outcome_is_torchaudios(rate, samples):
    wave = noise(samples)
    expected = torchaudio_resample(torch.from_numpy(wave).double(), rate, 16000).numpy()
    np.testing.assert_allclose(resample(wave, rate, 16000), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("size", [1, 333, 10**6])
def test_block_by_block_is_the_whole(rate, size):
    wave = noise(1000 if size == 1 else 2 * rate + 17)
    blocks = [wave[at : at + size] for at in range(0, len(wave), size)]
    outcome = np.concatenate(list(resampled(blocks, rate, 16000)))
    np.testing.assert_allclose(outcome, resample(wave, rate, 16000), rtol=0, atol=1e-5)


def test_a_constant_stays_a_constant():
    assert resample(np.ones(44100, np.float32), 44100, 16000)[8000] == pytest.approx(1, abs=1e-3)


def test_at_the_same_rate_nothing_changes():
    wave = noise(100)
    assert resample(wave, 16000, 16000).tolist() == wave.tolist()
    assert Resampler(16000, 16000).delay == 0


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_what_is_fed_comes_back_within_the_delay(rate):
    """After enough is fed, no sample that is owed is older than ``delay``."""
    resampler, fed, returned = Resampler(rate, 16000), 0, 0
    for _ in range(50):
        fed += 97
        returned += len(resampler.feed(np.zeros(97, np.float32)))
        assert fed / rate - returned / 16000 <= resampler.delay + 1 / 16000


def test_nothing_is_nothing():
    assert len(resample(np.zeros(0, np.float32), 44100, 16000)) == 0
    assert len(Resampler(44100, 16000).close()) == 0
