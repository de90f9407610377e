"""`ser doctor` tells what works and what does not; the shell completes commands."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

from ser_plugins import cli
from ser_plugins.cli import health
from ser_plugins.inference import loading


@pytest.fixture
def doctor(monkeypatch, capsys):
    """Run `ser doctor`; returns exit code, output, error output."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["ser", "doctor", *arguments])
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        written = capsys.readouterr()
        return ended.value.code or 0, written.out, written.err

    return run


def test_a_good_installation_is_called_good(doctor):
    code, out, err = doctor("--json")
    found = json.loads(out)
    assert (code, err, found["problems"]) == (0, "", [])
    assert found["versions"]["python"] == sys.version.split()[0]
    assert {"torch", "torchaudio", "speechbrain", "ser_plugins"} <= set(found["versions"])
    assert found["machine"]["devices"][0] == "cpu"
    assert found["machine"]["threads"] >= 1
    assert set(found["models"]) == set(loading.BUNDLED)
    assert all(0 < model["probability"] <= 1 for model in found["models"].values())
    assert all(set(extra) == {"adds", "has", "lacks", "install"} for extra in found["extras"].values())


def test_a_broken_one_is_called_broken(doctor, monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "BUNDLED", {"small": tmp_path / "gone"})
    code, out, err = doctor()
    assert code == 1
    assert re.search(r"model small *│ does not work", out)
    assert err.startswith("error: model small: got: ")
    assert max(map(len, out.splitlines())) <= 80


def test_a_microphone_without_its_library_is_told(monkeypatch, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(health, "_satisfied", lambda requirement: True)
    wanted = [Requirement('sounddevice>=0.4; extra == "mic"')]
    mic = health._extra("mic", "ser listen", wanted)
    assert mic["has"] == ["sounddevice>=0.4"]
    assert mic["lacks"] == ["import sounddevice: OSError: PortAudio library not found"]


def test_a_package_that_is_missing_or_of_another_version_is_a_problem_and_nothing_is_imported_then(monkeypatch):
    monkeypatch.setattr(health, "requires", lambda name: ["numpy<0", "no-such-package>=2", 'rich>999; extra == "vad"'])
    monkeypatch.setattr(health, "_answers", None)
    found = health.health()
    assert len(found["problems"]) == 2
    assert re.match(r"numpy \S+, where numpy<0 is needed", found["problems"][0])
    assert found["problems"][1].startswith("no no-such-package, where no-such-package>=2 is needed")
    assert found["extras"]["vad"]["lacks"] == ["rich>999"]


def test_an_extra_that_is_another_has_its_parts():
    wanted = [Requirement('ser-plugins[serve]; extra == "demo"'), Requirement('rich; extra == "serve"')]
    assert [part.name for part in health._parts("demo", wanted)] == ["rich"]


def test_every_extra_for_users_is_told():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    assert set(health.EXTRAS) == set(re.findall(r"^(\w+) = ", block, re.MULTILINE)) - {"browser", "test", "docs", "dev"}


def test_bash_completes_a_subcommand_without_torch():
    code = """import sys
sys.argv = ["ser"]
from ser_plugins.cli import main
try: main()
finally: print("torch" in sys.modules)"""
    asked = {"_SER_COMPLETE": "complete_bash", "COMP_WORDS": "ser cla", "COMP_CWORD": "1"}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **asked})
    assert ended.stdout.split() == ["classify", "False"]
