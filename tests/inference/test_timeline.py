import itertools
import re
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
import soundfile
import torch
from fake_run import CLASSES, random_modules, tone, write_wav
from hypothesis import given

from ser_plugins.classifier import RegressionHead
from ser_plugins.cli.formats import as_textgrid
from ser_plugins.cli.pictures import save_picture
from ser_plugins.cli.timeline_picture import BANDS, timeline_figure
from ser_plugins.errors import SerError
from ser_plugins.inference import EmotionClassifier, SentimentRegressor
from ser_plugins.inference.timeline import Segment, Timeline, as_cells, segments, smoothed, timeline, within
from ser_plugins.inference.vad import _silero, speech_spans
from ser_plugins.inference.windows import SentimentWindow, Window


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(random_modules(), CLASSES)


@pytest.fixture(scope="module")
def regressor():
    modules = random_modules()
    modules["classifier"] = RegressionHead(16, low=-3.0, high=3.0)
    return SentimentRegressor(modules, "mosi")


@pytest.fixture
def recording(tmp_path):
    """Ten seconds of changing pitch, with a pause."""
    wave = np.concatenate([tone(0.5, pitch=pitch) for pitch in np.linspace(90, 400, 20)])
    wave[4 * 16000 : 8 * 16000] = 0
    return write_wav(tmp_path / "a.wav", wave)


def windows_of(*probabilities, hop=1.0, length=3.0):
    """Windows of a made-up model with two classes; None is silence."""
    for place, joy in enumerate(probabilities):
        values = {"joy": joy, "fear": None if joy is None else 1 - joy}
        label = None if joy is None else max(values, key=values.get)
        outcome = (label, values[label], values) if label else (None, None, None)
        yield Window(place * hop, place * hop + length, *outcome)


def tiles(pieces, end):
    assert pieces[0].start == 0
    assert pieces[-1].end == end
    for one, after in itertools.pairwise(pieces):
        assert one.start < one.end == after.start


joys = st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=12)


@given(joys, st.sampled_from([1, 3, 5]), st.sampled_from([0.25, 1 / 3, 1.0, 3.0]))
def test_segments_tile_the_recording(joys, size, hop):
    windows = list(windows_of(*joys, hop=hop))
    cells = list(as_cells(smoothed(windows, size)))
    assert len(cells) == len(windows)
    tiles(cells, windows[-1].end)
    found = segments(cells)
    tiles(found, windows[-1].end)
    assert all(one.label != after.label for one, after in itertools.pairwise(found))


