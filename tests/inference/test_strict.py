"""A folder that passes ``ser models --strict`` does nothing in plain SpeechBrain but load."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, link
from fake_run import change, resealed, write_fold, write_run
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.inference import BOX
from ser_plugins.inference.strict import refuse_harmful

WATCHER = ROOT / "tests" / "support" / "plain_speechbrain.py"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    export_model(write_fold(folder / "run", "spk03"), folder / "model")
    return folder / "model"


@pytest.fixture
def model(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def done_by_plain_speechbrain(folder, tmp_path):
    """What the watcher saw."""
    command = [sys.executable, WATCHER, folder, tmp_path / "cache", BOX]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONWARNINGS": ""})
    return done.stdout.splitlines()


def judged(*folders):
    done = CliRunner().invoke(app, ["models", "--strict", *map(str, folders)], env={"COLUMNS": "300"})
    return done.exit_code, done.stdout, done.stderr


def test_what_passes_is_harmless_in_plain_speechbrain(model, tmp_path):
    code, out, _ = judged(model, BOX)
    assert (code, out.count(": harmless, also in plain")) == (0, 2)
    assert done_by_plain_speechbrain(model, tmp_path) == ["done"]


def test_a_value_in_brackets_runs_there_and_is_refused_here(model, tmp_path):
    """The fault of an earlier allow-list; and that the watcher sees what a folder does."""
    target = tmp_path / "was-run"
    with open(model / "hyperparams.yaml", "a", encoding="utf-8") as stream:
        stream.write(f"evil: (!!python/object/apply:os.mkdir [{target}])\n")
    resealed(model)
    for check in (refuse_harmful, judged):
        if check is judged:
            assert judged(model)[0] == 1
        else:
            with pytest.raises(SerError, match=r"line \d+: evil: .*expected: no further line"):
                check(model)
    assert not target.exists()
    change(model / "hyperparams.yaml", "os.mkdir", "os.system")
    change(model / "hyperparams.yaml", str(target), f"mkdir {target}")
    assert any(line.startswith("os.system") for line in done_by_plain_speechbrain(resealed(model), tmp_path))
    assert target.exists()


@pytest.mark.parametrize(
    "name", ["custom.py", "classifier.ckpt", "normalizer.pt", ".hidden", "hyperparams_other.yaml", "ser_plugins/x.py"]
)
def test_a_file_that_no_export_writes_is_refused(model, name):
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text("import os")
    code, _, error = judged(model)
    assert code == 1
    assert "that no export writes" in error
    assert Path(name).parts[0] in error


def test_links_and_what_does_not_load_are_refused(model, tmp_path):
    shutil.move(model / "README.md", model / "text.md")
    link(model / "README.md", model / "text.md")
    assert "that no export writes" in judged(model)[2]
    assert judged(tmp_path / "nothing")[0] == 1
    (model / "classifier.safetensors").write_bytes(b"")
    assert "SHA-256" in judged(model)[2]


def test_of_an_ensemble_every_member_is_judged(tmp_path):
    export_ensemble(write_run(tmp_path / "run"), tmp_path / "ensemble")
    assert judged(tmp_path / "ensemble")[0] == 0
    member = next(path for path in (tmp_path / "ensemble").iterdir() if path.is_dir())
    (member / "custom.py").touch()
    assert "custom.py" in judged(tmp_path / "ensemble")[2]
