"""Laws of the augmentations: nothing in evaluation, nothing in padding, nothing that depends on the neighbours."""

import math

import pytest
import torch

from ser_plugins import augment
from ser_plugins.augment import Augmentation, FrequencyWarp, RandomEqualizer, RandomGain, SpecAugment, TimeWarp
from ser_plugins.errors import SerError
from ser_plugins.schedules import OneCycle

STEPS = [FrequencyWarp, TimeWarp, RandomGain, RandomEqualizer, SpecAugment]
OFF = [FrequencyWarp(0), TimeWarp(0), RandomGain(0), RandomEqualizer(0), SpecAugment(0, 0)]


def some_frames(batch=3, time=40, bins=30):
    torch.manual_seed(0)
    counts = torch.tensor([time, 25, 11])[:batch]
    frames = torch.randn(batch, time, bins)
    for item, count in zip(frames, counts, strict=True):
        item[count:] = 0
    return frames, counts


@pytest.mark.parametrize("step", [*(kind().eval() for kind in STEPS), *OFF], ids=lambda step: type(step).__name__)
def test_nothing_happens_in_evaluation_or_when_switched_off(step):
    frames, counts = some_frames()
    augmented, new_counts = step(frames, counts)
    assert augmented is frames
    assert torch.equal(new_counts, counts)


@pytest.mark.parametrize("kind", STEPS)
def test_padding_has_no_say(kind):
    """The same draws over a longer padding, full of rubbish, give the same real frames."""
    frames, counts = some_frames()
    rubbish = torch.cat([frames, torch.zeros(3, 9, 30)], dim=1)
    for item, count in zip(rubbish, counts, strict=True):
        item[count:] = 1e6
    torch.manual_seed(5)
    clean, new_counts = kind()(frames, counts)
    torch.manual_seed(5)
    dirty, again = kind()(rubbish, counts)
    assert torch.equal(new_counts, again)
    for one, other, count in zip(clean, dirty, new_counts, strict=True):
        torch.testing.assert_close(one[:count], other[:count])


@pytest.mark.parametrize("kind", STEPS)
def test_every_utterance_draws_for_itself(kind):
    frames = some_frames(1)[0].expand(4, -1, -1).contiguous()
    augmented, counts = kind()(frames, None)
    shortest = int(counts.min())
    for other in augmented[1:]:
        assert not torch.equal(augmented[0, :shortest], other[:shortest])


def test_frequency_warp_reads_where_its_factor_says():
    ramp = torch.arange(30.0).expand(2, 5, 30)  # a frame that names its bins
    torch.manual_seed(3)
    warped, _ = FrequencyWarp(0.2)(ramp, None)
    torch.manual_seed(3)
    factors = 1 + 0.2 * (2 * torch.rand(2) - 1)
    for item, factor in zip(warped, factors, strict=True):
        torch.testing.assert_close(item[0], (torch.arange(30.0) * factor).clamp(max=29))


def test_time_warp_reads_where_its_factor_says_and_counts_what_is_left():
    ramp = torch.arange(40.0)[None, :, None].expand(2, 40, 3)
    counts = torch.tensor([40, 17])
    torch.manual_seed(3)
    warped, new_counts = TimeWarp(0.2)(ramp, counts)
    torch.manual_seed(3)
    factors = 1 + 0.2 * (2 * torch.rand(2) - 1)
    for item, factor, count, new in zip(warped, factors.tolist(), counts.tolist(), new_counts.tolist(), strict=True):
        assert new == math.floor((count - 1) / factor) + 1
        torch.testing.assert_close(item[:new, 0], torch.arange(new) * factor)
        assert not item[new:].any()


def test_what_is_constant_stays_constant():
    frames = torch.full((3, 40, 30), 2.5)
    counts = torch.tensor([40, 25, 11])
    for step in (FrequencyWarp(), TimeWarp(), SpecAugment()):
        augmented, new_counts = step(frames, counts)
        for item, count in zip(augmented, new_counts, strict=True):
            torch.testing.assert_close(item[:count], torch.full((int(count), 30), 2.5))


def test_the_published_strengths_are_the_defaults():
    strengths = [FrequencyWarp().spread, TimeWarp().spread, RandomGain().decibels]
    assert strengths == [0.2, 0.2, 6.0]
    assert (RandomEqualizer().decibels, RandomEqualizer().terms) == (3.0, 4)
    assert vars(SpecAugment()).items() >= {
        "time_masks": 2, "frequency_masks": 2, "time_share": 0.15, "frequency_share": 0.1,
    }.items()  # fmt: skip


