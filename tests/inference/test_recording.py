"""A recording on its way to label and warnings: opened, decoded, measured and turned into frames once."""

import numpy as np
import pytest
import torch
from fake_run import CLASSES, random_modules, tone, write_wav

from ser_plugins.inference import EmotionClassifier, recording
from ser_plugins.inference.batch import judge
from ser_plugins.inference.quality import check_read, check_recording


@pytest.fixture
def classifier():
    return EmotionClassifier(random_modules(), CLASSES, any_sound=True)


def test_a_file_is_opened_once_and_turned_into_frames_once(tmp_path, classifier, monkeypatch):
    path, counts = write_wav(tmp_path / "a.wav", tone(1.0, 44100), 44100), {"read": 0, "frames": 0}

    def counted(*arguments, read=recording.read_blocks):
        counts["read"] += 1
        return read(*arguments)

    def count(*_):
        counts["frames"] += 1

    monkeypatch.setattr(recording, "read_blocks", counted)
    with classifier.modules["compute_features"].register_forward_hook(count):
        [row] = judge(classifier, {"a.wav": path})
    assert "error" not in row
    assert counts == {"read": 1, "frames": 1}


def test_members_that_share_a_front_end_have_their_frames_made_once(tmp_path, monkeypatch):
    modules, other = random_modules(), random_modules()
    other["compute_features"] = modules["compute_features"]
    classifier, passes = EmotionClassifier(modules, CLASSES, others=[other]), []
    with modules["compute_features"].register_forward_hook(lambda *_: passes.append(1)):
        classifier.read(write_wav(tmp_path / "a.wav", tone(1.0)))
        classifier.predict_file(tmp_path / "a.wav")
    assert len(passes) == 1


def test_label_and_warnings_are_those_of_the_two_ways_apart(tmp_path, classifier):
    path = write_wav(tmp_path / "a.wav", np.clip(20 * tone(3.0, 22050), -1, 1), 22050)
    [row] = judge(classifier, {"a.wav": path})
    outcome, check = classifier.predict_file(path), check_recording(path, classifier)
    assert row["label"] == outcome.label
    assert row["probabilities"] == pytest.approx(outcome.probabilities)
    assert row["warnings"] == [str(finding) for finding in check.findings] != []


def test_what_was_heard_gives_the_check_that_reading_again_gives(tmp_path, classifier):
    path = write_wav(tmp_path / "a.wav", tone(2.0, 48000), 48000)
    read = classifier.read(path)
    [(_, heard)] = classifier.predict_recordings([read])
    again = check_read(read, classifier)
    assert check_read(read, classifier, heard)[:-1] == pytest.approx(again[:-1])
    assert again[:-1] == pytest.approx(check_recording(path, classifier)[:-1], rel=1e-4)


def test_a_recording_holds_what_the_model_gets(tmp_path, classifier):
    read = classifier.read(write_wav(tmp_path / "a.wav", tone(1.0, 32000), 32000))
    assert (read.sample_rate, len(read.wave), read.statistics.sample_rate) == (16000, 16000, 32000)
    assert read.statistics.seconds == pytest.approx(1.0)
    assert isinstance(read.wave, torch.Tensor)


def test_many_files_are_judged_side_by_side_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr("ser_plugins.threads.cores", lambda: 3)
    classifier = EmotionClassifier(random_modules(), CLASSES)
    files = {f"{place}": write_wav(tmp_path / f"{place}.wav", tone(0.5, pitch=90 + 15 * place)) for place in range(30)}
    files["7"].write_bytes(b"no sound")
    threads = torch.get_num_threads()
    rows = list(judge(classifier, files))
    assert [row["file"] for row in rows] == list(files)
    assert [place for place, row in enumerate(rows) if "error" in row] == [7]
    for row in rows[::6]:
        assert row["probabilities"] == pytest.approx(
            classifier.predict_file(files[row["file"]]).probabilities, abs=1e-6
        )
    begun = judge(classifier, files)
    assert next(begun)["file"] == "0"
    begun.close()  # as Ctrl-C does: what waits is not begun
    assert torch.get_num_threads() == threads
