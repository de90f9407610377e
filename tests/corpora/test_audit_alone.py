"""The auditor where nothing else is: without torch, as a program of one's own, as a hook."""

import importlib.util
import shlex
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT
from typer.main import get_command

from ser_plugins.cli import app
from ser_plugins.corpora.audit import audit_lists

WITHOUT_TORCH = (
    "import sys; sys.modules.update(dict.fromkeys(('torch', 'torchaudio', 'speechbrain', 'transformers')))\n"
    "from ser_plugins.cli import main; main()"
)


@pytest.fixture
def folds(tmp_path):
    people = {f"{who:02d}a0{number}{letter}a": who for who in (3, 8, 9, 10) for number in (1, 2) for letter in "WF"}
    for fold, held in enumerate((3, 8), start=1):
        for part, tested in (("train", False), ("test", True)):
            ids = [id_ for id_, who in people.items() if (who == held) == tested]
            (tmp_path / f"fold{fold}_{part}.txt").write_text("\n".join(ids))
    return tmp_path


def run(*command):
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, encoding="utf-8")


def test_it_works_where_torch_cannot_be_imported(folds):
    done = run("-c", WITHOUT_TORCH, "audit", folds, "--speaker-from", "emodb", "--out", folds / "audit.json")
    assert done.stderr == ""
    assert done.returncode == 0
    assert "audit ok: " in done.stdout
    assert "speaker" in (folds / "audit.json").read_text()
    (folds / "fold2_train.txt").write_text("08a01Wa\n09a01Wa\n")
    assert run("-c", WITHOUT_TORCH, "audit", folds, "--speaker-from", "emodb").returncode == 1
    assert run("-c", WITHOUT_TORCH, "audit", folds / "nothing").returncode == 2


def test_the_example_says_the_same_and_fails_on_a_leak(folds):
    done = run(ROOT / "examples" / "audit_lists.py", folds, "--speaker-from", "emodb")
    assert done.stderr == ""
    assert done.stdout.startswith("fold1: 4 tested, nothing shared\nfold2: 4 tested, nothing shared\naudit ok: ")
    (folds / "fold2_train.txt").write_text("08a01Wa\n09a01Wa\n")
    done = run(ROOT / "examples" / "audit_lists.py", folds, "--speaker-from", "emodb")
    assert done.returncode == 1
    assert "fold2: 4 tested, id (1), speaker (1)" in done.stdout


def test_the_hook_is_a_command_that_there_is():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    program, name, *words = [*shlex.split(hook["entry"]), *hook["args"]]
    options = {o for p in get_command(app).commands[name].params for o in (*p.opts, *p.secondary_opts)}
    assert program == "ser"
    assert {word for word in words if word.startswith("--")} <= options


def test_the_lists_of_the_benchmark_are_clean(tmp_path):
    spec = importlib.util.spec_from_file_location("auditor", ROOT / "benchmarks" / "auditor.py")
    auditor = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(auditor)
    (tmp_path / "lists").mkdir()
    for name, path in auditor.lists(tmp_path / "lists", auditor.made_up(100)).items():
        found = audit_lists([path], read_audio=False)
        assert found.leaking == ()
        assert found.coverage.utterances == 100
        assert len(found.folds) == (1 if name == "one split" else 5)
