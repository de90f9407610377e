"""Laws that small changes of the code would break: corrected p values decide, an honest run is the reference, units."""

from functools import partial

import numpy as np
import pytest
import torch
from fake_predictions import write_system
from hypothesis import given
from hypothesis import strategies as st
from printed_tables import rows
from run_format import run_protocol

from ser_plugins.augment import RandomGain, TimeWarp
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.comparable import _brief
from ser_plugins.evaluation.compare.conclusion import conclude, conclude_many, points
from ser_plugins.evaluation.compare.leaks import leak_table
from ser_plugins.evaluation.compare.nouns import ComparedRun, ManyComparison, PairComparison
from ser_plugins.evaluation.compare.power import detectable_by_t, mcnemar_power
from ser_plugins.evaluation.compare.significance import ALPHA, EXACT, friedman, sign_flip
from ser_plugins.evaluation.compare.tables import _signed
from ser_plugins.evaluation.metrics import intervals as statistics
from ser_plugins.evaluation.metrics.calibration import coverage, fit_temperature, reliability
from ser_plugins.evaluation.metrics.classification import (
    classification_metrics,
    confusion,
    pooled_scores,
)
from ser_plugins.evaluation.metrics.regression import ConstantWarning, pearson, regression_metrics
from ser_plugins.evaluation.report import summary as report
from ser_plugins.lengths import clear_padding, frame_counts, remember_wave
from ser_plugins.scores import Score
from ser_plugins.spectrogram import LogPowerSpectrogram

P = st.just(ALPHA) | st.floats(1e-6, 1)
HEAD = {"kind": "classification", "unit": "speaker", "utterances": 535}


def compared(name, seeds=(1,)):
    """One of the runs."""
    return ComparedRun(name=name, system=name, protocol_hash="", protocol_line="", seeds=seeds)


def comparison(sign_flip, mcnemar, difference=0.05, units=10, seeds=(1,), score="WA", **protocol):
    """What ``compare_runs`` finds, as far as the conclusion needs it; p values as (p, p_holm)."""
    tests = [
        {"test": "sign flip", "over": "speakers, pooled", "score": score, "difference": difference},
        {"test": "McNemar", "over": "utterances", "score": score, "difference": difference},
    ]
    for test, (p, p_holm) in zip(tests, (sign_flip, mcnemar), strict=True):
        test |= {"p": p, "p_holm": p_holm}
    return PairComparison(
        **HEAD,
        runs=[compared(name, seeds) for name in ("cnn", "rnn")],
        units=units,
        tests=tests,
        protocol=run_protocol(**protocol),
        detectable={"score": score, "by_units": {"difference": 0.08}},
    )


def comparison_of_many(pairs, units=10, score="WA"):
    """What ``compare_many`` finds, as far as the conclusion needs it."""
    runs = [compared("svm"), *(compared(pair["system"]) for pair in pairs)]
    return ManyComparison(
        **HEAD, runs=runs, units=units, protocol=run_protocol(), reference="svm", score=score, pairs=pairs
    )


