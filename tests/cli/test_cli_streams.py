"""What a terminal, a pipe, a disk and a file name can do to a command: each test runs `ser` as a process of its own."""

import csv
import io
import json
import os
import signal
import subprocess
import sys

import pytest
from fake_run import tone, write_run, write_wav

from ser_plugins.export.folder import export_model

COMMAND = [sys.executable, "-c", "from ser_plugins.cli import main; main()"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    export_model(write_run(folder / "run" / "loso"), folder / "emodb")
    return folder / "emodb"


def ser(*arguments, **environment):
    process = subprocess.run([*COMMAND, *arguments], capture_output=True, env=os.environ | environment)
    assert b"Traceback" not in process.stderr
    return process


@pytest.fixture
def odd(tmp_path):
    """Good recordings under odd names, one of them damaged: names as bytes."""
    names = [b"caf\xe9.wav", b"line\nbreak.wav", b"\x1b[2Jcarriage\r.wav", "語.wav".encode(), b'-dash, "quoted".wav']
    write_wav(tmp_path / "a.wav")
    os.mkdir(tmp_path / "odd")
    for name in names:
        (tmp_path / "odd" / os.fsdecode(name)).write_bytes((tmp_path / "a.wav").read_bytes())
    (tmp_path / "odd" / "z\ndamaged.wav").write_bytes(b"RIFF")
    return tmp_path / "odd"


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
@pytest.mark.parametrize(("encoding", "form"), [("ascii", "table"), ("cp1252", "csv"), ("utf-8", "json")])
def test_no_name_and_no_terminal_costs_a_result(odd, model, encoding, form):
    long = "n" * 5000 + ".wav"
    environment = {"PYTHONIOENCODING": encoding, "COLUMNS": "300"}
    ended = ser("classify", odd, long, "--model", model, "--format", form, **environment)
    errors = [line for line in ended.stderr.decode(encoding).splitlines() if line.startswith("error")]
    assert (ended.returncode, len(errors)) == (1, 2)
    assert "z\\ndamaged.wav" in errors[0]
    assert "nnnnn.wav" in errors[1]
    names = sorted(os.listdir(odd))
    if form == "table":
        assert ended.stdout.decode(encoding).count(".wav") == len(names) - 1
        return
    text = ended.stdout.decode("utf-8")
    if form == "json":
        rows = json.loads(text)
    else:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        names = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    labels = {os.path.basename(row["file"]): row.get("label") for row in rows}
    assert list(labels) == [*names, long]
    assert [name for name, label in labels.items() if not label] == ["z\ndamaged.wav", long]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is always full")
@pytest.mark.parametrize("form", ["table", "csv"])
def test_a_full_disk_is_one_line(tmp_path, model, form):
    path = write_wav(tmp_path / "a.wav")
    with open("/dev/full", "wb") as full:
        command = [*COMMAND, "check", path, "--model", model, "--format", form]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("warning: ")]
    assert (ended.returncode, len(lines)) == (2, 1)
    assert lines[0].startswith("error: got: standard output: No space left on device; expected: ")


def test_a_pipe_that_nobody_reads_is_one_line(tmp_path, model):
    path = write_wav(tmp_path / "a.wav")
    for form in ("table", "jsonl"):
        reading, writing = os.pipe()
        os.close(reading)
        command = [*COMMAND, "check", path, "--model", model, "--format", form]
        ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
        os.close(writing)
        lines = [line for line in ended.stderr.splitlines() if not line.startswith("warning: ")]
        assert (ended.returncode, len(lines)) == (2, 1)
        assert lines[0].startswith("error: got: standard output: ")


@pytest.mark.skipif(os.name == "nt", reason="no such signal to another process")
def test_ctrl_c_is_one_line_and_keeps_what_was_done(tmp_path, model):
    path = write_wav(tmp_path / "a.wav", tone(20))
    for number in range(5000):  # minutes of work
        os.link(path, tmp_path / f"{number}.wav")
    command = [*COMMAND, "check", tmp_path, "--model", model, "--format", "json"]
    with open(tmp_path / "errors", "w+", encoding="utf-8") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        begun = process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rows = json.loads(begun + process.stdout.read())
        process.stdout.close()
        assert process.wait() == 130
        errors.seek(0)
        lines = errors.read().splitlines()
    assert 1 <= len(rows) < 5001
    assert lines[-1] == "error: stopped by Ctrl-C"
    assert {line.split(": ")[0] for line in lines} <= {"error", "warning"}
