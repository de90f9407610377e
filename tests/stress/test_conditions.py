"""Laws of the conditions: the same for every model, as long as they say, and as loud as they say."""

import pytest
import torch

from ser_plugins.stress.conditions import CONDITIONS, NOISES, RATE, at_pitch, at_tempo, middle

BY_NAME = {condition.name: condition for condition in CONDITIONS}
LONGER = {
    "1 s of silence before": 2 * RATE + RATE,
    "its middle second": RATE,
    "tempo + 10 %": None,
    "tempo - 10 %": None,
}


def tone(frequency=440.0, seconds=2.0):
    return 0.3 * torch.sin(2 * torch.pi * frequency * torch.arange(round(seconds * RATE)) / RATE)


def pitch(wave):
    """The strongest frequency, in Hz."""
    return float(torch.fft.rfft(wave).abs().argmax()) * RATE / len(wave)


@pytest.fixture
def speech():
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(2 * RATE, generator=generator)


def test_names_are_unique_and_every_noise_has_the_same_ratios():
    assert len(BY_NAME) == len(CONDITIONS)
    ratios = [[condition.level for condition in CONDITIONS if condition.family == name] for name in NOISES]
    assert ratios == [[20, 10, 5, 0]] * 3


@pytest.mark.parametrize("name", BY_NAME)
def test_a_changed_recording_is_finite_repeatable_and_of_the_promised_length(name, speech):
    voices = [tone(200), tone(310, 0.5)]
    changed = BY_NAME[name].changed(speech, "ab" * 32, voices)
    assert torch.equal(changed, BY_NAME[name].changed(speech, "ab" * 32, voices))
    assert changed.isfinite().all()
    assert changed.abs().max() <= 1
    assert changed.std() > 0
    expected = LONGER.get(name, len(speech))
    if expected:
        assert abs(len(changed) - expected) <= 128
    assert len(changed) != len(speech) or not torch.equal(changed, speech) or name == "its middle 2 s"


@pytest.mark.parametrize("name", [name for name in BY_NAME if name.endswith("dB")])
def test_noise_is_as_far_below_as_its_name_says(name, speech):
    quiet = speech / 10  # nothing is cut off at full scale
    condition = BY_NAME[name]
    noise = condition.changed(quiet, "cd" * 32, [tone(200), tone(310)]) - quiet
    ratio = 10 * (quiet.square().mean() / noise.square().mean()).log10()
    assert float(ratio) == pytest.approx(condition.level if condition.family in NOISES else 10, abs=0.01)


def test_babble_is_of_other_voices_only(speech):
    noise = BY_NAME["babble, 0 dB"].changed(speech / 10, "ef" * 32, [tone(1000)] * 3) - speech / 10
    assert pitch(noise) == pytest.approx(1000, abs=2)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_tempo_keeps_pitch_and_pitch_keeps_tempo(factor):
    assert len(at_tempo(tone(), factor)) == pytest.approx(2 * RATE / factor, rel=0.02)
    assert pitch(at_tempo(tone(), factor)) == pytest.approx(440, rel=0.01)
    assert len(at_pitch(tone(), factor)) == pytest.approx(2 * RATE, rel=0.02)
    assert pitch(at_pitch(tone(), factor)) == pytest.approx(440 * factor, rel=0.01)


@pytest.mark.parametrize("name", ["mu-law, 8 kHz", "GSM", "Opus, 16 kbit/s", "MP3, 32 kbit/s"])
def test_a_codec_leaves_a_tone_where_it_was(name):
    wave = tone(500) * torch.hann_window(2 * RATE)
    heard = BY_NAME[name].changed(wave, "01" * 32)
    assert float(torch.corrcoef(torch.stack([wave, heard]))[0, 1]) > 0.9


def test_the_middle_of_a_short_recording_is_all_of_it():
    assert torch.equal(middle(tone(seconds=0.5), 1), tone(seconds=0.5))
    assert torch.equal(middle(torch.arange(4.0) / RATE, 2 / RATE), torch.tensor([1.0, 2.0]) / RATE)
