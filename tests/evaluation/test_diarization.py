"""Laws of the emotion diarization error rate, and cases done by hand."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ser_plugins.corpora.rttm import Span
from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.diarization import diarization_errors, pooled

NAMES = ("neutral", "joy", "fear", "anger")
LENGTH = 20


def spans_of(*texts):
    """A letter per second and a text per layer: ``.`` for nothing."""
    names = {"n": "neutral", "j": "joy", "f": "fear", "a": "anger"}
    return [Span(k, k + 1, names[letter]) for text in texts for k, letter in enumerate(text) if letter != "."]


segments = st.lists(
    st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 6), st.sampled_from(NAMES)).map(
        lambda one: Span(one[0], min(one[0] + one[1], LENGTH), one[2])
    ),
    max_size=7,
)
whole = [(0.0, float(LENGTH))]


@pytest.mark.parametrize(
    ("reference", "estimate", "missed", "false_alarm", "confusion", "overlap"),
    [
        (["nnjjjjnn"], ["nnjjjjnn"], 0, 0, 0, 0),
        (["nnjjjjnn"], ["..jjjj.."], 0, 0, 0, 0),  # neutral and nothing are the same
        (["nnjjjjnn"], ["nnnnjjjj"], 2, 2, 0, 0),
        (["nnjjjjnn"], ["nnfffjnn"], 0, 0, 3, 0),
        (["nnjjjjnn"], ["nnjjjjnn", "...ff..."], 0, 0, 0, 2),  # the right one and another
        (["nnjjjjnn"], ["nnaaaann", "...ff..."], 0, 0, 4, 0),  # two, both wrong: counted once
        (["nnnnnnnn"], ["jjjjjjjj", "ffffffff"], 0, 8, 0, 0),
        (["jjjjjjjj"], [], 8, 0, 0, 0),
        (["jjjj....", "ffff...."], ["jjjj...f"], 4, 1, 0, 0),  # of two at once, one: a part is missed
        (["jjjj....", "ffff...."], ["jjjj....", "aaaa...."], 0, 0, 4, 0),
    ],
)
def test_cases_by_hand(reference, estimate, missed, false_alarm, confusion, overlap):
    errors = diarization_errors(spans_of(*reference), spans_of(*estimate), scored=[(0, 8)])
    assert errors == (8, missed, false_alarm, confusion, overlap)
    assert errors.eder == pytest.approx((missed + false_alarm + confusion + overlap) / 8)


def test_the_example_of_speechbrain():
    """``speechbrain.utils.EDER``: anger from 0.39 to 1.10 of 1.22 s; frames of 0.2 s, three neutral and three angry."""
    reference = [Span(0.39, 1.10, "a")]
    estimate = [Span(0.0, 0.6, "n"), Span(0.6, 1.2, "a")]
    # SpeechBrain counts what is right: 0.39 s and 0.5 s, and not the last 0.02 s, which its frames leave out.
    errors = diarization_errors(reference, estimate, neutral=["n"], scored=[(0.0, 1.22)])
    assert errors.eder == pytest.approx(0.2704918032786885 - 0.02 / 1.22)


@given(segments)
def test_it_is_zero_for_the_same(spans):
    assert diarization_errors(spans, spans, scored=whole).eder == 0


@given(segments, segments)
def test_sides_that_change_places_change_missed_and_false_alarm(reference, estimate):
    there = diarization_errors(reference, estimate, scored=whole)
    back = diarization_errors(estimate, reference, scored=whole)
    assert back.confusion == pytest.approx(there.confusion)
    assert back.missed == pytest.approx(there.false_alarm + there.overlap)
    assert there.missed == pytest.approx(back.false_alarm + back.overlap)


@given(segments, segments, st.randoms())
def test_neither_order_nor_cutting_a_segment_in_two_changes_anything(reference, estimate, random):
    cut = [
        piece
        for span in estimate
        for middle in [random.uniform(span.start, span.end)]
        for piece in (span._replace(end=middle), span._replace(start=middle))
    ]
    random.shuffle(cut)
    expected = diarization_errors(reference, estimate, scored=whole)
    assert diarization_errors(reference, cut, scored=whole) == pytest.approx(expected)


@given(segments, segments)
def test_it_is_what_counting_second_by_second_gives_and_at_most_one(reference, estimate):
    def emotions(spans, second):
        return {span.name for span in spans if span.start <= second < span.end} - {"neutral"}

    wrong = sum(emotions(reference, second) != emotions(estimate, second) for second in range(LENGTH))
    errors = diarization_errors(reference, estimate, scored=whole)
    assert errors.eder == pytest.approx(wrong / LENGTH)
    assert 0 <= errors.eder <= 1
    assert min(errors) >= 0


@given(segments, segments, st.integers(1, LENGTH - 1))
def test_scored_parts_add_up(reference, estimate, border):
    parts = [diarization_errors(reference, estimate, scored=[part]) for part in ((0, border), (border, LENGTH))]
    assert pooled(parts) == pytest.approx(diarization_errors(reference, estimate, scored=whole))


def test_without_any_time_there_is_no_rate():
    with pytest.raises(SerError, match="more than 0 s"):
        diarization_errors([], [])


def test_by_default_all_is_scored_up_to_the_last_end():
    assert diarization_errors([Span(1, 3, "joy")], [Span(2, 5, "joy")]) == (5, 1, 2, 0, 0)
