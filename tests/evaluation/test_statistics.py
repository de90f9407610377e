import math
from itertools import chain

import numpy as np
import pytest

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics import intervals as statistics
from ser_plugins.evaluation.metrics.classification import classification_metrics, confusion
from ser_plugins.evaluation.metrics.intervals import majority_baseline, speaker_bootstrap, wilson_interval

CLASSES = ["anger", "fear", "neutral"]


def labels_by_speaker(seed, speakers, n=20, classes=CLASSES):
    generator = np.random.default_rng(seed)
    people = []
    for _ in range(speakers):
        true = generator.choice(classes, n)
        right = generator.random(n) < generator.uniform(0.4, 0.9)
        people.append((true.tolist(), np.where(right, true, generator.choice(classes, n)).tolist()))
    return people


def pool(people):
    return [list(chain.from_iterable(side)) for side in zip(*people, strict=True)]


def confusions_of(seeds):
    return [[confusion(true, predicted, CLASSES) for true, predicted in people] for people in seeds]


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (10, 10), (1, 3), (382, 535), (476, 535)])
def test_wilson_agrees_with_the_formula(correct, n):
    p, z = correct / n, 1.959963984540054
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [max(0, (centre - half) / (1 + z * z / n)), min(1, (centre + half) / (1 + z * z / n))]
    assert wilson_interval(p, n) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("accuracy", "n"), [(1.1, 10), (-0.1, 10), (float("nan"), 10), (0.5, 0)])
def test_wilson_refuses_what_is_no_accuracy(accuracy, n):
    with pytest.raises(SerError, match=r"expected: a fraction in 0..1 over at least one utterance"):
        wilson_interval(accuracy, n)


@pytest.mark.parametrize("seeds", [1, 3])
def test_bootstrap_agrees_with_its_slow_twin(seeds, monkeypatch):
    """The twin repeats the utterances of the drawn speakers and calls the metrics anew for every draw."""
    speakers, draws = 4, 60
    monkeypatch.setattr(statistics, "DRAWS", draws)
    runs = [labels_by_speaker(seed, speakers) for seed in range(seeds)]
    fast = speaker_bootstrap(confusions_of(runs), seed=7)
    generator, scores = np.random.default_rng(7), []
    for _ in range(draws):
        times = generator.multinomial(speakers, [1 / speakers] * speakers)
        drawn = [speaker for speaker, count in enumerate(times) for _ in range(count)]
        of_seeds = []
        for people in runs:
            metrics = classification_metrics(*pool(people[speaker] for speaker in drawn), CLASSES)
            of_seeds.append((metrics["UAR"], metrics["macro_F1"]))
        scores.append(np.mean(of_seeds, axis=0))
    low, high = np.quantile(scores, [0.025, 0.975], axis=0)
    assert fast["UAR"] == pytest.approx([low[0], high[0]], abs=1e-12)
    assert fast["macro_F1"] == pytest.approx([low[1], high[1]], abs=1e-12)


def test_bootstrap_is_repeatable_and_contains_the_estimate():
    people = labels_by_speaker(3, speakers=10)
    intervals = speaker_bootstrap(confusions_of([people]))
    assert intervals == speaker_bootstrap(confusions_of([people]))
    assert intervals != speaker_bootstrap(confusions_of([people]), seed=1)
    pooled = classification_metrics(*pool(people), CLASSES)
    for name, (low, high) in intervals.items():
        assert low < pooled[name] < high
        assert type(low) is float


def test_equal_speakers_leave_nothing_to_vary():
    interval = speaker_bootstrap([[[[8, 2], [3, 7]]] * 5])["UAR"]
    assert interval == pytest.approx([0.75, 0.75])


def test_draw_without_a_class_takes_the_mean_over_the_others():
    """Speaker 2 alone has the second class; draws of speaker 1 only have a UAR over one class."""
    intervals = speaker_bootstrap([[[[4, 0], [0, 0]], [[0, 4], [0, 4]]]])
    assert intervals["UAR"] == pytest.approx([0.5, 1.0])


def test_one_speaker_cannot_be_resampled():
    with pytest.raises(SerError, match="got: 1 speaker; expected: at least two speakers"):
        speaker_bootstrap([[[[8, 2], [3, 7]]]])


def test_majority_baseline_is_the_score_of_a_constant():
    true = ["fear"] * 5 + ["anger"] * 3 + ["neutral"] * 2
    baseline = majority_baseline(true, CLASSES)
    assert baseline["class"] == "fear"
    assert [baseline[name] for name in ("WA", "UAR", "macro_F1")] == pytest.approx([0.5, 1 / 3, 2 * 0.5 / 1.5 / 3])
