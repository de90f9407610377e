"""What ffmpeg decodes is taken wherever a wav is, all of it or none, and it leads ffmpeg to no other file."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from fake_run import CLASSES, random_modules, tone
from serving_http import running

from ser_plugins.cli.inputs import recordings
from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.sources import find_source, playable
from ser_plugins.errors import AudioError, SerError
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.explain import explain_file
from ser_plugins.inference.quality import check_recording
from ser_plugins.service.app import create_app
from ser_plugins.service.uploads import Decoding, Upload
from ser_plugins.sound import ffmpeg as room
from ser_plugins.sound.read import read_blocks, read_wave
from ser_plugins.sound.suffixes import MEDIA

RATE = 16000
WHOLE = {
    "a.m4a": "",
    "start.m4a": "-movflags +faststart",
    "fragments.mp4": "-movflags frag_keyframe+empty_moov",
    "a.aac": "",
    "a.webm": "-c:a libopus",
    "live.webm": "-c:a libopus -live 1",
    "a.mkv": "-c:a libvorbis",
    "a.mov": "",
    "a.3gp": "-c:a aac",
    "a.avi": "",
    "a.flv": "-ar 22050",
    "a.wma": "",
    "a.wv": "",
    "a.tta": "",
    "flac.oga": "-c:a flac",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two seconds of sound, in all the formats, by name."""
    try:
        program = room.find_ffmpeg()
    except SerError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("made")
    wave = tone(2.0) + np.random.default_rng(0).normal(0, 0.02, 2 * RATE)
    soundfile.write(folder / "source.wav", wave, RATE)
    for name, options in WHOLE.items():
        command = [program, "-nostdin", "-v", "error", "-i", folder / "source.wav", *options.split(), folder / name]
        subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(random_modules(), CLASSES)


def outcome(content):
    try:
        rate, blocks = read_blocks(io.BytesIO(content))
        return sum(map(len, blocks)) / rate
    except AudioError as error:
        return str(error)


@pytest.mark.parametrize("name", WHOLE)
def test_all_of_it_is_read_or_the_file_is_refused(name, made):
    content = (made / name).read_bytes()
    assert outcome(content) == pytest.approx(2.0, abs=0.12)
    for place in np.linspace(0.05, 0.95, 8) * len(content):
        assert isinstance(outcome(content[: round(place)]), str), place
    twice = outcome(content + content)
    assert isinstance(twice, str) or twice == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.aac", "flac.oga"])
def test_every_door_takes_it(name, made, classifier, tmp_path):
    path = made / name
    expected = classifier.predict_file(path).probabilities
    assert expected == pytest.approx(classifier.predict(path).probabilities)
    windows = list(classifier.classify_windows(path, window=1.0))
    assert len(windows) >= 2
    assert check_recording(path).seconds == pytest.approx(2.0, abs=0.12)
    assert explain_file(classifier, path).frames.shape[0] > 100
    decoding = Decoding(Upload(path.read_bytes()), classifier, 60)
    while (recording := decoding.advance(60)) is None:
        pass
    assert classifier.predict([recording.wave.numpy()], RATE)[0].probabilities == pytest.approx(expected, abs=1e-4)
    [utterance] = playable([Utterance("a", name, {})], made, tmp_path)
    assert soundfile.info(utterance.wav).duration == pytest.approx(2.0, abs=0.12)


def test_the_service_takes_what_telephones_and_browsers_record(made, classifier):
    """M4A with its index at the end, and WebM that nobody has told its length."""
    with running(create_app(classifier)) as service:
        for name in ("a.m4a", "live.webm"):
            reply = service.ask("/classify", (made / name).read_bytes())
            assert reply.json["duration"] == pytest.approx(2.0, abs=0.12)
            assert list(reply.json["probabilities"].values()) == pytest.approx(
                list(classifier.predict_file(made / name).probabilities.values()), abs=1e-4
            )


def test_a_recording_is_found_by_any_suffix(made):
    assert find_source(made, ["a", "b"]) == "a.mp4" if (made / "a.mp4").exists() else "a.m4a"
    assert len(set(MEDIA)) == len(MEDIA)


@pytest.mark.parametrize("suffix", ["m4a", "mp4", "ogg", "wav", "mp3", "mkv"])
def test_a_playlist_leads_to_no_other_file(suffix, made, tmp_path):
    other = made / "source.wav"
    for text in (
        f"ffconcat version 1.0\nfile '{other}'\n",
        f"#EXTM3U\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n",
        "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
        f"<?xml version='1.0'?><MPD><BaseURL>file:{other}</BaseURL></MPD>",
    ):
        path = tmp_path / f"list.{suffix}"
        path.write_text(text)
        with pytest.raises(AudioError):
            read_wave(path)


def test_ffmpeg_is_told_the_format_and_may_open_files_alone(made, monkeypatch):
    commands, start = [], subprocess.Popen

    def popen(command, **options):
        commands.append(command)
        return start(command, **options)

    monkeypatch.setattr(room.subprocess, "Popen", popen)
    read_wave(made / "a.m4a")
    [command] = commands
    before = command[: command.index("-i")]
    assert before[before.index("-protocol_whitelist") + 1] == "file,pipe"
    assert before[before.index("-f") + 1] == "mov"
    assert before[before.index("-threads") + 1] == "1"


def test_an_ffmpeg_that_does_not_answer_is_given_up(made, monkeypatch):
    monkeypatch.setattr(room, "PATIENCE", 0)
    with pytest.raises(AudioError, match=r"a\.m4a: ffmpeg has not finished after 0 s"):
        read_wave(made / "a.m4a")


def test_a_reader_that_stops_early_leaves_nothing_running(made):
    opened = room.Decoded(io.BytesIO((made / "a.m4a").read_bytes()), "mov", "a.m4a")
    folder, process = opened.folder.name, opened.process
    opened.read(100)
    del opened
    assert process.poll() is not None
    assert not os.path.exists(folder)


def test_without_ffmpeg_the_error_names_both_ways_to_get_it(made, monkeypatch):
    monkeypatch.setattr(room.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(SerError, match=r"no ffmpeg.*install ffmpeg, or: pip install 'ser-plugins\[video\]'"):
        read_wave(made / "a.m4a")
    assert len(read_wave(made / "source.wav")[0]) == 2 * RATE


def test_folders_are_searched_for_all_that_can_be_read(tmp_path, capsys):
    names = [f"sound{suffix}" for suffix in MEDIA]
    for name in [*names, "LOUD.WAV", "old.mid", "old2.mid", "dictated.dss", "notes.txt", "._a.wav"]:
        (tmp_path / name).touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "in a link.opus").touch()
    folder = tmp_path / "folder"
    folder.mkdir()
    try:
        (folder / "link").symlink_to(tmp_path, target_is_directory=True)
        (tmp_path / "other" / "back").symlink_to(tmp_path, target_is_directory=True)
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    with recordings([folder]) as found:
        assert sorted(path.name for path in found.values()) == sorted([*names, "LOUD.WAV", "in a link.opus"])
    assert capsys.readouterr().err.count("1 .dss, 2 .mid") == 1
