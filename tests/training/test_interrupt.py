"""Ctrl-C: one line, status 130, nobody left at work, and the same command goes on."""

import os
import signal
import sys
import threading

import forked
import pytest
from conftest import ROOT
from speechbrain import Brain

from ser_plugins.errors import SerError
from ser_plugins.training.endings import one_line_endings
from ser_plugins.training.launch.local import Here, Job
from ser_plugins.training.launch.run_jobs import finished_epochs
from ser_plugins.training.recipe import parse_options

# The recipe as it is; it says on its output when a fold is at work, and the test then presses Ctrl-C.
LONG = ["--number_of_epochs", "100000", "--hidden_size", "8", "--heads", "2", "--layers", "1", "--batch_size", "8"]
COMMANDS = {
    "train.py": ["hparams/bigru_mha.yaml", *LONG],
    "reproduce.py": ["--systems", "bigru_mha", *LONG],
    "nested.py": ["list.yaml", *LONG],
}


def wait_for_a_checkpoint(process, results):
    """Until a fold is at work, or the command has ended by itself."""
    pause = threading.Event()
    while not list(results.rglob("CKPT.yaml")):
        assert process.exitcode is None
        pause.wait(0.05)


@pytest.mark.skipif(sys.platform == "win32", reason="there a console's Ctrl-C reaches the tests themselves")
@pytest.mark.parametrize(("script", "jobs"), [("train.py", "2"), ("reproduce.py", "1"), ("nested.py", "1")])
def test_ctrl_c_is_one_line_and_leaves_nobody_at_work(toy_emodb, tmp_path, script, jobs):
    listed = tmp_path / "list.yaml"
    listed.write_text("name: list\nconfigurations:\n  net: {yaml: hparams/bigru_mha.yaml}\n")
    options = [str(listed) if option == "list.yaml" else option for option in COMMANDS[script]]
    where = ["--data_folder", toy_emodb, "--results_folder", tmp_path / "results", "--jobs", jobs, "--device", "cpu"]
    printed = tmp_path / "printed"
    # A group of its own, as a terminal gives it: all of it hears Ctrl-C.
    process = forked.start(printed, f"recipes/EmoDB/{script}", *options, *where, leads_group=True)
    try:
        wait_for_a_checkpoint(process, tmp_path / "results")
        os.killpg(process.pid, signal.SIGINT)
        process.join(300)
    finally:
        process.kill()
    output = printed.read_text()
    assert process.exitcode == 130, output
    assert output.rstrip().endswith("interrupted; the same command resumes")
    assert "Traceback" not in output
    assert "leaked" not in output
    logs = "".join(path.read_text() for path in (tmp_path / "results").rglob("console.log"))
    assert "KeyboardInterrupt" not in logs


def test_bad_input_and_ctrl_c_end_in_one_line(capsys):
    for error, status, line in (
        (SerError(got="a", expected="b", remedy="c"), 2, "error: got: a; expected: b; remedy: c"),
        (KeyboardInterrupt(), 130, "interrupted; the same command resumes"),
    ):
        with pytest.raises(SystemExit) as stop, one_line_endings():
            raise error
        assert stop.value.code == status
        assert capsys.readouterr().err == line + "\n"


def test_epochs_are_counted_by_checkpoints_whatever_the_train_logger_writes(tmp_path):
    assert finished_epochs(tmp_path) == 0
    for number, text in enumerate(
        ("number: 1\nepoch: 9\n", "epoch: 12\n", "brain_intra_epoch_ckpt: true\n", "epoch: x\n")
    ):
        folder = tmp_path / "save" / f"CKPT+{number}"
        folder.mkdir(parents=True)
        (folder / "CKPT.yaml").write_text(text)
    assert finished_epochs(tmp_path) == 12


def test_the_bar_moves_while_one_training_has_this_process(tmp_path):
    """The job itself waits for the tick."""
    ticked = threading.Event()

    def job():
        assert ticked.wait(timeout=120)
        return {"fold": "a"}

    ticks = []

    def tick(running):
        ticks.append(running)
        if len(ticks) > 1:  # the first is before the job
            ticked.set()

    ((_, results, error),) = Here().run([Job("a", tmp_path, 1, job, ())], tick)
    assert (results, error) == ({"fold": "a"}, None)
    assert [job.name for job in ticks[0]] == ["a"]
    assert ticks[-1] == []


def test_a_terminal_has_one_live_line_and_it_is_ours(monkeypatch):
    yaml_file = ROOT / "recipes/EmoDB/hparams/bigru_mha.yaml"
    assert not parse_options([yaml_file], [])[0].noprogressbar
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    run_options, _ = parse_options([yaml_file], [])
    assert run_options.noprogressbar
    assert Brain(run_opts=run_options).noprogressbar