class TestConclusion:
    @given(P, P)
    def test_the_corrected_p_decides_and_is_the_one_that_is_printed(self, p, p_holm):
        text = conclude(comparison((p, p_holm), (1.0, 1.0)))
        assert ("cnn is better than rnn" in text) == (p_holm < ALPHA)
        assert ("Nothing may be concluded" in text) == (p_holm >= ALPHA)
        if p_holm < ALPHA:
            assert (f"p = {p_holm:.3f}" if p_holm >= 0.001 else "p < 0.001") in text

    @given(P, P)
    def test_so_does_that_of_mcnemar_where_units_decide_nothing(self, p, p_holm):
        text = conclude(comparison((0.5, 1.0), (p, p_holm)))
        assert ("cnn is right more often than rnn" in text) == (p_holm < ALPHA)
        assert "better than" not in text
        if p_holm < ALPHA:
            assert (f"p = {p_holm:.3f}" if p_holm >= 0.001 else "p < 0.001") in text

    @pytest.mark.parametrize(("p", "sure"), [(0.0499, True), (0.05, False)])
    def test_five_percent_are_too_many(self, p, sure):
        assert ("better than" in conclude(comparison((0.001, p), (1, 1)))) is sure
        assert ("right more often" in conclude(comparison((1, 1), (0.001, p)))) is sure

    @pytest.mark.parametrize(
        ("score", "difference", "winner"),
        [("WA", 0.05, "cnn"), ("WA", -0.05, "rnn"), ("MAE", 0.05, "rnn"), ("MAE", -0.05, "cnn"), ("CCC", -0.1, "rnn")],
    )
    def test_the_winner_is_the_one_with_the_better_score(self, score, difference, winner):
        loser = {"cnn": "rnn", "rnn": "cnn"}[winner]
        text = conclude(comparison((0.001, 0.001), (1, 1), difference, score=score))
        assert f"{winner} is better than {loser} in {score} by {points(difference, score)} (p = 0.001)" in text
        text = conclude(comparison((1, 1), (0.001, 0.001), difference, score=score))
        assert f"{winner} is right more often than {loser}" in text

    @pytest.mark.parametrize(("seeds", "once"), [((1,), True), ((1, 2), False)])
    def test_one_seed_is_told(self, seeds, once):
        for found in (conclude(comparison((0.01, 0.01), (1, 1), seeds=seeds)),
                      conclude(comparison((1, 1), (0.01, 0.01), seeds=seeds))):  # fmt: skip
            assert ("with one seed" in found) is once
        assert ("mean probabilities" in found) is not once

    def test_of_runs_with_unlike_seeds_the_fewest_and_the_most_are_told(self):
        found = comparison((1, 1), (0.01, 0.01))
        found.runs[0] = compared("cnn", (1, 2))
        assert "of the seeds' mean probabilities" in conclude(found)
        assert "with one seed" in conclude(found)

    @pytest.mark.parametrize(
        ("units", "reason"),
        [
            (1, "one speaker says nothing about the next"),
            (2, "with 2 speakers no sign-flip test among 1 can have a p below 0.5"),
            (5, "with 5 speakers no sign-flip test among 1 can have a p below 0.062"),
            (6, "with these 6 speakers a difference in WA below 8.0 points is found less than four times in five"),
        ],
    )
    def test_too_few_units_are_the_reason(self, units, reason):
        assert conclude(comparison((1, 1), (1, 1), units=units)) == f"Nothing may be concluded: {reason}."

    def test_cautions_come_first(self):
        for p in (0.01, 1):
            text = conclude(comparison((p, p), (1, 1), leaks=True, partial=True))
            assert text.startswith("LEAKING: PARTIAL: ")

    @given(st.lists(st.tuples(P, P, st.sampled_from([0.1, -0.1])), min_size=1, max_size=3))
    def test_of_many_the_corrected_p_decides_too(self, pairs):
        found = [
            {"system": f"net{place}", "difference": difference, "sign_flip": {"p": p, "p_holm": p_holm}}
            for place, (p, p_holm, difference) in enumerate(pairs)
        ]
        text = conclude_many(comparison_of_many(found, units=20, score="UAR"))
        better = [f"net{place}" for place, (_, p, difference) in enumerate(pairs) if p < ALPHA and difference > 0]
        worse = [f"net{place}" for place, (_, p, difference) in enumerate(pairs) if p < ALPHA and difference < 0]
        for names, word in ((better, "better"), (worse, "worse")):
            verb = "is" if len(names) == 1 else "are"
            assert (f"{word} than svm" in text) == bool(names)
            assert not names or f"{' and '.join(names)} {verb} {word} than svm" in text
        assert text.startswith("Nothing may be concluded" if not better + worse else "In UAR, ")
        sure = len(better + worse)
        assert ("of the others nothing may be concluded" in text) == (0 < sure < len(pairs))
        assert f"Holm over {len(pairs)} pairs" in text

    def test_a_pair_without_a_test_is_not_counted(self):
        pair = {"system": "net", "difference": 0.1, "sign_flip": {"p": 0.01, "p_holm": 0.01}}
        found = comparison_of_many([pair, {"system": "other", "difference": 0.1, "sign_flip": None}])
        assert "In WA, net is better than svm over these 10 speakers, by sign flips with Holm over 1 pairs" in (
            conclude_many(found)
        )


def test_a_confidence_that_rounding_put_above_1_is_in_the_last_bin():
    (last,) = reliability([np.nextafter(1.0, 2.0)], [True], bins=15)
    assert (last["low"], last["high"]) == (14 / 15, 1.0)


def test_a_difference_has_its_sign_and_none_is_a_dash():
    told = [_signed(Score("WA"), difference, 1) for difference in (0.021, -0.021, 0.0, None)]
    assert told == ["+2.1", "\N{MINUS SIGN}2.1", "0.0", "\N{EN DASH}"]


