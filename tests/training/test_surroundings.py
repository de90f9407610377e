"""What stands in env.log is what the process has."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

from ser_plugins.training.surroundings import surroundings


@pytest.fixture(autouse=True)
def _asked_anew():
    surroundings.cache_clear()
    yield
    surroundings.cache_clear()


def test_packages_are_those_of_this_python_and_not_of_the_shells_pip(tmp_path, monkeypatch):
    pip = tmp_path / "pip"
    pip.write_text("#!/bin/sh\necho torch==0.0.1\n")
    pip.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    lines = surroundings().splitlines()
    assert f"torch=={version('torch')}" in lines
    assert f"speechbrain=={version('speechbrain')}" in lines
    assert "torch==0.0.1" not in lines
    assert lines[0] == f"Python: {sys.version}".splitlines()[0]


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_the_revision_is_that_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "Git revision: none\n" in surroundings()
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "one"], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    surroundings.cache_clear()
    assert f"Git revision: {head}" in surroundings()


def test_without_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Git revision: no git (" in surroundings()
