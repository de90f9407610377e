"""The synthetic corpora: same seed, same bytes; speech-like enough to tell emotions apart."""

import numpy as np
import pytest
import soundfile

from ser_plugins.corpora.sounds import measure_wavs
from ser_plugins.corpora.toy.emodb import write_toy_emodb
from ser_plugins.corpora.toy.sentiment import write_toy_chsims, write_toy_mosi
from ser_plugins.corpora.toy.synth import STYLES, make_sentence, make_speaker, speak
from ser_plugins.errors import SerError

TINY = {"speakers": 2, "sentences": 1, "syllables": 3}


def hashes(folder):
    return {name: sound.sha256 for name, sound in measure_wavs(folder / "wav").items()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_toy_emodb(tmp_path_factory.mktemp("toy") / "emodb", **TINY)


def test_names_and_quirks_are_those_of_emodb(corpus):
    assert sorted(hashes(corpus)) == sorted(
        [f"03a01{letter}a.wav" for letter in "WLEAFTN"] + [f"08a01{letter}a.wav" for letter in "WLAFTN"]
    )  # 08 has no disgust
    lines = (corpus / "erkennung.txt").read_text(encoding="latin-1").splitlines()
    assert len(lines) == 1 + 2 * 2 * 7
    assert lines[1].split("\t")[:2] == ["1\xa0\xa0", "03a01Wa.wav"]
    assert all(len(line.split("\t")[2]) == 10 and ",00\xa0" in line for line in lines[1:])


def test_the_same_seed_gives_the_same_bytes(corpus, tmp_path):
    again = write_toy_emodb(tmp_path / "again", **TINY)
    for path in corpus.rglob("*.*"):
        assert path.read_bytes() == (again / path.relative_to(corpus)).read_bytes()


def test_another_seed_gives_other_recordings(corpus, tmp_path):
    other = write_toy_emodb(tmp_path / "other", **TINY, seed=1)
    assert not set(hashes(corpus).values()) & set(hashes(other).values())


def test_a_smaller_corpus_is_a_part_of_a_larger_one(corpus, tmp_path):
    part = write_toy_emodb(tmp_path / "part", **{**TINY, "speakers": 1}, emotions=("fear", "neutral"))
    assert hashes(part).items() <= hashes(corpus).items()
    assert len(hashes(part)) == 2


def test_every_file_is_sound_and_no_two_are_the_same(corpus):
    sounds = measure_wavs(corpus / "wav")
    assert all((sound.sample_rate, sound.channels) == (16000, 1) for sound in sounds.values())
    assert len({sound.audio_sha256 for sound in sounds.values()}) == len(sounds)
    for name in sounds:
        wave, _ = soundfile.read(corpus / "wav" / name)
        assert 0.005 < wave.std() < 0.3
        assert np.abs(wave).max() < 1


def test_emotions_differ_as_their_styles_say():
    def say(emotion):
        takes = []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            sentence, speaker = make_sentence(5, rng), make_speaker("female", rng)
            takes.append(speak(sentence, speaker, emotion, rng) / 32768)
        return takes

    anger, sadness = say("anger"), say("sadness")
    assert np.mean([len(take) for take in sadness]) > 1.2 * np.mean([len(take) for take in anger])
    assert np.mean([take.std() for take in anger]) > 2 * np.mean([take.std() for take in sadness])
    assert set(STYLES) == {"anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"}


def test_writing_again_touches_nothing(corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*.*")}
    write_toy_emodb(corpus, **TINY)
    assert before == {path: path.stat().st_mtime_ns for path in corpus.rglob("*.*")}


def test_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ser_plugins.corpora.toy.writing.sha256_of", stop)
    with pytest.raises(KeyboardInterrupt):
        write_toy_emodb(tmp_path / "emodb", **TINY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_is_left_alone(corpus, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SerError, match=r"holds thesis\.txt; expected: a new folder"):
        write_toy_emodb(tmp_path, **TINY)
    with pytest.raises(SerError, match="expected: a new folder, or one with the same synthetic corpus"):
        write_toy_emodb(corpus, **TINY, seed=5)
    with pytest.raises(SerError, match="a file; expected: a folder"):
        write_toy_emodb(tmp_path / "thesis.txt", **TINY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speakers": 11}, "got: speakers=11; expected: 1 to 10"),
        ({"sentences": 0}, "got: sentences=0; expected: 1 to 10"),
        ({"syllables": 0}, "got: syllables=0"),
        ({"emotions": ("joy",)}, r"got: emotions=\('joy',\); expected: some of anger, boredom"),
        ({"emotions": ()}, "expected: some of anger"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(SerError, match=message):
        write_toy_emodb(tmp_path / "emodb", **options)


SENTIMENT = {
    "mosi": lambda folder, **options: write_toy_mosi(folder, **{"videos": 3, "segments": 2, "syllables": 1} | options),
    "chsims": lambda folder, **options: write_toy_chsims(folder, **{"videos": 3, "clips": 4, "syllables": 1} | options),
}


@pytest.mark.parametrize("write", SENTIMENT.values(), ids=SENTIMENT)
def test_sentiment_is_the_same_for_the_same_seed_and_within_its_range(write, tmp_path):
    one, same, other = write(tmp_path / "1"), write(tmp_path / "2"), write(tmp_path / "3", seed=1)
    files = sorted(path.relative_to(one) for path in one.rglob("*.*") if path.is_file())
    assert all((one / path).read_bytes() == (same / path).read_bytes() for path in files)
    assert any((one / path).read_bytes() != (other / path).read_bytes() for path in files)
    assert write(one) == one


def test_the_quirks_of_mosi(tmp_path):
    folder = SENTIMENT["mosi"](tmp_path / "mosi")
    lines = (folder / "OpinionLevelSentiment.csv").read_bytes().split(b"\r\n")
    assert lines[2].split(b",")[:4] == [b"154", b"154", b"2WGyTLYerpo", b"44"]  # no header, and an empty segment
    assert soundfile.info(folder / "Audio/WAV_16000/Segmented/2WGyTLYerpo_44.wav").frames == 0
    assert b"_dI--eQ6qVU" in lines[3]
    mmsa = (SENTIMENT["mosi"](tmp_path / "mmsa", layout="mmsa") / "label.csv").read_text()
    assert {line.split(",")[2] for line in mmsa.splitlines()[1:]} == {"train", "dev", "test"}


@pytest.mark.parametrize(
    ("corpus", "options", "message"),
    [
        ("mosi", {"videos": 2}, "got: videos=2; expected: 3 or more"),
        ("mosi", {"videos": 11}, "got: videos=11; expected: 1 to 10"),
        ("mosi", {"layout": "raw"}, "got: layout='raw'; expected: published or mmsa"),
        ("mosi", {"media": "avi"}, "got: media='avi'; expected: one of wav, stereo, mp4"),
        ("chsims", {"clips": 3}, "got: videos=3, clips=3; expected: 3 and 4, or more"),
        ("chsims", {"videos": 61}, "got: videos=61; expected: 1 to 60"),
    ],
)
def test_bad_options_of_sentiment(corpus, options, message, tmp_path):
    with pytest.raises(SerError, match=message):
        SENTIMENT[corpus](tmp_path / "x", **options)
    assert not (tmp_path / "x").exists()
