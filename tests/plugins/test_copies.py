"""Copies of training recordings: what each kind does to a waveform, and that a copy is the same in every process."""

import subprocess
import sys

import pytest
import torch
from fake_run import tone

from ser_plugins.copies import (
    BandLimit,
    Chain,
    Clipping,
    Noise,
    Pauses,
    Room,
    Speed,
    check_copies,
    copied,
    speeds,
)
from ser_plugins.errors import SerError

RATE = 16000
HASH = "ab" * 32
KINDS = [
    Speed(0.9),
    Pauses(0.5),
    Noise(),
    Room(),
    Clipping(),
    BandLimit(),
    Chain([Speed(1.1), Room(), Noise(), Pauses(1.0)]),
]


def voice(seconds=1.0):
    return torch.as_tensor(tone(seconds))


@pytest.mark.parametrize("copy", KINDS, ids=lambda copy: copy.name)
def test_a_copy_depends_on_recording_and_settings_alone_and_is_sound(copy):
    wave = voice()
    before, state = wave.clone(), torch.get_rng_state()
    made = copied(wave, copy, HASH)
    assert torch.equal(made, copied(wave, copy, HASH))
    assert torch.equal(wave, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert made.dtype == torch.float32
    assert made.dim() == 1
    assert made.isfinite().all()
    assert not torch.equal(made[: len(wave)], wave[: len(made)])
    assert copied(torch.zeros(RATE), copy, HASH).isfinite().all()  # silence


def test_a_copy_is_the_same_in_another_process():
    code = (
        "import torch; from ser_plugins.copies import Noise, copied\n"
        f"print(copied(torch.ones(3), Noise(), {HASH!r}).tolist())"
    )
    there = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert there == str(copied(torch.ones(3), Noise(), HASH).tolist())


def test_another_recording_another_draw_and_other_settings_are_other_copies():
    wave = voice()
    made = [copied(wave, Noise(), HASH), copied(wave, Noise(), "cd" * 32), copied(wave, Noise(draw=1), HASH)]
    assert not torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert Noise().settings != Noise(draw=1).settings
    assert Noise().name != Noise(draw=1).name


@pytest.mark.parametrize("factor", [0.9, 1.1, 2.0])
def test_speed_changes_length_and_pitch_by_its_factor(factor):
    wave = torch.sin(2 * torch.pi * 400 * torch.arange(RATE) / RATE)
    made = copied(wave, Speed(factor), HASH)
    assert len(made) == pytest.approx(RATE / factor, abs=1)
    loudest = torch.fft.rfft(made).abs().argmax() * RATE / len(made)
    assert float(loudest) == pytest.approx(400 * factor, abs=1.5)


def test_speed_is_that_of_speechbrain():
    from speechbrain.augment.time_domain import SpeedPerturb

    wave = voice()
    theirs = SpeedPerturb(RATE, speeds=[90])(wave[None])[0]
    ours = copied(wave, Speed(0.9), HASH)
    assert abs(len(theirs) - len(ours)) <= 1
    inner = slice(100, min(len(theirs), len(ours)) - 100)
    assert float((theirs[inner] - ours[inner]).abs().max()) < 0.02 * float(ours.abs().max())


def test_pauses_surround_the_recording_and_are_quiet():
    wave = voice()
    lengths = set()
    for draw in range(20):
        made = copied(wave, Pauses(0.5, draw=draw), HASH)
        assert RATE <= len(made) <= 2 * RATE
        lengths.add(len(made))
        match = torch.nn.functional.conv1d(made[None, None], wave[None, None])[0, 0]
        start = int(match.argmax())
        pause = torch.cat([made[:start], made[start + RATE :]])
        assert 20 * float(pause.square().mean().sqrt().log10()) == pytest.approx(-70, abs=21)
    assert len(lengths) == 20


def test_noise_has_a_ratio_within_its_bounds_and_both_colours_come():
    wave, slopes = voice(), []
    for draw in range(20):
        noise = copied(wave, Noise(3, 6, draw), HASH) - wave
        ratio = 10 * float((wave.square().mean() / noise.square().mean()).log10())
        assert 2.99 < ratio < 6.01
        power = torch.fft.rfft(noise).abs().square()
        slopes.append(float(power[1000:2000].mean() / power[4000:8000].mean()))
    assert min(slopes) == pytest.approx(1, abs=0.3)  # white
    assert max(slopes) == pytest.approx(4, abs=1.5)  # pink: 1 / f


def test_a_room_rings_on_as_long_as_it_says_and_is_as_loud():
    click = torch.zeros(RATE)
    click[100] = 1.0
    made = copied(click, Room(0.5, 0.5, 0, 0), HASH)
    assert float(made.square().sum()) == pytest.approx(1, rel=1e-4)
    assert float(made[100].square() / made[101:].square().sum()) == pytest.approx(1, rel=0.01)
    assert not made[:100].abs().max() > 1e-6
    early, late = (made[start : start + 1600].square().mean() for start in (200, 200 + RATE // 4))
    assert 10 * float((early / late).log10()) == pytest.approx(30, abs=1.5)  # half of 60 dB in half the time


def test_clipping_cuts_at_a_share_of_the_peak_and_leaves_the_rest():
    wave = voice()
    made = copied(wave, Clipping(0.2, 0.4), HASH)
    share = float(made.abs().max() / wave.abs().max())
    assert 0.2 <= share <= 0.4
    untouched = wave.abs() < made.abs().max()
    assert torch.equal(made[untouched], wave[untouched])


@pytest.mark.parametrize(
    ("frequency", "gain"), [(100, 0.0), (300, 0.5**0.5), (1000, 1.0), (3400, 0.5**0.5), (6000, 0.0)]
)
def test_a_telephone_passes_its_band(frequency, gain):
    wave = torch.sin(2 * torch.pi * frequency * torch.arange(RATE) / RATE)
    made = copied(wave, BandLimit(), HASH)
    assert float(made.square().mean().sqrt() / wave.square().mean().sqrt()) == pytest.approx(gain, abs=0.02)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Speed(0),
        lambda: Speed(float("nan")),
        lambda: Pauses(-1),
        lambda: Pauses(1, -20, -40),
        lambda: Noise(10, 5),
        lambda: Room(0, 1),
        lambda: Clipping(0.5, 2),
        lambda: BandLimit(300, 9000),
    ],
)
def test_what_cannot_be_is_refused(make):
    with pytest.raises(SerError, match="expected"):
        make()


def test_a_list_of_copies_holds_copies_each_once():
    check_copies([])
    check_copies(KINDS)
    with pytest.raises(SerError, match=r"speed0.9 twice"):
        check_copies(speeds([0.9, 0.9]))
    for wrong in (Speed(0.9), [0.9], None):
        with pytest.raises(SerError, match="a list of classes"):
            check_copies(wrong)
