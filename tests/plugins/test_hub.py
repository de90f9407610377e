"""Models on the hub: named in full, checked as any other, fetched once; the downloads themselves are played."""

import hashlib
import shutil
from pathlib import Path, PureWindowsPath

import pytest
import torch
from fake_run import write_fold

from ser_plugins import hub
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier, open_model
from ser_plugins.inference.loading import without_front_matter
from ser_plugins.inference.weights import MAX_WEIGHTS

COMMIT = 40 * "a"
NAME = f"hf:someone/emodb@{COMMIT}"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    export_model(write_fold(folder / "loso", "spk03"), folder / "model")
    return folder / "model"


class PlayedHub:
    """One repository, at one commit, which is a folder."""

    def __init__(self, folder):
        self.folder, self.asked, self.hashes = folder, [], {}

    def listing(self, repository, commit):
        self.asked.append((repository, commit))
        return {
            path.name: hub.Listed(path.stat().st_size, self.hashes.get(path.name)) for path in self.folder.iterdir()
        }

    def download(self, repository, commit, names, folder):
        for name in names:
            shutil.copy(self.folder / name, folder / name)


@pytest.fixture
def repository(exported, tmp_path, monkeypatch):
    played = PlayedHub(shutil.copytree(exported, tmp_path / "repository"))
    monkeypatch.setattr(hub, "_listing", played.listing)
    monkeypatch.setattr(hub, "_download", played.download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    return played


def kept(tmp_path):
    return sorted(path.name for path in tmp_path.glob("home/ser_plugins/*/*"))


def test_a_model_is_fetched_once_and_is_the_same_model(repository, exported, tmp_path):
    (repository.folder / "custom_interface.py").write_text("raise AssertionError")
    wave = torch.randn(1, 16000)
    expected = EmotionClassifier.from_hparams(exported, device="cpu").classify_batch(wave).probabilities
    for name in (NAME, Path(NAME), PureWindowsPath(NAME)):
        assert torch.equal(open_model(name, device="cpu").classify_batch(wave).probabilities, expected)
    assert repository.asked == [("someone/emodb", COMMIT)]
    assert kept(tmp_path) == [COMMIT]
    assert not list(tmp_path.glob("home/**/custom_interface.py"))


@pytest.mark.parametrize(
    "name", ["hf:emodb", "hf:someone/emodb", "hf:someone/emodb@main", f"hf:../../x@{COMMIT}", f"hf:a/b/c@{COMMIT}"]
)
def test_names_that_could_mean_something_else_tomorrow_are_refused(repository, name):
    with pytest.raises(SerError, match=r"expected: hf:OWNER/NAME@COMMIT with all 40 digits"):
        open_model(name)
    assert not repository.asked


def test_what_was_fetched_goes_through_the_same_checks(repository, tmp_path):
    target = tmp_path / "was-run"
    with open(repository.folder / "hyperparams.yaml", "a") as stream:
        stream.write(f"evil: !apply:os.mkdir [{target}]\n")
    with pytest.raises(SerError, match="SHA-256"):
        open_model(NAME)
    assert not target.exists()


def test_a_repository_that_is_no_export_or_too_large_is_not_downloaded(repository, tmp_path):
    with open(repository.folder / "classifier.safetensors", "ab") as stream:
        stream.truncate(MAX_WEIGHTS + 1)
    with pytest.raises(
        SerError, match=f"classifier.safetensors has {MAX_WEIGHTS + 1:,} bytes; expected: at most {MAX_WEIGHTS:,}"
    ):
        open_model(NAME)
    (repository.folder / "model.json").unlink()
    with pytest.raises(
        SerError, match=r"emodb@a+ has no model.json; expected: a repository that holds what ser export"
    ):
        open_model(NAME)
    assert kept(tmp_path) == []


def test_a_download_that_breaks_off_leaves_nothing(repository, tmp_path, monkeypatch):
    def broken(name, commit, names, folder):
        repository.download(name, commit, names[:2], folder)
        raise ConnectionResetError("connection reset by peer")

    monkeypatch.setattr(hub, "_download", broken)
    with pytest.raises(SerError, match=r"ConnectionResetError: connection reset by peer; .*remedy: .*network"):
        open_model(NAME)
    assert kept(tmp_path) == []


def test_without_a_network_the_reason_comes_at_once(tmp_path, monkeypatch):
    import socket

    def refuse(*arguments, **options):
        raise OSError(101, "Network is unreachable")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    with pytest.raises(
        SerError, match=rf"got: {NAME}: \w*(Error|Offline\w*): .*; expected: .* a network to reach it by"
    ):
        open_model(NAME)
    assert kept(tmp_path) == []


def test_the_card_is_read_as_the_other_files_are(repository, exported, tmp_path):
    expected = without_front_matter((exported / "README.md").read_text(encoding="utf-8"))
    assert open_model(NAME).card == open_model(exported).card == expected != ""
    folder = shutil.copytree(exported, tmp_path / "model")
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(secret)
    with pytest.raises(SerError, match="files inside the model's folder"):
        open_model(folder)
    (folder / "README.md").unlink()
    for content, message in ((b"changed", "SHA-256"), (bytes(2**18 + 1), "at most 262,144 bytes")):
        (folder / "README.md").write_bytes(content)
        with pytest.raises(SerError, match=message):
            open_model(folder)


def test_what_arrives_is_what_the_hub_lists(repository, tmp_path):
    repository.hashes["classifier.safetensors"] = 64 * "0"
    with pytest.raises(SerError, match=r"classifier.safetensors with SHA-256 .* expected: 0{64}, as the hub lists it"):
        open_model(NAME)
    assert not kept(tmp_path)
    weights = (repository.folder / "classifier.safetensors").read_bytes()
    repository.hashes["classifier.safetensors"] = hashlib.sha256(weights).hexdigest()
    open_model(NAME)
    assert kept(tmp_path) == [COMMIT]
