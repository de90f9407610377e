"""Laws of emotion per turn and per speaker, and of the files that say who speaks when."""

import json

import hypothesis.strategies as st
import numpy as np
import pytest
from fake_run import CLASSES, random_modules, tone, write_wav
from hypothesis import given

from ser_plugins.classifier import RegressionHead
from ser_plugins.cli.formats import turns_textgrid
from ser_plugins.cli.timeline_picture import timeline_figure
from ser_plugins.corpora.rttm import Span, of_recording, read_spans, rttm_line
from ser_plugins.errors import SerError
from ser_plugins.inference import EmotionClassifier, SentimentRegressor
from ser_plugins.inference.timeline import timeline
from ser_plugins.inference.turns import _overlaps, by_speaker, predict_turns

TURNS = [(0.25, 2.5, "Ann"), (2.0, 7.5, "Ben"), (7.75, 8.0, "Ann"), (8.5, 9.5, "Ann")]


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(random_modules(), CLASSES)


@pytest.fixture(scope="module")
def wave():
    """Ten seconds of changing pitch that end in silence."""
    wave = np.concatenate([tone(1.0, pitch=pitch) for pitch in np.linspace(90, 400, 10)])
    wave[8 * 16000 :] = 0
    return wave


@pytest.fixture(scope="module")
def recording(wave, tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("turns") / "talk.wav", wave)


@pytest.fixture(scope="module")
def judged(classifier, recording):
    return predict_turns(classifier, recording, TURNS)


def test_a_turn_of_one_window_is_judged_as_the_file_cut_out(classifier, wave, judged, tmp_path):
    alone = classifier.predict_file(write_wav(tmp_path / "a.wav", wave[4000:40000]))
    assert judged[0].label == alone.label
    assert judged[0].probabilities == pytest.approx(alone.probabilities, abs=1e-4)


def test_a_long_turn_is_the_mean_over_time_of_its_cells_as_a_timeline_has_them(classifier, wave, judged, tmp_path):
    long = judged[1]
    assert [cell.start for cell in long.cells[:1]] == [2.0]
    assert long.cells[-1].end == 7.5
    cut = write_wav(tmp_path / "a.wav", wave[32000:120000])
    alone = timeline(classifier, cut)  # the tones of this recording have no pauses
    assert [cell.end - 2.0 for cell in long.cells] == pytest.approx([cell.end for cell in alone.cells])
    seconds = np.array([cell.end - cell.start for cell in long.cells])
    for name in CLASSES:
        values = [cell.probabilities[name] for cell in long.cells]
        assert values == pytest.approx([cell.probabilities[name] for cell in alone.cells], abs=1e-4)
        assert long.probabilities[name] == pytest.approx(np.dot(values, seconds) / seconds.sum())


def test_turns_that_cannot_be_judged_say_why(judged):
    assert [turn.remark for turn in judged] == ["", "", "too short", "no speech"]
    assert [turn.label is None for turn in judged] == [False, False, True, True]
    assert judged[2].probabilities is judged[3].probabilities is None


def test_the_order_of_turns_and_the_batch_change_nothing(classifier, recording, judged):
    turned = predict_turns(classifier, recording, TURNS[::-1], batch_size=1)[::-1]
    for one, other in zip(judged, turned, strict=True):
        assert one[:4] + one[6:8] == other[:4] + other[6:8]
        assert (one.probability or 0) == pytest.approx(other.probability or 0, abs=1e-5)


def test_it_is_told_how_much_has_passed(classifier, recording):
    for follow, options in ((timeline, {}), (predict_turns, {"turns": TURNS})):
        told = []
        follow(classifier, recording, passed=told.append, **options)
        assert told == sorted(told)
        assert told[-1] == pytest.approx(10.0)


def test_what_is_too_unsure_is_not_named(recording):
    doubtful = EmotionClassifier(random_modules(), CLASSES, abstain_below=1.0)
    first, *_ = turns = predict_turns(doubtful, recording, TURNS)
    assert (first.label, first.remark) == (None, "unsure")
    assert first.probability == max(first.probabilities.values())
    (ann, _) = by_speaker(turns, CLASSES)
    assert ann.judged > 0 == sum(ann.durations.values())
    followed = timeline(doubtful, recording, window=1.0)
    assert {segment.label for segment in followed.segments} == {None}
    assert [segment.probability is None for segment in followed.segments] == [False, True]
    names = [text.get_text().rpartition(" ")[0] for text in timeline_figure(followed).legends[0].get_texts()]
    assert sorted(names) == ["no speech", "unsure"]


def test_speakers_add_their_turns_up(judged):
    ann, ben = by_speaker(judged, CLASSES)
    assert (ann.speaker, ann.turns, ben.turns) == ("Ann", 3, 1)
    assert ann.seconds == pytest.approx(2.25 + 0.25 + 1.0)
    assert ann.judged == pytest.approx(2.25)
    assert ann.overlap == ben.overlap == pytest.approx(0.5)
    for speaker in (ann, ben):
        assert list(speaker.durations) == CLASSES
        assert sum(speaker.durations.values()) == pytest.approx(speaker.judged)
        assert sum(speaker.shares.values()) == pytest.approx(1)
    assert ben.probabilities == pytest.approx(judged[1].probabilities)