@pytest.mark.parametrize(("drawn", "factor"), [(0.0, 0.8), (0.5, 1.0), (0.75, 1.1), (1.0, 1.2)])
def test_factors_lie_evenly_around_one(monkeypatch, drawn, factor):
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, drawn))
    torch.testing.assert_close(augment._factors(torch.zeros(3, 1, 1), 0.2), torch.full((3,), factor))


@pytest.mark.parametrize("drawn", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("bins", [1, 2, 20])
def test_frequency_warp_reads_between_bins_and_never_beyond_the_last(monkeypatch, drawn, bins):
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, drawn))
    ramp = torch.arange(bins, dtype=torch.float32).expand(2, 3, bins)
    warped, _ = FrequencyWarp(0.2)(ramp, torch.tensor([3, 2]))
    expected = (torch.arange(bins) * (1 + 0.2 * (2 * drawn - 1))).clamp(max=bins - 1)
    torch.testing.assert_close(warped, expected.expand(2, 3, bins))


def test_a_masked_stretch_begins_and_ends_at_the_nearest_frames(monkeypatch):
    """Of 20 frames, a share of 0.5: widths 0.8 * 10 = 8, begins at 0.4 * 12 = 4.8."""
    draws = iter([0.8, 0.4])
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, next(draws)))
    (hidden,) = augment._masks(1, 0.5, torch.tensor([20]), 25)
    assert hidden.nonzero().flatten().tolist() == list(range(5, 13))


def test_time_warp_is_as_long_as_its_longest():
    for _ in range(5):
        warped, counts = TimeWarp(0.5)(torch.randn(2, 40, 3), torch.tensor([40, 20]))
        assert warped.shape[1] == counts.max()


def test_gain_is_the_same_for_a_whole_utterance_and_within_its_bounds():
    frames, counts = some_frames()
    shift = RandomGain(6.0)(frames, counts)[0] - frames
    torch.testing.assert_close(shift, shift[:, :1, :1].expand_as(shift))
    assert shift.abs().max() <= 6.0 * math.log(10) / 10 + 1e-5


def test_specaugment_hides_at_most_what_it_may_and_by_the_mean():
    frames, counts = some_frames()
    hidden_bins = SpecAugment(0, 1, frequency_share=0.2)(frames, counts)[0] != frames
    assert hidden_bins[:, 0].sum(1).max() <= 30 * 0.2 + 1
    augmented, _ = SpecAugment(1, 0, time_share=0.5)(frames, counts)
    for item, before, count in zip(augmented, frames, counts.tolist(), strict=True):
        changed = (item[:count] != before[:count]).all(1)
        torch.testing.assert_close(item[:count][changed], before[:count].mean(0).expand(int(changed.sum()), -1))


def test_augmentation_applies_its_steps_in_turn():
    frames, counts = some_frames()
    steps = [TimeWarp(0.3), SpecAugment()]
    torch.manual_seed(1)
    together = Augmentation(steps)(frames, counts)
    torch.manual_seed(1)
    one_by_one = steps[1](*steps[0](frames, counts))
    assert all(torch.equal(*pair) for pair in zip(together, one_by_one, strict=True))


@pytest.mark.parametrize("make", [lambda: FrequencyWarp(1.0), lambda: TimeWarp(-0.1), lambda: OneCycle(0.1, 1.0)])
def test_impossible_settings_are_told(make):
    with pytest.raises(SerError, match="remedy: correct the YAML"):
        make()


def test_one_cycle_rises_to_its_peak_and_falls_to_almost_nothing():
    schedule = OneCycle(0.01, warm_up=0.3)
    rates = [schedule(step / 100) for step in range(101)]
    assert max(rates) == rates[30] == pytest.approx(0.01)
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[0] == pytest.approx(0.0004)
    assert rates[-1] == pytest.approx(0.000001)


def test_an_equalizer_is_one_smooth_curve_of_the_deviation_asked_for():
    torch.manual_seed(0)
    curves, _ = RandomEqualizer(3.0)(torch.zeros(4000, 1, 40), None)
    decibels = curves[:, 0] * 10 / math.log(10)
    assert decibels.std().item() == pytest.approx(3.0, rel=0.05)
    assert decibels.mean().item() == pytest.approx(0.0, abs=0.1)
    assert decibels.diff(dim=1).std() < 0.3 * decibels.std()