@given(joys, st.lists(st.floats(0, 15), max_size=8))
def test_segments_within_speech_tile_it_too_and_are_silent_elsewhere(joys, borders):
    borders = sorted({*borders[: len(borders) // 2 * 2]})
    speech = list(zip(borders[::2], borders[1::2], strict=False))
    cells = list(within(as_cells(windows_of(*joys)), speech))
    tiles(cells, len(joys) + 2)
    for cell in cells:
        inside = any(start <= (cell.start + cell.end) / 2 <= end for start, end in speech)
        assert inside or cell.label is None


@given(st.floats(0, 0.49), st.integers(1, 9), st.sampled_from([1, 3, 5]))
def test_constant_probabilities_give_one_segment(joy, count, size):
    (segment,) = segments(as_cells(smoothed(windows_of(*[joy] * count), size)))
    assert segment[:4] == (0, count + 2, "fear", pytest.approx(1 - joy))
    assert segment.probabilities == pytest.approx({"joy": joy, "fear": 1 - joy})


@given(joys, st.sampled_from([3, 5]))
def test_smoothing_is_a_mean_of_what_is_heard_nearby(joys, size):
    found = list(smoothed(windows_of(*joys), size))
    assert list(smoothed(windows_of(*joys), 1)) == list(windows_of(*joys))
    for place, window in enumerate(found):
        near = [joy for joy in joys[max(0, place - size // 2) : place + size // 2 + 1] if joy is not None]
        if joys[place] is None:
            assert window.label is None
        else:
            assert window.probabilities["joy"] == pytest.approx(np.mean(near))
            assert window.probability == max(window.probabilities.values())


def test_a_single_odd_window_is_smoothed_away():
    (segment,) = segments(as_cells(smoothed(windows_of(0.9, 0.9, 0.3, 0.9, 0.9), 3)))
    assert segment.label == "joy"


def test_a_timeline_covers_the_recording_and_leaves_the_pause_out(classifier, recording):
    found = timeline(classifier, recording)
    tiles(found.segments, 10.0)
    assert len(found.cells) == 8
    (silent,) = [one for one in found.segments if one.label is None]
    assert 4.5 <= silent.start < silent.end <= 7.5  # the windows from 4 to 7 and from 5 to 8 s


def test_two_turns_do_not_mix(classifier, tmp_path):
    """Windows that reach into the next turn are judged as if it were silence."""
    first, second, pause = tone(2.5, pitch=140.0), tone(2.5, pitch=330.0), np.zeros(8000, "float32")
    both = write_wav(tmp_path / "both.wav", np.concatenate([first, pause, second]))
    alone = write_wav(tmp_path / "alone.wav", np.concatenate([first, pause, 0 * second]))
    cells = [timeline(classifier, path, smooth=1).cells[:2] for path in (both, alone)]  # from 0 to 3 and from 1 to 4 s
    assert [cell.probabilities for cell in cells[0]] == [
        pytest.approx(cell.probabilities, abs=1e-5) for cell in cells[1]
    ]


def test_a_timeline_of_sentiment_has_polarities_and_scores(regressor, recording):
    found = timeline(regressor, recording)
    tiles(found.segments, 10.0)
    assert {one.polarity for one in found.segments} <= {None, "negative", "positive"}
    for one in found.segments:
        assert (one.polarity is None) == (one.score is None)
    plain = timeline(SentimentRegressor(regressor.modules, "plain"), recording)
    assert len(plain.segments) == sum(cell.score is not None for cell in plain.cells) + 1  # without polarity: cells


def test_scores_of_both_signs_get_the_polarity_of_their_mean(regressor):
    windows = [SentimentWindow(k, k + 1, score, None) for k, score in enumerate((-1.0, 2.0, -0.5))]
    assert [one.polarity for one in smoothed(windows, 3, regressor)] == ["positive"] * 3


def test_impossible_options_are_told(classifier, recording):
    for options in ({"smooth": 2}, {"smooth": 0}, {"hop": 4.0}):
        with pytest.raises(SerError, match="an odd number of windows"):
            timeline(classifier, recording, **options)


# Written down


def read_textgrid(text):
    """Tiers by name: lists of (start, end, text); by the syntax in Praat's manual."""
    assert text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = ')
    tiers = {}
    for tier in re.split(r"item \[\d+\]:", text)[1:]:
        name = re.search(r'name = "(.*)"', tier)[1]
        found = re.findall(r'intervals \[\d+\]:\s+xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"', tier)
        assert int(re.search(r"intervals: size = (\d+)", tier)[1]) == len(found)
        tiers[name] = [(float(start), float(end), text.replace('""', '"')) for start, end, text in found]
    return tiers


def test_a_textgrid_reads_back_equal():
    written = [
        Segment(0.0, 1 / 3, 'a "b"', 0.5, {}),
        Segment(1 / 3, 2.0, None, None, None),
        Segment(2.0, 3.0, "größe", 0.25, {}),
    ]
    found = read_textgrid(as_textgrid(written))
    assert found["emotion"] == [(one.start, one.end, one.label or "") for one in written]
    assert [text for _, _, text in found["probability"]] == ["0.500", "", "0.250"]


def test_pictures_are_drawn_of_both_kinds_and_of_silence(classifier, regressor, recording, tmp_path):
    for model in (classifier, regressor):
        save_picture(timeline_figure(timeline(model, recording)), tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes()[1:4] == b"PNG"
        (tmp_path / "a.png").unlink()
    silent = write_wav(tmp_path / "silent.wav", np.zeros(64000))
    assert [one[2:] for one in timeline(classifier, silent).segments] == [(None, None, None)]
    save_picture(timeline_figure(timeline(classifier, silent)), tmp_path / "silent.png")


@pytest.mark.parametrize(("hours", "rows"), [(1 / 120, 1), (1 / 3, 1), (3, 3)])
def test_minutes_and_hours_are_bands_that_can_be_seen(hours, rows):
    """A second each, an emotion every two minutes with another in every fifth second, and silence in between."""
    count = round(3600 * hours)
    values = [None if place % 600 >= 400 else (place // 120 + (place % 5 == 4)) % 2 for place in range(count)]
    cells = list(windows_of(*values, length=1.0))
    figure = timeline_figure(Timeline(cells, segments(cells)))
    assert len(figure.axes) == rows
    for axes in figure.axes:
        bands = axes.patches
        assert len(bands) <= BANDS
        assert sum(band.get_width() for band in bands) == pytest.approx(count / rows)  # silence is drawn, too
        assert axes.get_xlim()[1] - axes.get_xlim()[0] == pytest.approx(count / rows)
    shares = {text.get_text().rpartition(" ")[0] for text in figure.legends[0].get_texts()}
    assert shares == ({"joy", "fear", "no speech"} if count > 400 else {"joy", "fear"})


# Speech


def test_without_the_package_the_error_says_what_to_do(recording, monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad", None)
    with pytest.raises(SerError, match=r"no package silero-vad.*ser-plugins\[vad\]"):
        speech_spans(recording)


def test_noise_and_silence_are_no_speech(tmp_path):
    pytest.importorskip("silero_vad", reason="extra vad is not installed")
    threads = torch.get_num_threads()
    wave = np.random.default_rng(0).normal(0, 0.01, 3 * 44100)
    wave[44100:] = 0
    soundfile.write(tmp_path / "a.wav", wave, 44100)
    assert speech_spans(tmp_path / "a.wav") == []
    assert torch.get_num_threads() == threads


def test_speech_found_block_by_block_is_that_of_the_whole(toy_emodb, tmp_path):
    silero_vad = pytest.importorskip("silero_vad", reason="extra vad is not installed")
    waves = [np.concatenate([soundfile.read(path)[0], np.zeros(12345)]) for path in sorted(toy_emodb.glob("wav/*"))[:6]]
    path = write_wav(tmp_path / "a.wav", np.concatenate(waves))
    model, _ = _silero()
    whole = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    expected = silero_vad.get_speech_timestamps(whole, model)
    assert len(expected) > 1
    assert speech_spans(path) == [(span["start"] / 16000, span["end"] / 16000) for span in expected]