def test_sentiment_has_turns_and_speakers_too(recording):
    modules = random_modules()
    modules["classifier"] = RegressionHead(16, low=-3.0, high=3.0)
    turns = predict_turns(SentimentRegressor(modules, "mosi"), recording, TURNS)
    assert [turn.score is None for turn in turns] == [False, False, True, True]
    ann, ben = by_speaker(turns, ["negative", "positive"])
    assert ann.probabilities is None
    assert ben.score == pytest.approx(turns[1].score)
    assert len(timeline_figure(turns).axes) == 2


def test_a_lane_per_speaker_shows_what_was_too_short(judged):
    figure = timeline_figure(judged, "talk.wav")
    assert [axes.get_ylabel() for axes in figure.axes] == ["Ann", "Ben"]
    assert turns_textgrid(judged, 10.0).count("intervals [") == 7 + 3
    moment = judged[0]._replace(start=4.0, end=4.0, speaker="Cem")
    assert turns_textgrid([*judged, moment], 10.0).count("xmax = 10.0") == 4 + 3
    assert any(text.get_text().startswith("too short") for text in figure.legends[0].get_texts())


turns = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 8), st.sampled_from("abc")).map(
        lambda turn: Span(turn[0], turn[0] + turn[1], turn[2])
    ),
    max_size=6,
)


@given(turns)
def test_overlaps_are_those_counted_second_by_second(turns):
    expected = [
        sum(
            any(other.name != turn.name and other.start <= second < other.end for other in turns)
            for second in range(turn.start, turn.end)
        )
        for turn in turns
    ]
    assert _overlaps(turns) == expected


@given(turns.filter(len))
def test_rttm_and_csv_and_json_read_back(tmp_path_factory, turns):
    folder = tmp_path_factory.mktemp("spans")
    rows = [{"file": "a/talk.wav", "start": one.start, "end": one.end, "speaker": one.name} for one in turns]
    lines = [f"{row['file']},{row['start']},{row['end']},{row['speaker']}" for row in rows]
    rttm = [rttm_line(one._replace(file="talk")) for one in turns]
    written = {
        "t.rttm": ";; a comment\nSPKR-INFO talk 1 <NA> <NA> <NA> unknown a <NA>\n" + "\n".join(rttm),
        "t.csv": "file,start,end,speaker\n" + "\n".join(lines),
        "t.json": json.dumps(rows),
        "t.jsonl": "\n".join(map(json.dumps, rows)),
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
        assert [span[:4] for span in read_spans(folder / name)] == [(*one[:3], "talk") for one in turns]


GOOD = "SPEAKER talk 1 0.5 1.0 <NA> <NA> Ann <NA> <NA>\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.rttm", GOOD + "SPEAKER talk 1 0.5 1.0 <NA>\n", "line 2: 6 fields"),
        (
            "a.rttm",
            "speaker talk 1 0.5 1.0 <NA> <NA> Ann <NA> <NA>\n",
            "line 1: 10 fields, the first of them 'speaker'",
        ),
        ("a.rttm", GOOD + GOOD.replace("1.0", "-1.0"), "line 2: duration -1.0"),
        ("a.rttm", GOOD.replace("0.5", "nan"), "line 1: start nan"),
        ("a.rttm", GOOD.replace("0.5", "soon"), "line 1: start soon"),
        ("a.rttm", GOOD.replace("1.0", "inf"), "line 1: duration inf"),
        ("a.rttm", "\n;; nothing\n", "nothing in it"),
        ("a.csv", "start,end,speaker\n0,1,Ann\n3,2,Ben\n", "line 3: from 3 to 2 s"),
        ("a.csv", "start,end,speaker\n0,1\n", "line 2: 2 columns"),
        ("a.csv", "start,stop,speaker\n0,1,Ann\n", "no column end"),
        ("a.csv", "start,end,speaker\n0,,Ann\n", "line 2: end "),
        ("a.json", '{"start": 0}', "expected: a list of objects"),
        ("a.json", '[{"start": 0, "end": 1}]', "object 1: "),
        ("a.json", '[{"start": true, "end": 1, "speaker": "Ann"}]', "object 1: start True"),
        ("a.json", '[{"start": 0, "end": 1, "speaker": ["Ann"]}]', "object 1: speaker ['Ann']"),
        ("a.jsonl", '{"start": 0, "end": 1, "speaker": "Ann"}\n{', "line 2: "),
    ],
)
def test_a_bad_line_is_told_by_its_number(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SerError) as caught:
        read_spans(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_turns_beyond_the_recording_or_of_another_one_are_told(classifier, recording, tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text(GOOD + GOOD.replace("0.5", "9.5"), encoding="utf-8")
    with pytest.raises(SerError, match=r"a\.rttm, line 2: Ann from 9.5 to 10.5 s; expected: .* within the 10.00 s"):
        predict_turns(classifier, recording, read_spans(path))
    path.write_text(GOOD.replace("talk", "other"), encoding="utf-8")
    with pytest.raises(SerError, match=r"a\.rttm, line 1: of the recording other; expected: turns of talk"):
        of_recording(read_spans(path), recording)
    for turn, message in (((0.0, 1.0, ""), "0 to 1 s, of nobody"), ((1.0, 1.0, "Ann"), "turns of 0 s alone")):
        with pytest.raises(SerError, match=message):
            predict_turns(classifier, recording, [turn])
    (rounded,) = predict_turns(classifier, recording, [(9.9, 10.05, "Ann")])  # as diarisers round
    assert rounded.end == 10.0
