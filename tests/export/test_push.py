"""`ser push`: what is on the hub is the model, nothing but the model, and told in one line when it cannot be."""

import json
import shutil
import sys

import fake_hub
import pytest
import torch
from conftest import link
from fake_run import write_fold, write_run

from ser_plugins import cli
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.export.push import push
from ser_plugins.inference import open_model

NAME = "someone/emodb"
# The hub's client hands its files to httpx in a way that httpx wants to end.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("push")
    export_model(write_fold(folder / "loso", "spk03"), folder / "model")
    return folder / "model"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with fake_hub.serving(monkeypatch, tmp_path / "home") as served:
        yield served


def test_what_was_pushed_is_loaded_by_the_name_that_was_printed(hub, exported, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ser", "push", str(exported), NAME])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    commit, name = capsys.readouterr().out.splitlines()
    assert (commit, name) == (f"commit {fake_hub.COMMIT}", f"hf:{NAME}@{fake_hub.COMMIT}")
    there = hub.repositories[NAME]
    assert there["visibility"] == "private"
    assert {path: content for path, (content, _) in there["files"].items()} == {
        path.name: path.read_bytes() for path in exported.iterdir()
    }
    assert [path for path, (_, oid) in there["files"].items() if oid]  # some went as large files
    assert there["files"]["README.md"][0].startswith(b"---\n")
    wave = torch.randn(1, 16000)
    expected = open_model(exported, device="cpu").classify_batch(wave).probabilities
    assert torch.equal(open_model(name, device="cpu").classify_batch(wave).probabilities, expected)


def test_a_public_repository_is_made_when_told_and_another_commit_when_told(hub, exported):
    push(exported, NAME, public=True)
    assert hub.repositories[NAME]["visibility"] == "public"
    with pytest.raises(SerError, match=r"someone/emodb: .*409.*; expected: a name that is free; remedy: .*--update"):
        push(exported, NAME)
    hub.repositories[NAME]["files"].clear()
    assert push(exported, NAME, update=True) == fake_hub.COMMIT
    assert "model.json" in hub.repositories[NAME]["files"]


def test_nothing_is_sent_of_a_folder_that_is_more_or_less_than_an_export(hub, exported, tmp_path):
    def refused(message, repository=NAME, change=lambda folder: None):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(exported, folder)
        change(folder)
        with pytest.raises(SerError, match=message):
            push(folder, repository)

    refused("expected: OWNER/NAME", "emodb")
    refused("a file that no export writes", change=lambda folder: (folder / "run.py").write_text("print()"))
    refused("a link that no export writes", change=lambda folder: link(folder / "there", exported))
    refused("SHA-256", change=lambda folder: (folder / "hyperparams.yaml").write_text("a: 1"))
    refused("no README.md", change=lambda folder: (folder / "README.md").unlink() or _forget_readme(folder))
    run = write_run(tmp_path / "run" / "loso")
    export_ensemble(run, tmp_path / "all")
    with pytest.raises(SerError, match="an ensemble"):
        push(tmp_path / "all", NAME)
    with pytest.raises(SerError, match="no folder small"):
        push("small", NAME)
    assert not hub.asked


def _forget_readme(folder):

    card = json.loads((folder / "model.json").read_text())
    del card["files"]["README.md"]
    (folder / "model.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("whoami", 401, "remedy: log in with `hf auth login`, or set HF_TOKEN"),
        ("create", 403, "expected: a token that may write there"),
        ("commit", 403, "expected: a token that may write there"),
    ],
)
def test_what_the_hub_refuses_is_one_line(hub, exported, path, status, message):
    hub.statuses[path] = status
    with pytest.raises(SerError, match=message) as told:
        push(exported, NAME)
    assert "\n" not in str(told.value)


def test_without_a_token_or_a_network_the_reason_comes_at_once(hub, exported, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(SerError, match="got: no token of the Hugging Face hub"):
        push(exported, NAME)
    assert not hub.asked
    monkeypatch.setenv("HF_TOKEN", fake_hub.TOKEN)
    fake_hub.point_to(monkeypatch, "http://127.0.0.1:9")  # where nobody answers
    with pytest.raises(SerError, match="a hub that can be reached") as told:
        push(exported, NAME)
    assert "\n" not in str(told.value)
