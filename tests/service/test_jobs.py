"""Long recordings: judged in the background as a timeline is, bounded, and gone when they are deleted or old."""

import threading
from pathlib import Path

import pytest
from fake_run import CLASSES, random_modules, tone, write_wav
from serving_http import is_failure, running, until, wav

from ser_plugins.inference import EmotionClassifier
from ser_plugins.service import jobs
from ser_plugins.service.app import create_app
from ser_plugins.service.schemas import judgements
from ser_plugins.service.uploads import Limits


class Gated(EmotionClassifier):
    """Waits for ``gate`` before it judges windows."""

    def __init__(self):
        super().__init__(random_modules(), CLASSES)
        self.gate = threading.Event()

    def judge_cuts(self, cuts, name):
        self.gate.wait(120)
        return super().judge_cuts(cuts, name)


@pytest.fixture
def model():
    return Gated()


@pytest.fixture
def folders(monkeypatch):
    """The temporary folders that are made."""
    made = []
    original = jobs.tempfile.TemporaryDirectory
    monkeypatch.setattr(
        jobs.tempfile, "TemporaryDirectory", lambda **options: made.append(original(**options)) or made[-1]
    )
    return made


def ended(service, name):
    until(lambda: service.ask(f"/jobs/{name}").json["state"] in ("done", "failed"))
    return service.ask(f"/jobs/{name}").json


def test_a_long_recording_is_judged_as_its_timeline_while_others_are_answered(model, tmp_path, folders):
    limits = Limits(audio=2.0, body=20_000)
    with running(create_app(model, limits=limits), limits) as service:
        is_failure(service.ask("/timeline", wav(5.3)), 413)
        reply = service.ask("/jobs?window=0.5&hop=0.5", wav(5.3))
        assert reply.status == 202
        judgements(model.window).job.model_validate(reply.json)
        name = reply.json["id"]
        until(lambda: service.ask(f"/jobs/{name}").json["state"] == "running")
        assert [path.stat().st_size for path in Path(folders[0].name).iterdir()] == [len(wav(5.3))]
        model.gate.set()
        assert service.ask("/classify", wav(0.5)).status == 200
        job = ended(service, name)
        judgements(model.window).job.model_validate(job)
        path = write_wav(tmp_path / "a.wav", tone(5.3), 16000)
        expected = list(model.classify_windows(path, window=0.5, hop=0.5))
        assert [row["label"] for row in job["windows"]] == [row.label for row in expected]
        assert job["windows"][-1]["end"] == job["seconds"] == pytest.approx(5.3)
        assert (job["state"], job["progress"], job["error"]) == ("done", 1.0, None)
        assert list(Path(folders[0].name).iterdir()) == []  # the recording is gone
        assert service.ask(f"/jobs/{name}", method="DELETE").status == 204
        is_failure(service.ask(f"/jobs/{name}"), 404)
    assert not Path(folders[0].name).exists()


def test_jobs_are_bounded_and_a_deleted_one_makes_room(model, folders):
    with running(create_app(model, limits=Limits(jobs=2, job_body=50_000))) as service:
        names = [service.ask("/jobs", wav(1.0)).json["id"] for _ in range(2)]
        until(lambda: service.ask(f"/jobs/{names[0]}").json["state"] == "running")
        second = service.ask(f"/jobs/{names[1]}").json
        assert (second["state"], second["windows"]) == ("waiting", None)
        is_failure(service.ask("/jobs", wav(1.0)), 429)
        assert service.ask(f"/jobs/{names[1]}", method="DELETE").status == 204
        is_failure(service.ask("/jobs", bytes(60_000)), 413)
        third = service.ask("/jobs", wav(1.0)).json["id"]
        model.gate.set()
        assert ended(service, names[0])["state"] == ended(service, third)["state"] == "done"
        assert list(Path(folders[0].name).iterdir()) == []
        assert service.ask("/health").json["in_flight"] == 0


@pytest.mark.parametrize(
    ("query", "body", "limits", "said"),
    [
        ("", b"no audio", {}, "libsndfile"),
        ("", wav(2.0)[:40_000], {}, "cut short"),
        ("", wav(2.0), {"job_audio": 1.0}, "at most 1 s"),
        ("?window=0.5&hop=0.1", wav(2.0), {}, "more than 10 windows"),
    ],
)
def test_a_job_that_fails_says_why(model, monkeypatch, query, body, limits, said):
    monkeypatch.setattr(jobs, "MOST_WINDOWS", 10)
    model.gate.set()
    with running(create_app(model, limits=Limits(**limits))) as service:
        job = ended(service, service.ask(f"/jobs{query}", body).json["id"])
        assert job["state"] == "failed"
        assert said in " ".join(job["error"].values())
        assert job["windows"] is None


def test_an_old_job_is_forgotten_and_a_stop_waits_for_none(model, folders):
    model.gate.set()
    with running(create_app(model, limits=Limits(job_age=0.05))) as service:
        name = service.ask("/jobs", wav(1.0)).json["id"]
        until(lambda: service.ask(f"/jobs/{name}").status == 404)
        model.gate.clear()
        service.ask("/jobs", wav(1.0))
        threading.Timer(0.2, model.gate.set).start()
        service.stop()
    assert not Path(folders[0].name).exists()


def test_parameters_are_checked_before_the_recording_is_taken(model):
    with running(create_app(model)) as service:
        is_failure(service.ask("/jobs?windows=3", wav()), 422)
        is_failure(service.ask("/jobs?window=0.001", wav()), 422)
        is_failure(service.ask("/jobs/nothing"), 404)
        is_failure(service.ask("/jobs/nothing", method="DELETE"), 404)


def test_a_recording_that_was_removed_ends_for_whoever_still_reads_it(tmp_path):
    upload = jobs.StoredUpload(tmp_path)
    upload.write(b"RIFF")
    assert (upload.seek(0), upload.read(2), upload.tell(), upload.seek(-9)) == (0, b"RI", 2, 0)
    upload.close()
    assert (upload.seek(2), upload.tell(), upload.readinto(bytearray(4))) == (0, 0, 0)
    assert list(tmp_path.iterdir()) == []
