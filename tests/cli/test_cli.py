import io
import json
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import assert_close
from fake_run import CLASSES, FOLDS, tone, write_run, write_wav
from rich.console import Console
from typer.main import get_command

from ser_plugins import __version__, cli
from ser_plugins.cli.formats import as_textgrid
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.timeline import timeline
from ser_plugins.inference.turns import predict_turns


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run") / "loso")


@pytest.fixture(scope="module")
def model(run_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "emodb"
    export_model(run_folder, folder)
    return folder


@pytest.fixture
def ser(monkeypatch, capsys):
    """Run the command as the console script does; returns exit code, output, error output."""

    def run(*arguments, columns=300):
        monkeypatch.setattr(sys, "argv", ["ser", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        written = capsys.readouterr()
        return ended.value.code or 0, written.out, written.err

    return run


def test_every_command_has_help_with_an_example(ser):
    code, out, _ = ser("--help")
    assert code == 0
    using = ("classify", "check", "timeline", "explain", "export", "models", "onnx", "serve", "demo")
    for command in (*using, "report", "compare", "leaks", "suite", "audit", "toy"):
        assert command in out
        assert f"Example: ser {command} " in ser(command, "--help")[1]


def test_no_word_of_the_help_is_taken_for_markup():
    from rich.text import Text

    texts = []
    for name, command in get_command(cli.app).commands.items():
        texts += [(name, text) for text in (command.help, *(getattr(each, "help", "") for each in command.params))]
    assert len(texts) > 50
    for name, text in texts:
        shown = (text or "").replace("[cyan]", "").replace("[/cyan]", "").replace("\\[", "[")
        assert Text.from_markup(text or "").plain == shown, name


def test_version(ser):
    assert ser("--version") == (0, f"ser {__version__}\n", "")


def test_help_imports_nothing_heavy():
    code = "import sys, ser_plugins.cli; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "speechbrain", "numpy", "pandas"} & set(run.stdout.split())


def test_classify_prints_a_table(ser, model, tmp_path):
    paths = [write_wav(tmp_path / name) for name in ("a.wav", "[b].wav")]
    code, out, err = ser("classify", *paths, "--model", model)
    assert code == 0
    assert "error" not in err
    label, probability, _ = EmotionClassifier.from_hparams(model).predict_file(paths[0])
    for path in paths:
        line = next(line for line in out.splitlines() if str(path) in line)
        assert f" {label} " in line
        assert f"{probability:.0%}" in line


def test_below_the_table_alone_stands_what_was_measured_on_strangers(ser, model, tmp_path):
    path = write_wav(tmp_path / "a.wav")
    _, out, _ = ser("classify", path, "--model", model)
    assert out.splitlines()[-1].strip() == "not measured on strangers"
    for form in ("csv", "json", "jsonl", "audformat"):
        assert "strangers" not in "".join(ser("classify", path, "--model", model, "--format", form)[1:])
    assert "strangers" not in ser("classify", tmp_path / "no.wav", "--model", model)[1]
    measured = shutil.copytree(model, tmp_path / "measured")
    card = json.loads((measured / "model.json").read_text())
    score = {"corpus": "EmoDB", "recordings": 9, "speakers": 2, "classes": 6, "uar": 0.657, "interval": [0.617, 0.7]}
    card["strangers"] = {"protocol_line": "loco", "corpora": [score, {**score, "corpus": "own", "interval": None}]}
    (measured / "model.json").write_text(json.dumps(card))
    _, out, _ = ser("classify", path, "--model", measured)
    assert out.splitlines()[-1] == "measured on strangers: UAR 65.7 (EmoDB, 61.7 – 70.0), 65.7 (own)"


def test_classify_prints_json_and_goes_on_after_bad_files(ser, model, tmp_path):
    good = [write_wav(tmp_path / "a.wav"), write_wav(tmp_path / "b.wav", tone(pitch=300))]
    missing, short = tmp_path / "no.wav", write_wav(tmp_path / "short.wav", tone(0.01))
    code, out, err = ser("classify", good[0], missing, short, good[1], "--model", model, "--json")
    rows = json.loads(out)
    assert code == 1
    assert [row["file"] for row in rows] == [str(path) for path in (good[0], missing, short, good[1])]
    for row in (rows[0], rows[3]):
        assert list(row["probabilities"]) == CLASSES
        assert row["probabilities"][row["label"]] == row["probability"] == max(row["probabilities"].values())
    assert "no.wav" in rows[1]["error"]
    assert "at least" in rows[2]["error"]
    kinds = [line.split(": ")[0] for line in err.splitlines()]
    assert kinds.count("error") == 2
    assert set(kinds) <= {"error", "warning"}
    code, out, err = ser("classify", missing, "--model", model)
    assert (code, out) == (1, "")


def test_recordings_judged_together_get_what_each_gets_alone(ser, model, tmp_path):
    waves = [tone(seconds, pitch=150 + 40 * place) for place, seconds in enumerate((2.0, 0.6, 1.1, 0.01, 0.9))]
    paths = [write_wav(tmp_path / f"{place}.wav", wave) for place, wave in enumerate(waves)]
    paths.insert(2, tmp_path / "no.wav")

    def rows(*options):
        code, out, _ = ser("classify", *paths, "--model", model, "--json", *options)
        assert code == 1
        return json.loads(out)

    assert_close(rows("--batch", 4), rows(), tolerance=1e-4)


def test_a_batch_that_fails_costs_only_its_culprit(ser, model, tmp_path, monkeypatch):
    together = EmotionClassifier.predict_recordings

    def predict_recordings(self, recordings, texts=None):
        if any("bad" in recording.source for recording in recordings):
            raise SerError(got="NaN", expected="numbers", remedy="none")
        return together(self, recordings, texts)

    monkeypatch.setattr(EmotionClassifier, "predict_recordings", predict_recordings)
    paths = [write_wav(tmp_path / name) for name in ("a.wav", "bad.wav", "c.wav")]
    code, out, _ = ser("classify", *paths, "--model", model, "--batch", 3, "--format", "jsonl")
    assert code == 1
    assert ["error" in json.loads(line) for line in out.splitlines()] == [False, True, False]


def test_quiet_leaves_results_and_errors(ser, model, tmp_path):
    path = write_wav(tmp_path / "a.wav", 0.01 * tone())
    loud = ser("classify", path, tmp_path / "no.wav", "--model", model)
    quiet = ser("classify", path, tmp_path / "no.wav", "--model", model, "--quiet")
    assert "warning: " in loud[2]
    assert loud[1].startswith(quiet[1])
    assert [line.split(": ")[0] for line in quiet[2].splitlines()] == ["error"]
    assert "strangers" not in quiet[1]


def test_a_terminal_shows_how_far_and_how_fast_and_a_pipe_nothing(ser, model, tmp_path, monkeypatch):
    paths = [write_wav(tmp_path / f"{number}.wav") for number in range(3)]
    drawn = io.StringIO()
    arguments = ("check", *paths, "--model", model, "--format", "csv")

    def terminal_of(file, terminal):
        return lambda **options: Console(file=file, force_terminal=terminal, width=80)

    for terminal in (False, True):
        monkeypatch.setattr("ser_plugins.cli.recordings.console", terminal_of(drawn, terminal))
        for quiet in ([], ["--quiet"]):
            ser(*arguments, *quiet)
            shown = drawn.getvalue()
            assert bool(shown) == (terminal and not quiet)
            drawn.truncate(0)
            drawn.seek(0)
            if shown:
                assert "3/3" in shown
                assert re.search(r"\d\.\d/s", shown)
                assert "0:00:00" in shown


def test_true_labels_stand_beside_the_models(ser, model, tmp_path):
    paths = [write_wav(tmp_path / name) for name in ("a.wav", "b.wav", "c.wav")]
    label = EmotionClassifier.from_hparams(model).predict_file(paths[0]).label
    other = next(name for name in CLASSES if name != label)
    truth = tmp_path / "truth.csv"
    truth.write_text(f"label,file\n{label},a.wav\n{other},b\n")
    code, out, _ = ser("classify", *paths, "--model", model, "--truth", truth, columns=80)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert [" wrong " in line for line in out.splitlines() if f" {label} " in line and "│" in line] == [
        False,
        True,
        False,
    ]
    assert "1 of 2 as labelled" in out
    assert "1 without a true label" in out
    rows = json.loads(ser("classify", *paths, "--model", model, "--truth", truth, "--json")[1])
    assert [row["true"] for row in rows] == [label, other, None]
    csv_text = ser("classify", paths[0], "--model", model, "--truth", truth, "--format", "csv")[1]
    assert csv_text.startswith("file,true,label,")
    truth.write_text("file,label\nd.wav,zeal\na.wav,\n")
    _, out, err = ser("classify", *paths, "--model", model, "--truth", truth)
    assert "true labels that the model does not give: zeal" in err
    assert "no recording has a true label" in err
    assert "3 without a true label" in out
    for text, message in (
        ("file,emotion\na,b\n", "got: .*columns file, emotion"),
        ("id,true\na,b\na,c\n", "labels b and c"),
        ("file,label\na\n", "line 2: 1 columns"),
        ("file,label\nä,b\n", "line 2: not UTF-8"),
    ):
        truth.write_bytes(text.encode("latin-1"))
        code, _, err = ser("classify", *paths, "--model", model, "--truth", truth)
        assert code == 2
        assert re.search(message, err)


def test_a_device_that_is_not_there_is_one_line(ser, model, tmp_path):
    path = write_wav(tmp_path / "a.wav")
    code, out, err = ser("classify", path, "--model", model, "--device", "gpu")
    assert (code, out) == (2, "")
    assert err.startswith("error: got: device gpu; expected: one of this machine: cpu")


def test_tables_fit_eighty_columns(ser, model, tmp_path):
    path = write_wav(tmp_path / "a.wav")
    for command in (("classify", path, "--model", model), ("check", path, "--model", model), ("models", model)):
        _, out, _ = ser(*command, columns=80)
        assert max(map(len, out.splitlines())) <= 80
        assert "…" not in out


def test_classify_takes_folders_and_standard_input(ser, model, tmp_path, monkeypatch):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    paths = [write_wav(tmp_path / "in" / name) for name in ("b.WAV", "deep/a.flac", "z.wav")]
    (tmp_path / "in" / "._z.wav").write_bytes(b"macOS")
    (tmp_path / "in" / "notes.txt").write_text("no audio")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(paths[0].read_bytes())))
    code, out, _ = ser("classify", tmp_path / "in", "-", paths[2], "--model", model, "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["file"] for row in rows] == [*map(str, paths), "-"]  # each once
    assert rows[0]["probabilities"] == rows[3]["probabilities"]
    (tmp_path / "empty").mkdir()
    assert "no audio file in" in ser("classify", tmp_path / "empty", "--model", model)[2]


def test_all_formats_say_the_same(ser, model, tmp_path):
    paths = [write_wav(tmp_path / "a, b.wav"), tmp_path / "no.wav"]

    def printed(form):
        code, out, _ = ser("classify", *paths, "--model", model, "--format", form)
        assert code == 1
        return out

    rows = json.loads(printed("json"))
    assert [json.loads(line) for line in printed("jsonl").splitlines()] == rows
    table = pd.read_csv(io.StringIO(printed("csv")))
    assert table["error"].isna().tolist() == [True, False]
    for found in (table.iloc[0], pd.read_csv(io.StringIO(printed("audformat")), index_col="file").iloc[0]):
        assert found["label"] == rows[0]["label"]
        assert [found[f"p_{name}"] for name in CLASSES] == pytest.approx(list(rows[0]["probabilities"].values()))
    assert ser("classify", paths[1], "--model", model, "--format", "audformat")[1].count("\n") == 1


def test_a_label_below_the_threshold_is_not_given(ser, model, tmp_path):
    path = write_wav(tmp_path / "a.wav")
    (row,) = json.loads(ser("classify", path, "--model", model, "--json")[1])
    for below, label in ((row["probability"], row["label"]), (row["probability"] + 1e-6, None)):
        (found,) = json.loads(ser("classify", path, "--model", model, "--json", "--abstain-below", below)[1])
        assert found == row | {"label": label}
    assert "a probability, 0 to 1" in ser("classify", path, "--model", model, "--abstain-below", 2)[2]


def test_check_and_classify_warn_by_the_same_rules(ser, model, tmp_path):
    clipped = write_wav(tmp_path / "clipped.wav", tone() * 20)
    code, out, warned = ser("check", clipped, "--model", model)
    assert code == 1
    assert "of the samples clipped; record again" in warned
    assert str(clipped) in out
    code, _, err = ser("classify", clipped, "--model", model)
    assert (code, err) == (0, warned)
    good = write_wav(tmp_path / "good.wav", tone(1.0) + np.random.default_rng(0).normal(0, 0.02, 16000))
    (row,) = json.loads(ser("check", good, "--format", "json")[1])
    assert row["warnings"] == []
    assert ser("check", good)[::2] == (0, "")
    assert ser("check", good, tmp_path / "no.wav")[0] == 1


def test_timeline_prints_segments_in_every_format(ser, model, tmp_path):
    path = write_wav(tmp_path / "a.wav", np.concatenate([tone(2, pitch=pitch) for pitch in (90, 200, 400)]))
    expected = timeline(EmotionClassifier.from_hparams(model), path).segments

    def printed(form, *options):
        code, out, err = ser("timeline", path, "--model", model, "--format", form, *options)
        assert (code, err) == (0, "")
        return out

    assert json.loads(printed("json")) == [{"file": str(path), **segment._asdict()} for segment in expected]
    found = pd.read_csv(io.StringIO(printed("csv")))
    assert found["p_fear"].tolist() == pytest.approx([segment.probabilities["fear"] for segment in expected])
    assert len(printed("jsonl", "--by", "window").splitlines()) == 4
    table = pd.read_csv(io.StringIO(printed("audformat")), index_col=["file", "start", "end"])
    starts = pd.to_timedelta(table.index.get_level_values("start")).total_seconds()
    assert starts.tolist() == [segment.start for segment in expected]
    assert printed("textgrid") == as_textgrid(expected)
    assert expected[0].label in printed("table", "--picture", tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert ser("timeline", path, "--model", model, "--smooth", 2)[0] == 2


def test_turns_are_printed_in_every_format(ser, model, tmp_path):
    path = write_wav(tmp_path / "talk.wav", np.concatenate([tone(2, pitch=pitch) for pitch in (90, 200, 400)]))
    turns = [(0.0, 4.0, "Ann"), (3.5, 5.5, "Ben"), (5.6, 5.8, "Ann")]
    expected = predict_turns(EmotionClassifier.from_hparams(model), path, turns)
    rttm = tmp_path / "talk.rttm"
    rttm.write_text("".join(f"SPEAKER talk 1 {a} {z - a} <NA> <NA> {who} <NA> <NA>\n" for a, z, who in turns))

    def printed(form, *options):
        code, out, err = ser("timeline", path, "--model", model, "--rttm", rttm, "--format", form, *options)
        assert code == 0
        assert "too short to be judged: 1 of 3 turns" in err
        assert "overlap, 1.0 s" in err
        return out

    rows = json.loads(printed("json"))
    assert [row["label"] for row in rows] == [turn.label for turn in expected]
    assert [row["remark"] for row in rows] == ["", "", "too short"]
    assert [json.loads(line) for line in printed("jsonl").splitlines()] == rows
    table = pd.read_csv(io.StringIO(printed("csv")))
    assert table["p_anger"].tolist()[:2] == pytest.approx([turn.probabilities["anger"] for turn in expected[:2]])
    assert [line.split()[7] for line in printed("rttm").splitlines()] == [turn.label for turn in expected[:2]]
    assert printed("textgrid").count('class = "IntervalTier"') == 2
    assert len(pd.read_csv(io.StringIO(printed("audformat")))) == 3
    (ann, _) = json.loads(printed("json", "--by", "speaker"))
    assert (ann["turns"], ann["judged"], set(ann["durations"])) == (2, pytest.approx(4.0), set(CLASSES))
    speakers = pd.read_csv(io.StringIO(printed("csv", "--by", "speaker")))
    assert speakers["share_fear"].tolist()[0] == pytest.approx(ann["shares"]["fear"])
    assert len(json.loads(printed("json", "--by", "window"))) == sum(len(turn.cells) for turn in expected)
    shown = printed("table", "--picture", tmp_path / "a.svg")
    assert "too short" in shown
    assert "2 turns, 4.2 s" in shown
    for wrong in (["--by", "speaker", "--format", "rttm"], ["--by", "segment", "--format", "textgrid"], ["--vad"]):
        assert ser("timeline", path, "--model", model, "--rttm", rttm, *wrong)[0] == 2
    assert "expected: --rttm" in ser("timeline", path, "--model", model, "--by", "turn")[2]


def test_explain_writes_a_picture_and_arrays(ser, model, tmp_path):
    path = write_wav(tmp_path / "a.wav")
    code, out, err = ser("explain", path, "--model", model, "--out", tmp_path / "why")
    assert (code, err) == (0, "")
    label = EmotionClassifier.from_hparams(model).predict_file(path).label
    assert out.startswith(f"{label} (")
    assert (tmp_path / "why.png").read_bytes()[1:4] == b"PNG"
    assert np.load(tmp_path / "why.npz")["attention"].shape[0] == 2
    code, out, _ = ser("explain", path, "--model", model, "--out", tmp_path / "so", "--picture", tmp_path / "so.svg")
    assert (code, out.endswith(f"{tmp_path / 'so.svg'}, {tmp_path / 'so.npz'}\n")) == (0, True)
    assert not (tmp_path / "so.png").exists()


@pytest.mark.parametrize("out", ["file/why", "folder.d", "no/" * 3000 + "why"])
def test_a_place_that_cannot_be_written_is_told_before_the_work(ser, tmp_path, out):
    (tmp_path / "file").write_text("")
    for suffix in (".png", ".md"):
        (tmp_path / f"folder.d{suffix}").mkdir()
    for *command, suffix in (
        ("explain", "no.wav", "--out", ""),
        ("timeline", "no.wav", "--picture", ".png"),
        ("leaks", tmp_path, "--out", ".md"),
        ("ablation", tmp_path / "no.json", "--out", ".md"),
        ("compare", tmp_path, tmp_path, "--out", ".md"),
    ):
        code, _, err = ser(*command, f"{tmp_path}/{out}{suffix}")
        assert (code, len(err.splitlines())) == (2, 1)
        assert "expected: a file that can be written" in err


def test_input_errors_are_one_line_and_exit_code_2(ser, tmp_path, run_folder):
    for arguments in (
        ("classify", "a.wav", "--model", tmp_path / "nothing"),
        ("timeline", "a.wav", "--model", tmp_path / "nothing"),
        ("explain", "a.wav", "--model", tmp_path / "nothing"),
        ("check", tmp_path),
        ("classify", "a.wav", "--model", run_folder / "seed_1234" / FOLDS[0]),
        ("export", tmp_path / "nothing", tmp_path / "out"),
        ("report", tmp_path),
        ("compare", run_folder),
        ("compare", run_folder, run_folder),
        ("compare", run_folder, tmp_path),
        ("compare", run_folder, tmp_path, "--out", "table.txt"),
        ("leaks", tmp_path),
        ("audit", tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"),
        ("toy", tmp_path / "toy", "--speakers", 99),
    ):
        code, out, err = ser(*arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith("error: got: ")
        assert len(err.splitlines()) == 1
    assert ser("classify")[0] == 2  # typer's own complaint


def test_export_says_what_it_chose_and_overwrites_when_told(ser, run_folder, tmp_path):
    code, out, err = ser("export", run_folder, tmp_path / "model")
    assert (code, err) == (0, "")
    assert "fold spk03, seed 1234" in out
    assert "--overwrite" in ser("export", run_folder, tmp_path / "model")[2]
    assert ser("export", run_folder, tmp_path / "model", "--overwrite")[0] == 0


def test_report_prints_and_writes(ser, run_folder):
    code, out, _ = ser("report", run_folder)
    assert code == 0
    assert "pooled over 3 folds" in out
    assert (run_folder / "results.md").is_file()


def test_compare_prints_the_conclusion_and_writes_it(ser, run_folder, tmp_path):
    other, third = (write_run(tmp_path / name / "loso", seed=seed) for name, seed in (("cnn", 7), ("rnn", 8)))
    code, out, err = ser("compare", run_folder, other)
    assert (code, out) == (2, "")
    assert "seeds 1234 in" in err
    assert "--allow-differing seeds" in err
    code, out, _ = ser("compare", run_folder, other, "--allow-differing", "seeds", "--out", tmp_path / "two.md")
    assert code == 0
    assert "oncluded: with 3 speakers no sign-flip test" in out
    assert "oncluded: with 3 speakers no sign-flip test" in (tmp_path / "two.md").read_text()
    options = ("--allow-differing", "seeds", "--reference", "cnn", "--out", tmp_path / "many.json")
    code, out, _ = ser("compare", run_folder, other, third, *options)
    assert code == 0
    assert "Nemenyi" in out
    assert json.loads((tmp_path / "many.json").read_text())["reference"] == "cnn"


def test_leaks_prints_the_table_and_writes_it(ser, run_folder, tmp_path):
    leaking = write_run(tmp_path / "bigru_mha" / "random", protocol="random", leaks=True)
    code, out, _ = ser("leaks", run_folder, leaking, "--out", tmp_path / "leaks.md")
    assert code == 0
    assert "| random **LEAKING** |" in out
    assert (tmp_path / "leaks.md").read_text() == out


def test_audit_prints_a_table_and_fails_on_a_leak(ser, tmp_path):
    def manifest(name, **speakers):
        entries = {id_: {"wav": f"{id_}.wav", "speaker": who, "sha256": id_} for id_, who in speakers.items()}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(entries))
        return path

    train, valid, test = manifest("train", a="spk03"), manifest("valid"), manifest("test", b="spk08")
    code, out, err = ser("audit", train, valid, test, "--disjoint", "speaker", "--line")
    assert (code, err) == (0, "")
    assert out.startswith("audit ok: train.json, valid.json, test.json, 1 fold, 2 utterances, division ")
    for name in ("audit.md", "audit.json"):
        code, out, err = ser("audit", train, manifest("leak", c="spk03"), "--out", tmp_path / name)
        assert code == 1
        assert "LEAKING" in out
        assert err.startswith("error: got: speaker spk03 in train")
    assert "| all | 1/0/1 | 1/0/1, 1 shared |" in (tmp_path / "audit.md").read_text()
    assert json.loads((tmp_path / "audit.json").read_text())["leaking"] == ["all"]


def test_audit_scores_predictions_with_and_without_lists_and_names_what_a_model_has_heard(ser, tmp_path):
    rows = [(f"u{i}", f"s{i % 4}", "joy" if i % 3 else "fear", "train" if i % 4 < 2 else "test") for i in range(24)]
    lines = ["id,speaker,label,split", *(",".join(row) for row in rows)]
    (tmp_path / "corpus.csv").write_text("\n".join(lines))
    answers = ["id,true,predicted", *(f"{id_},{label},joy" for id_, _, label, split in rows if split == "test")]
    (tmp_path / "theirs.csv").write_text("\n".join(answers))
    for lists in ([tmp_path / "corpus.csv"], []):
        for name in ("out.json", "out.md"):
            code, out, err = ser("audit", *lists, "--score", tmp_path / "theirs.csv", "--out", tmp_path / name)
            assert (code, err) == (0, "")
            assert "predictions theirs" in out
        values = json.loads((tmp_path / "out.json").read_text())
        assert values["predictions"]["scores"]["UAR"] == pytest.approx(0.5)
        assert values["predictions"]["scores"]["WA"] == pytest.approx(8 / 12)
        assert (values["predictions"]["intervals"]["UAR"] is None) == (not lists)
        assert ("leaking" in values) == bool(lists)
        assert "| UAR (%) | 50.00 |" in (tmp_path / "out.md").read_text()
    code, out, _ = ser("audit", "--pretrained", "whisper-base", "--corpus", "EmoDB")
    assert code == 0
    assert "EmoDB in it: unlikely, not excluded" in out
    code, out, err = ser("audit")
    assert (code, out) == (2, "")
    assert "no lists" in err


@pytest.mark.parametrize("option", [("--columns", "speaker"), ("--speaker-from", "("), ("--out", "a.txt")])
def test_audit_refuses_options_that_say_nothing(ser, tmp_path, option):
    (tmp_path / "a.csv").write_text("id,speaker\nu1,anna\n")
    code, out, err = ser("audit", tmp_path / "a.csv", tmp_path / "a.csv", *option)
    assert (code, out) == (2, "")
    assert option[0] in err


def test_toy_writes_a_corpus(ser, tmp_path):
    code, out, _ = ser("toy", tmp_path / "toy", "--speakers", 1, "--sentences", 1)
    assert (code, out.strip()) == (0, str(tmp_path / "toy"))
    assert len(list((tmp_path / "toy" / "wav").glob("03*.wav"))) == 7


@pytest.mark.parametrize(
    ("layout", "sizes", "wavs"), [("mosi", (3, 1), 4), ("chsims", (3, 4), 12), ("iemocap", (1, 1), None)]
)
def test_toy_knows_every_layout(layout, sizes, wavs, ser, tmp_path):
    options = ("--layout", layout, "--speakers", sizes[0], "--sentences", sizes[1])
    assert ser("toy", tmp_path / "toy", *options)[0] == 0
    found = len([path for path in (tmp_path / "toy").rglob("*.wav") if not path.name.startswith("._")])
    assert found == wavs if wavs else found


def test_toy_says_which_layouts_there_are(ser, tmp_path):
    code, _, complaint = ser("toy", tmp_path / "toy", "--layout", "meld")
    assert (
        code,
        "got: --layout meld; expected: one of emodb, iemocap, mosi, chsims, cremad, ravdess, nemo" in complaint,
    ) == (2, True)
