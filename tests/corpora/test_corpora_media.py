"""Sources of any kind become 16 kHz mono wavs, once: the filter of inference, nothing half done, all failures told."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from ser_plugins.corpora import audio_cache
from ser_plugins.corpora.audio_cache import cache_audio
from ser_plugins.errors import SerError
from ser_plugins.sound import convert as media
from ser_plugins.sound import ffmpeg as ffmpeg_room
from ser_plugins.sound.read import read_wave


@pytest.fixture(scope="module")
def ffmpeg():
    """The real one: on PATH, or out of imageio-ffmpeg (extra `dev`)."""
    try:
        return ffmpeg_room.find_ffmpeg()
    except SerError as error:
        pytest.skip(str(error))


def tone(rate, seconds=0.5, channels=1, frequency=440):
    wave = 0.3 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)
    return np.stack([wave] * channels, axis=1)  # (samples, channels)


def film(path, ffmpeg, *, sound=True):
    """Write a video of half a second with 48 kHz stereo sound, or silent film."""
    inputs = ["-f", "lavfi", "-i", "color=black:size=16x16:rate=5:duration=0.5"]
    if sound:
        inputs += ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=0.5", "-ac", "2"]
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [ffmpeg, "-nostdin", "-v", "error", *inputs, "-c:v", "mpeg4", f"file:{path}"]
    subprocess.run(command, check=True)
    return path


def test_sixteen_bits_at_16_khz_come_out_bit_for_bit(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 4000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    media.convert(tmp_path / "a.wav", tmp_path / "b.wav")
    assert np.array_equal(soundfile.read(tmp_path / "b.wav", dtype="int16")[0], samples)


def test_full_scale_does_not_wrap_around(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.full((4800, 2), 1.0), 48000, subtype="FLOAT")
    media.convert(tmp_path / "loud.wav", tmp_path / "out.wav")
    assert soundfile.read(tmp_path / "out.wav")[0].min() >= 0


def test_the_sound_of_a_video(ffmpeg, tmp_path):
    source = film(tmp_path / "Bär & Co: a b.mp4", ffmpeg)
    assert media.convert(source, tmp_path / "out.wav") == ""
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    assert info.duration == pytest.approx(0.5, abs=0.05)
    spectrum = np.abs(np.fft.rfft(read_wave(tmp_path / "out.wav")[0]))
    assert spectrum.argmax() * 16000 / info.frames == pytest.approx(440, abs=5)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "silent film"])
def test_a_video_without_usable_sound_is_named(damage, ffmpeg, tmp_path):
    source = film(tmp_path / "x.mp4", ffmpeg, sound=damage != "silent film")
    content = {"empty": b"", "text": b"not found", "cut": source.read_bytes()[:2000]}.get(damage)
    if content is not None:
        source.write_bytes(content)
    message = r"got: .*x\.mp4: (ffmpeg says .+|File .+|Format .+); expected: .*"
    with pytest.raises(SerError, match=message):
        media.convert(source, tmp_path / "out.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_a_source_that_ffmpeg_never_finishes_is_given_up(monkeypatch, ffmpeg, tmp_path):
    monkeypatch.setattr(ffmpeg_room, "PATIENCE", 0)
    with pytest.raises(SerError, match=r"x\.mp4: ffmpeg has not finished after 0 s"):
        media.convert(film(tmp_path / "x.mp4", ffmpeg), tmp_path / "out.wav")


def test_a_missing_ffmpeg_is_said_before_anything_begins(monkeypatch, tmp_path):
    monkeypatch.setattr(ffmpeg_room.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    soundfile.write(tmp_path / "a.wav", tone(48000), 48000)
    (tmp_path / "b.mp4").write_bytes(b"video")
    sources = {name: tmp_path / path for name, path in {"a.wav": "a.wav", "b.wav": "b.mp4"}.items()}
    with pytest.raises(SerError, match=r"remedy: install ffmpeg.*ser-plugins\[video\].*put wavs of the same names"):
        cache_audio(sources, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def recordings(tmp_path):
    sources = {}
    for number, (rate, channels) in enumerate([(44100, 2), (48000, 1), (22050, 2)]):
        path = tmp_path / "corpus" / f"ü {number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, tone(rate, channels=channels), rate)
        sources[f"v {number}/ü.wav"] = path
    return sources


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_the_cache_is_filled_once_and_the_corpus_left_alone(recordings, tmp_path):
    before = stamps(tmp_path / "corpus")
    outcome = cache_audio(recordings, tmp_path / "cache", workers=2)
    assert (outcome.made, outcome.failed, outcome.complaints) == (3, {}, {})
    for name in recordings:
        info = soundfile.info(tmp_path / "cache" / name)
        assert (info.samplerate, info.channels, info.duration) == (16000, 1, pytest.approx(0.5, abs=1e-3))
    made = stamps(tmp_path / "cache")
    assert cache_audio(recordings, tmp_path / "cache").made == 0
    assert stamps(tmp_path / "cache") == made
    assert stamps(tmp_path / "corpus") == before


@pytest.mark.parametrize("what", ["wav", "cut", "note", "garbled note", "other note", "source"])
def test_what_is_damaged_or_out_of_date_is_made_anew(what, recordings, tmp_path):
    cache = tmp_path / "cache"
    cache_audio(recordings, cache)
    name, source = next(iter(recordings.items()))
    wav, note = cache / name, cache / f"{name}.json"
    good = wav.read_bytes()
    if what == "wav":
        wav.unlink()
    elif what == "cut":
        wav.write_bytes(good[:-2] + b"??")
    elif what == "note":
        note.unlink()
    elif what == "source":
        soundfile.write(source, tone(44100, frequency=300), 44100)
    else:
        note.write_text({"garbled note": "{", "other note": "[1]"}[what])
    assert cache_audio(recordings, cache).made == 1
    assert (wav.read_bytes() == good) == (what != "source")
    assert cache_audio(recordings, cache).made == 0


def test_a_source_that_was_only_touched_is_hashed_and_kept(recordings, tmp_path):
    cache_audio(recordings, tmp_path / "cache")
    for source in recordings.values():
        os.utime(source, ns=(1, 1))
    assert cache_audio(recordings, tmp_path / "cache").made == 0


def test_bad_sources_are_collected_and_stop_nothing(recordings, tmp_path):
    bad = {"empty": b"", "text": b"404 not found"}
    for name, content in bad.items():
        (tmp_path / f"{name}.wav").write_bytes(content)
        recordings = {f"{name}.wav": tmp_path / f"{name}.wav", **recordings}
    recordings["gone.wav"] = tmp_path / "gone.wav"
    outcome = cache_audio(recordings, tmp_path / "cache", workers=1)
    assert sorted(outcome.failed) == ["empty.wav", "gone.wav", "text.wav"]
    assert outcome.made == 3
    with outcome.report.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["outcome"], row["name"]) for row in rows] == [("failed", name) for name in outcome.failed]
    assert all(row["source"] in row["reason"] for row in rows)
    with pytest.raises(SerError, match=r"3 sources without usable audio: .*conversion_report\.csv; expected"):
        outcome.require_all()

    whole = {name: path for name, path in recordings.items() if name not in outcome.failed}
    outcome = cache_audio(whole, tmp_path / "cache")
    outcome.require_all()
    assert not outcome.report.exists()


def test_a_source_gone_bad_leaves_no_old_wav(recordings, tmp_path):
    cache_audio(recordings, tmp_path / "cache")
    name, source = next(iter(recordings.items()))
    source.write_bytes(b"")
    assert list(cache_audio(recordings, tmp_path / "cache").failed) == [name]
    assert not (tmp_path / "cache" / name).exists()


def test_what_ffmpeg_complains_about_is_kept_and_said(monkeypatch, recordings, tmp_path, capsys):
    def complaining(source, target):
        media.convert(source, target)
        return "first packet damaged"

    monkeypatch.setattr(audio_cache, "convert", complaining)
    for _ in range(2):  # also when nothing is converted any more
        outcome = cache_audio(recordings, tmp_path / "cache")
        assert outcome.complaints == dict.fromkeys(recordings, "first packet damaged")
        assert "first packet damaged" in outcome.report.read_text()
        assert "ffmpeg complained about 3 sources" in capsys.readouterr().err


def test_an_interrupted_run_keeps_what_was_done_and_goes_on(monkeypatch, recordings, tmp_path):
    done = []

    def interrupted(source, target):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(target)
        return media.convert(source, target)

    monkeypatch.setattr(audio_cache, "convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache_audio(recordings, tmp_path / "cache", workers=1)
    assert [path.name for path in (tmp_path / "cache").rglob("*.wav")] == ["ü.wav"]
    monkeypatch.undo()
    assert cache_audio(recordings, tmp_path / "cache").made == 2


def test_systems_started_together_share_one_cache(tmp_path):
    """Each finds every wav whole, and none is made twice."""
    sources = {}
    for number in range(12):
        path = tmp_path / "corpus" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.random.default_rng(number).uniform(-0.5, 0.5, (44100, 2)), 44100)
        sources[f"{number}.wav"] = str(path)
    program = (
        "import json, sys; from ser_plugins.corpora.audio_cache import cache_audio; sys.stdin.readline(); "
        "outcome = cache_audio(json.loads(sys.argv[1]), sys.argv[2]); print(outcome.made, len(outcome.failed))"
    )
    command = [sys.executable, "-c", program, json.dumps(sources), str(tmp_path / "cache")]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    together = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]
    for process in together:
        process.stdin.write("\n")
        process.stdin.flush()
    outcomes = [process.communicate(timeout=300) for process in together]
    assert [process.returncode for process in together] == [0, 0, 0], outcomes
    assert sorted(out.split() for out, _ in outcomes) == [["0", "0"], ["0", "0"], ["12", "0"]]
    assert len(list((tmp_path / "cache").glob("*.wav"))) == 12