@pytest.mark.parametrize("length", [0, 59, 60, 61, 80])
def test_a_long_value_is_told_in_60_characters(length):
    text = "ab" * (length // 2) + "c" * (length % 2)
    told = _brief(text)
    assert len(told) == min(len(text), 60)
    assert told == text or text.startswith(told.removesuffix("..."))


class TestLeaks:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch):
        monkeypatch.setattr(statistics, "DRAWS", 50)
        monkeypatch.setattr(report, "calibration", lambda *_: None)

    @pytest.mark.parametrize("caution", [{"transductive": True, "normalisation": "speaker"}, {"leaks": True}])
    def test_the_reference_neither_leaks_nor_is_transductive_wherever_it_stands(self, tmp_path, caution):
        dishonest = write_system(tmp_path / "a" / "loso", 3.0, {"normalisation": "x"}, **caution)
        honest = write_system(tmp_path / "b" / "loso", 1.0)
        for folders in ([dishonest, honest], [honest, dishonest]):
            table = {row[0]: row[-2:] for row in rows(leak_table(folders))}
            assert table["`b`"] == ["–", "–"]
            assert all("**" in cell for cell in table["`a`"])

    @pytest.mark.parametrize("caution", [{"transductive": True}, {"leaks": True}])
    def test_without_one_there_is_no_table(self, tmp_path, caution):
        with pytest.raises(SerError, match="no run of the same system that neither leaks nor is transductive"):
            leak_table([write_system(tmp_path / "a" / "loso", 1.0, **caution)])


