"""`ser listen`: what it hears is what `model.stream` gives, from a file or a microphone; Ctrl-C ends it clean."""

import json
import signal
import sys
import types

import numpy as np
import pytest
from fake_run import CLASSES, random_modules, tone, write_wav
from typer.testing import CliRunner

import ser_plugins.inference
from ser_plugins.cli import app
from ser_plugins.cli.listen import picture
from ser_plugins.errors import SerError
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.windows import SentimentWindow, Window
from ser_plugins.sound import microphone as room

ARGUMENTS = ["listen", "--window", "0.5", "--hop", "0.25"]


@pytest.fixture
def model(monkeypatch):
    found = EmotionClassifier(random_modules(), CLASSES)
    monkeypatch.setattr(ser_plugins.inference, "open_model", lambda *arguments, **options: found)
    return found


@pytest.fixture
def path(tmp_path):
    return write_wav(tmp_path / "a.wav", tone(1.3), 16000)


def expected(model, path):
    stream = model.stream(16000, window=0.5, hop=0.25)
    wave = model.read(path).wave
    return stream.feed(wave) + stream.close()


def test_a_file_is_heard_as_a_stream_of_it(model, path):
    done = CliRunner().invoke(app, [*ARGUMENTS, "--from", str(path), "--at-once", "--json"])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row, window in zip(rows, expected(model, path), strict=True):
        assert row.pop("probabilities") == pytest.approx(window.probabilities, abs=1e-5)
        assert (row["start"], row["end"], row["label"]) == (window.start, window.end, window.label)


def test_a_pipe_gets_a_line_for_every_window(model, path):
    done = CliRunner().invoke(app, [*ARGUMENTS, "--from", str(path), "--at-once"])
    assert len(done.stdout.splitlines()) == len(expected(model, path))
    assert "listening at 16000 Hz, the first answer comes after 0.5 s" in done.stderr


def test_in_real_time_a_file_takes_as_long_as_it_is(path, monkeypatch):
    slept, now = [], [0.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(room.time, "sleep", lambda seconds: (slept.append(seconds), now.append(now.pop() + seconds)))
    rate, blocks = room.play(path)
    assert sum(map(len, blocks)) / rate == pytest.approx(sum(slept)) == pytest.approx(1.3)


class FakeDevices(types.ModuleType):
    """sounddevice with one microphone, which gives ``wave`` at once."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self, wave):
        super().__init__("sounddevice")
        self.wave, self.closed, self.failure = wave, False, None

    def query_devices(self, device=None, kind=None):
        one = {"index": 0, "name": "Fake", "max_input_channels": 1, "default_samplerate": 16000.0}
        if kind is None:
            return [one]
        if device not in (None, 0, "Fake"):
            raise ValueError(f"No input device matching {device!r}")
        return one

    def InputStream(self, blocksize, callback, finished_callback, **options):
        assert options == {"device": options["device"], "channels": 1, "samplerate": 16000, "dtype": "float32"}
        devices = self

        class Opened:
            def __enter__(self):
                if devices.failure is not None:
                    raise devices.failure
                for begin in range(0, len(devices.wave), blocksize):
                    callback(devices.wave[begin : begin + blocksize, None], blocksize, None, None)
                finished_callback()

            def __exit__(self, *error):
                devices.closed = True

        return Opened()


@pytest.fixture
def devices(monkeypatch):
    fake = FakeDevices(tone(1.3).astype(np.float32))
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_a_microphone_is_heard_until_it_ends(model, path, devices):
    done = CliRunner().invoke(app, [*ARGUMENTS, "--json", "--input", "0"])
    labels = [json.loads(line)["label"] for line in done.stdout.splitlines()]
    assert labels == [window.label for window in expected(model, path)][: len(labels)]
    assert len(labels) == 4  # what is shorter than a window is lost with the microphone
    assert "a microphone that has ended" in str(done.exception)
    assert devices.closed


def test_ctrl_c_ends_it_with_whole_lines(model, devices, monkeypatch):
    judged = EmotionClassifier.judge_cuts

    def interrupted(self, cuts, name):
        found = list(judged(self, cuts, name))
        if found[0].start >= 0.25:
            signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(EmotionClassifier, "judge_cuts", interrupted)
    done = CliRunner().invoke(app, [*ARGUMENTS, "--json"])
    assert done.exit_code == 0
    assert [json.loads(line)["start"] for line in done.stdout.splitlines()] == [0.0]
    assert "stopped by Ctrl-C" in done.stderr
    assert devices.closed


def test_what_is_missing_is_told(devices, monkeypatch):
    with pytest.raises(SerError, match=r"No input device matching 'Other'.*one of: 0 Fake"), room.microphone("Other"):
        pass
    devices.failure = devices.PortAudioError("Device unavailable")  # another program has it
    with pytest.raises(SerError, match=r"Device unavailable; expected: one of: 0 Fake"), room.microphone("0"):
        pass
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SerError, match=r"ser-plugins\[mic\]"), room.microphone():
        pass


@pytest.mark.parametrize("options", [["--at-once"], ["--from", "a.wav", "--input", "0"]])
def test_options_that_have_no_effect_together_are_refused(options):
    with pytest.raises(SerError, match=r"got: --(at-once without --from|from with --input)"):
        CliRunner().invoke(app, ["listen", *options], catch_exceptions=False)


def test_without_portaudio_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(SerError, match="libportaudio2"), room.microphone():
        pass


def test_sound_that_nobody_takes_ends_it(devices, monkeypatch):
    monkeypatch.setattr(room, "BEHIND", 0.5)
    with pytest.raises(SerError, match="--model fast"), room.microphone() as (_, blocks):
        next(blocks)


def test_bars_show_what_is_heard_and_what_is_not():
    heard = Window(60.0, 63.0, "[joy]", 0.8, {"[joy]": 0.8, "fear": 0.2})
    text = picture(heard).plain
    assert text.splitlines()[0] == "1:03  [joy]"
    assert text.count("█") + text.count("#") == 40
    assert "no speech" in picture(Window(0.0, 3.0, None, None, None)).plain
    assert "no decision" in picture(heard._replace(label=None)).plain
    assert "1.50 positive" in picture(SentimentWindow(0.0, 3.0, 1.5, "positive")).plain
