"""One rule of what can be used, at every door: files, arrays, batches, streams, uploads, training, prepare."""

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from conftest import ROOT
from fake_run import CLASSES, random_modules, tone

from ser_plugins.corpora.sounds import measure_remembered
from ser_plugins.errors import AudioError, SerError
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.attention_map import attention_map
from ser_plugins.inference.explain import explain_file
from ser_plugins.inference.quality import check_recording as check_fitness
from ser_plugins.service.uploads import Decoding, Upload
from ser_plugins.sound.read import read_blocks, read_wave
from ser_plugins.sound.usable import CEILING
from ser_plugins.training.recordings import load_waveform

RATE = 16000


@pytest.fixture(scope="module")
def classifier():
    return EmotionClassifier(random_modules(), CLASSES)


def wav(samples, subtype="FLOAT"):
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype=subtype)
    return file.getvalue()


def peaked(value):
    wave = tone(1.0).astype(np.float32)
    wave[5000] = value
    return wave


UNUSABLE = {
    "beyond the ceiling": (peaked(1.01 * CEILING), r"a sample of 10.1.*16-bit integers .* divided by 32768"),
    "of another scale": (np.round(32767 * tone(1.0)).astype(np.float32), r"a sample of \d+.*divided by 32768"),
    "huge": (peaked(3e38), "a sample of 3e\\+38.*at most 10"),
    "minus 1e20": (peaked(-1e20), "a sample of 1e\\+20.*at most 10"),
    "infinite": (peaked(np.inf), "NaN or infinity in the samples"),
    "NaN": (peaked(np.nan), "NaN or infinity in the samples"),
    "short": (tone(0.03), r"0\.030 s \(480 samples at 16000 Hz\); expected: at least 0\.040 s"),
    "one sample": (np.full(1, 0.5), r"0\.000 s \(1 samples"),
    "silent": (np.zeros(RATE), r"silent \(peak digital silence\)"),
    "faint": (0.0005 * tone(1.0), r"silent \(peak -8\d dB"),
    "constant": (np.full(RATE, 0.5), "silent"),
    "channels inverted": (np.stack([tone(1.0), -tone(1.0)], axis=1), "2 channels that cancel each other out"),
    "almost inverted": (np.stack([tone(1.0), -0.95 * tone(1.0)], axis=1), "2 channels that cancel each other out"),
    "four channels": (np.stack([tone(1.0), -tone(1.0)] * 2, axis=1), "4 channels that cancel each other out"),
    "huge in two channels": (np.stack([peaked(1e20), -peaked(1e20)], axis=1), "a sample of 1e\\+20"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_every_door_refuses_with_the_cause(kind, classifier, tmp_path):
    samples, message = UNUSABLE[kind]
    content, path = wav(samples), tmp_path / "a.wav"
    path.write_bytes(content)
    axes = samples.T if samples.ndim == 2 else samples
    doors = [
        lambda: classifier.classify_file(path),
        lambda: classifier.predict(path),
        lambda: classifier.predict(np.array(axes), RATE),
        lambda: classifier.predict(torch.tensor(axes), RATE),
        lambda: classifier.predict([tone(1.0), axes], RATE),
        lambda: Decoding(Upload(content), classifier, seconds=60).advance(values=10**9),
        lambda: load_waveform(path, RATE),
    ]
    if samples.ndim == 1:
        doors.append(lambda: classifier.classify_batch(torch.tensor(samples, dtype=torch.float32)[None]))
    for door in doors:
        with pytest.raises(AudioError, match=message):
            door()
    measured = measure_remembered(tmp_path, ["a.wav"], tmp_path / "memory.json")
    assert measured["a.wav"].problem


@pytest.mark.parametrize("kind", ["beyond the ceiling", "huge", "infinite", "channels inverted"])
def test_windows_streams_and_the_check_refuse_as_well(kind, classifier, tmp_path):
    samples, message = UNUSABLE[kind]
    path = tmp_path / "a.wav"
    path.write_bytes(wav(samples))
    stream = classifier.stream(RATE, window=0.5, hop=0.5)
    for door in (
        lambda: list(classifier.classify_windows(path, window=0.5, hop=0.5)),
        lambda: check_fitness(path),
        lambda: [stream.feed(samples.T), stream.close()],
    ):
        with pytest.raises(AudioError, match=message):
            door()


def test_what_is_loud_or_in_stereo_is_read_as_before(classifier, tmp_path):
    rng = np.random.default_rng(0)
    loud = (0.99 * CEILING * rng.uniform(-1, 1, RATE)).astype(np.float32)
    (tmp_path / "loud.wav").write_bytes(wav(loud))
    assert np.array_equal(read_wave(tmp_path / "loud.wav")[0], loud)
    assert torch.isfinite(classifier.classify_file(tmp_path / "loud.wav").probabilities).all()
    left, right = rng.normal(0, 0.1, (2, RATE))
    for other in (right, 0 * left, -0.5 * left):
        (tmp_path / "stereo.wav").write_bytes(wav(np.stack([left, other], axis=1)))
        wave, _ = read_wave(tmp_path / "stereo.wav")
        assert wave == pytest.approx((left + other) / 2, abs=1e-6)


def test_what_comes_before_a_bad_sample_is_given_and_the_second_named():
    rate, blocks = read_blocks(io.BytesIO(wav(peaked(1e9))), seconds=0.25)
    taken = []
    with pytest.raises(AudioError, match=r"a sample of 1e\+09, first at 0\.312 s"):
        taken.extend(blocks)
    assert sum(map(len, taken)) == 5000 == 0.3125 * rate


@pytest.mark.parametrize("damage", [np.nan, np.inf])
def test_an_output_that_is_not_finite_is_an_error_wherever_it_comes_from(damage, tmp_path):
    modules = random_modules()
    model = EmotionClassifier(modules, CLASSES)
    with torch.no_grad():
        next(modules["classifier"].parameters()).fill_(damage)
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(1.0)))
    stream = model.stream(RATE, window=0.5)
    for door in (
        lambda: model.classify_file(path),
        lambda: model.predict([tone(1.0), tone(0.5)], RATE),
        lambda: list(model.classify_windows(path, window=0.5)),
        lambda: stream.feed(tone(1.0)),
        lambda: explain_file(model, path),
    ):
        with pytest.raises(SerError, match="the output of the model: NaN or infinity"):
            door()


def test_attention_that_is_not_finite_is_an_error(tmp_path):
    modules = random_modules()
    with torch.no_grad():
        for weights in modules["embedding_model"].parameters():
            weights.fill_(torch.nan)
    with pytest.raises(SerError, match="the attention of the model: NaN or infinity"):
        attention_map(EmotionClassifier(modules, CLASSES), torch.from_numpy(tone(1.0)).float())


def test_the_command_line_keeps_the_results_of_the_other_files(tmp_path):
    for name, samples in {"a": tone(1.0), "b": peaked(1e20), "c": tone(1.0)}.items():
        (tmp_path / f"{name}.wav").write_bytes(wav(samples))
    code = "from ser_plugins.cli import main; main()"
    command = [sys.executable, "-c", code, "classify", str(tmp_path), "--format", "jsonl"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stdout.count('"label"') == 2
    assert "NaN" not in run.stdout
    assert "b.wav: a sample of 1e+20" in " ".join(run.stderr.split())