class TestUnits:
    @pytest.mark.parametrize("decibels", [1.0, 6.0, 20.0])
    @pytest.mark.parametrize(("drawn", "share"), [(0.0, -1.0), (0.5, 0.0), (1.0, 1.0), (0.75, 0.5)])
    def test_a_gain_is_in_decibels_of_power(self, monkeypatch, decibels, drawn, share):
        monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, drawn))
        power = torch.rand(2, 3, 4) + 1
        louder, _ = RandomGain(decibels)(power.log(), torch.tensor([3, 2]))
        torch.testing.assert_close(louder.exp(), power * 10 ** (share * decibels / 10))

    @given(st.integers(1, 3000), st.data())
    def test_relative_lengths_of_foreign_frames_give_back_their_counts(self, time, data):
        """n / time frames are n frames, whatever float32 makes of it: they are rounded, never cut."""
        counts = torch.tensor(data.draw(st.lists(st.integers(1, time), min_size=1, max_size=5)))
        lengths = (counts / time).float()
        assert frame_counts(lengths, torch.zeros(len(counts), time, 1)).tolist() == counts.tolist()

    @pytest.mark.parametrize(("length", "expected"), [(0.26, 3), (0.24, 2), (0.96, 10), (0.94, 9), (0.01, 1), (1, 10)])
    def test_lengths_between_frames_go_to_the_nearest_and_none_is_empty(self, length, expected):
        assert frame_counts(torch.tensor([float(length)]), torch.zeros(1, 10, 4)).tolist() == [expected]

    @given(st.integers(160, 200000), st.sampled_from([80, 160, 256]), st.data())
    def test_relative_lengths_of_our_frames_give_the_frames_of_that_many_samples(self, samples, hop, data):
        own = data.draw(st.integers(1, samples))
        count_frames = partial(LogPowerSpectrogram(hop_length=hop / 16).frame_counts, samples=samples)
        frames = remember_wave(torch.zeros(1, 1 + samples // hop, 1), count_frames)
        length = (torch.tensor([own], dtype=torch.float32) / samples).clamp(max=1)
        assert frame_counts(length, frames).tolist() == [1 + own // hop]

    def test_no_lengths_are_full_lengths(self):
        assert frame_counts(None, torch.zeros(2, 7, 1)).tolist() == [7, 7]


class OnGpu(torch.Tensor):
    """A tensor that says it is on a GPU: the way without a look at the numbers, on any machine."""

    is_cuda = True


@pytest.mark.parametrize("further", [(), (2,), (2, 3)])
def test_padding_is_cleared_in_the_same_way_on_a_gpu(further):
    counts, frames = torch.tensor([3, 1]), torch.ones(2, 3, *further)
    expected = torch.tensor([[1.0, 1, 1], [1, 0, 0]]).view(2, 3, *[1] * len(further)).expand(2, 3, *further)
    for kind in (torch.Tensor, OnGpu):
        given_frames = frames.clone().as_subclass(kind)
        cleared = clear_padding(given_frames, counts)
        assert cleared is given_frames
        assert torch.equal(cleared.as_subclass(torch.Tensor), expected)


def test_on_a_gpu_lengths_are_not_looked_at():
    wrong = torch.tensor([12])
    with pytest.raises(SerError, match=r"1\.\.10"):
        frame_counts(wrong, torch.zeros(1, 10, 1))
    assert frame_counts(wrong, torch.zeros(1, 10, 1).as_subclass(OnGpu)).tolist() == [12]


def test_counts_are_one_per_item():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        clear_padding(torch.ones(2, 3), torch.tensor([3]))


@given(st.integers(0, 10**6))
def test_a_correlation_stays_within_its_bounds_whatever_rounding_does(seed):
    numbers = np.random.default_rng(seed).normal(size=12)
    assert 1 >= pearson(numbers, 3 * numbers) == pytest.approx(1)
    assert -1 <= pearson(numbers, -3 * numbers) == pytest.approx(-1)


def test_drawn_flips_are_the_same_in_every_call():
    differences = np.random.default_rng(3).normal(0.3, 1, EXACT + 3)
    assert sign_flip(differences) == sign_flip(differences, seed=0)
    assert sign_flip(differences)["p"] != sign_flip(differences, seed=1)["p"]


def test_sixteen_differences_are_counted_and_seventeen_are_drawn():
    for n, flips, exact in ((16, 65_536, True), (17, 50_000, False)):
        found = sign_flip(np.ones(n))
        assert (found["n"], found["flips"], found["exact"]) == (n, flips, exact)


@pytest.mark.parametrize("systems", [3, 5])
def test_friedman_has_one_degree_of_freedom_less_than_systems(systems):
    generator = np.random.default_rng(systems)
    assert friedman(generator.random((6, systems)))["df"] == systems - 1
    assert friedman(np.ones((6, systems)))["df"] == systems - 1


def test_two_folds_and_two_speakers_are_enough():
    assert friedman([[0.9, 0.5, 0.1]] * 2)["mean_ranks"] == [1, 2, 3]
    assert detectable_by_t(0.1, 2) > 0
    assert detectable_by_t(0.1, 1) is None


def test_a_confidence_at_the_threshold_is_answered():
    for step in range(20):
        row = coverage([step / 20], [True])[step]
        assert row == {"abstain_below": step / 20, "coverage": 1.0, "accuracy": 1.0}


def test_the_warning_of_a_constant_names_the_line_that_asked():
    with pytest.warns(ConstantWarning) as caught:
        regression_metrics([1.0, 1.0], [0.5, 1.5], "plain")
    assert [warning.filename for warning in caught] == [__file__]


def test_a_temperature_needs_one_utterance_and_no_more():
    assert np.isfinite(fit_temperature([[0.7, 0.3]], [0]))
    for probabilities, true in ((np.zeros((0, 2)), []), ([[0.7, 0.3]], [0, 1]), ([0.7, 0.3], [0, 1])):
        with pytest.raises(SerError, match="as many true classes, at least one"):
            fit_temperature(probabilities, true)


@pytest.mark.parametrize("n", [1, 10, 200])
def test_systems_that_always_agree_are_never_told_apart(n):
    assert mcnemar_power(0.0, n, 0.0) == 0


@pytest.mark.parametrize("score", [confusion, classification_metrics])
def test_every_score_refuses_a_prediction_of_no_class(score):
    with pytest.raises(SerError, match="neutral"):
        score(["joy", "fear"], ["joy", "neutral"], ["fear", "joy"])


@pytest.mark.parametrize("side", [1, -1])
def test_numbers_beyond_the_scale_of_chsims_count_as_its_ends(side):
    true = [side * number for number in (0.9, 0.5, 0.2)]
    beyond, at_the_end = ([side * number for number in (end, 0.5, 0.2)] for end in (1.7, 1.0))
    assert regression_metrics(true, beyond, "chsims") == regression_metrics(true, at_the_end, "chsims")
    assert regression_metrics(true, beyond, "chsims")["MAE"] == pytest.approx(0.1 / 3)
    assert regression_metrics(beyond, true, "chsims") == regression_metrics(at_the_end, true, "chsims")


def test_time_warp_on_a_gpu_is_as_long_as_it_can_get():
    frames, counts = torch.randn(2, 40, 3), torch.tensor([40, 20])
    torch.manual_seed(5)
    expected, new_counts = TimeWarp(0.5)(frames, counts)
    torch.manual_seed(5)
    warped, same_counts = TimeWarp(0.5)(frames.as_subclass(OnGpu), counts)
    assert same_counts.tolist() == new_counts.tolist()
    assert warped.shape == (2, 80, 3)
    torch.testing.assert_close(warped.as_subclass(torch.Tensor)[:, : expected.shape[1]], expected)
    assert not warped.as_subclass(torch.Tensor)[:, expected.shape[1] :].any()


@pytest.mark.parametrize(("drawn", "factor"), [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5)])
def test_a_warp_is_as_much_slower_as_faster(monkeypatch, drawn, factor):
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, drawn))
    ramp = torch.arange(40.0).repeat(2, 1)[..., None]
    warped, counts = TimeWarp(0.5)(ramp, torch.tensor([40, 20]))
    assert counts.tolist() == [1 + int(39 / factor), 1 + int(19 / factor)]
    torch.testing.assert_close(warped[0, : counts[0], 0], factor * torch.arange(float(counts[0])))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("abc")), min_size=1, max_size=6))
def test_scores_of_the_bootstrap_are_those_of_the_table_however_few_utterances(answers):
    true, predicted = zip(*answers, strict=True)
    expected = classification_metrics(true, predicted, list("abc"))
    found = pooled_scores(np.array(expected["confusion"]))
    assert {name: float(value) for name, value in found.items()} == pytest.approx({n: expected[n] for n in found})
