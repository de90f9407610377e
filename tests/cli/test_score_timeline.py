"""Timelines are scored from what people and programs write."""

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.errors import SerError

HEADER = "file,start,end,label,probability\n"


def line(file, start, duration, emotion):
    return f"SPEAKER {file} 1 {start} {duration} <NA> <NA> {emotion} <NA> <NA>\n"


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "reference.rttm"
    path.write_text(line("a", 0, 4, "joy") + line("a", 4, 4, "neutral") + line("b", 0, 2, "fear"))
    return path


def printed_by(*arguments):
    result = CliRunner().invoke(app, ["score-timeline", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def scored(*arguments):
    printed = printed_by(*arguments, "--format", "json")
    return {row.pop("file"): row for row in json.loads(printed)}


def test_every_format_of_a_timeline_is_read(reference, tmp_path):
    rows = [("x/a.wav", 0, 3, "joy"), ("x/a.wav", 3, 8, ""), ("b.mp3", 0, 2, "anger")]
    objects = [dict(zip(("file", "start", "end", "label"), (*row[:3], row[3] or None), strict=True)) for row in rows]
    (tmp_path / "e.csv").write_text(HEADER + "".join(f"{','.join(map(str, row))},0.5\n" for row in rows))
    (tmp_path / "e.json").write_text(json.dumps(objects))
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, objects)))
    (tmp_path / "e.rttm").write_text(line("a", 0, 3, "joy") + line("b", 0, 2, "anger"))
    for suffix in ("csv", "json", "jsonl", "rttm"):
        found = scored(reference, tmp_path / f"e.{suffix}")
        assert (found["a"]["duration"], found["a"]["missed"], found["a"]["eder"]) == (8, 1, pytest.approx(1 / 8))
        assert (found["b"]["confusion"], found["b"]["eder"]) == (2, 1)
    table = printed_by(reference, tmp_path / "e.csv")
    assert "all, by time" in table
    assert "mean of recordings" in table
    printed = printed_by(reference, tmp_path / "e.csv", "--format", "csv")
    assert [row["file"] for row in csv.DictReader(io.StringIO(printed))] == ["a", "b"]


def test_folders_unnamed_recordings_other_neutrals_and_parts(reference, tmp_path):
    folder = tmp_path / "predicted"
    folder.mkdir()
    (folder / "a.csv").write_text("start,end,label\n0,4,joy\n4,8,calm\n")
    (folder / "b.csv").write_text("start,end,label\n0,2,fear\n")
    assert scored(reference, folder)["a"]["false_alarm"] == 4
    assert scored(reference, folder, "--neutral", "neutral", "--neutral", "calm")["a"]["eder"] == 0
    (tmp_path / "a.uem").write_text(";; what is scored\na 1 3 5\nb 1 0 4\n")
    found = scored(reference, folder, "--uem", tmp_path / "a.uem")
    assert (found["a"]["eder"], found["b"]["duration"], found["b"]["eder"]) == (0.5, 4, 0)
    alone = tmp_path / "one.rttm"
    alone.write_text(line("talk", 0, 8, "joy"))
    assert scored(alone, folder / "a.csv")["talk"]["eder"] == 0.5


def test_labels_that_do_not_fit_and_files_without_names_are_told(tmp_path, capsys):
    for name, label in (("right", "joy"), ("predicted", "Joy")):
        (tmp_path / f"{name}.csv").write_text(f"start,end,label\n0,2,{label}\n2,4,neutral\n")
    paths = tmp_path / "right.csv", tmp_path / "predicted.csv"
    (tmp_path / "a.uem").write_text("right 1 0 4\nright 1 1 3\n")  # what overlaps counts once
    result = CliRunner().invoke(app, ["score-timeline", *map(str, paths), "--neutral", "calm", "--neutral", "neutral"])
    assert "the reference has joy, what was predicted Joy" in result.stderr
    assert "--neutral calm: no segment has this label" in result.stderr
    found = scored(*paths, "--uem", tmp_path / "a.uem")
    assert (found["right"]["duration"], found["right"]["eder"]) == (4, 0.5)
    (tmp_path / "a.uem").write_text("talk 1 0 4\n")
    with pytest.raises(SerError, match="nothing of the recording right"):
        printed_by(*paths, "--uem", tmp_path / "a.uem")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line("c", 0, 1, "joy"), "line 1: of the recording c; expected: recordings of the reference: a, b"),
        (line("a", 0, -1, "joy"), "line 1: duration -1"),
        ("SPEAKER a 1 0 1\n", "line 1: 5 fields"),
        ("", "nothing in it"),
    ],
)
def test_what_cannot_be_scored_is_one_error(reference, tmp_path, text, message):
    (tmp_path / "e.rttm").write_text(text)
    with pytest.raises(SerError) as caught:
        printed_by(reference, tmp_path / "e.rttm")
    assert message in str(caught.value)
