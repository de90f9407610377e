"""What is typed is what is used: options and YAMLs as settings, and which settings make two runs one experiment."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from conftest import RECIPES, ROOT, train
from hyperpyyaml import load_hyperpyyaml

from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.evidence import read_record
from ser_plugins.training import recipe
from ser_plugins.training.fold import check_settings
from ser_plugins.training.nested import nested
from ser_plugins.training.recipe import parse_options
from ser_plugins.training.reproduce import reproduce
from ser_plugins.training.settings import differences, fingerprint, quoted, resolve, sha256, texts_as_written

YAML_FILE = ROOT / "recipes" / "EmoDB" / "hparams" / "bigru_mha.yaml"
YAML_FILES = sorted(ROOT.glob("recipes/*/hparams/*.yaml"))
# By hand, and not from settings.py: where files are, which repetition it is, how fast it goes.
WHERE = (
    "data_folder", "csv", "results_folder", "run_folder", "output_folder", "save_folder", "manifest_folder",
    "cache_folder", "features_folder", "train_annotation", "valid_annotation", "test_annotation", "train_logger",
    "checkpointer", "seed", "__set_seed", "fold", "cache_features", "num_workers", "needs_sound",
)  # fmt: skip
TEXTS = (
    "2024_05_01", "1.10", "010", "1e3", "0x1F", "12:30", "2024-05-01", "yes", "no", "null", "true", "~", ".5", "1_000",
    "2024/0", "1/0", "9**9**9", "(a)", "[a]", "{a}", "!a", "&a", "*a", "@a", "a#b", "ünï--x", "a=b", "a==b", '"a',
    "'a'", "%a", "`a", "08", "-", "a # b", "a: b", "- a", "a\tb", " a", 'say "hm"', "a\\b", "runs, of May",
)  # fmt: skip


# What is built is of no interest here, and takes its time.
UNBUILT = (
    "checkpointer", "train_logger", "modules", "compute_features", "mean_var_norm", "embedding_model", "classifier",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_path_is_what_was_typed(text):
    _, overrides = parse_options([YAML_FILE], ["--results_folder", text, "--fold", text])
    if not text.startswith("--"):
        assert parse_options([YAML_FILE], [f"--results_folder={text}", "--fold", text])[1] == overrides
    resolved = resolve(YAML_FILE, overrides)
    loaded = load_hyperpyyaml(YAML_FILE.read_text(), quoted({**overrides, **dict.fromkeys(UNBUILT)}))
    expected = Path(text).expanduser() if text == "~" else Path(text)
    for hparams in (resolved, loaded):
        assert Path(hparams["results_folder"]) == expected
        assert Path(hparams["run_folder"]) == expected / "bigru_mha" / "loso"
        assert hparams["fold"] == text


def test_a_home_is_expanded_however_it_is_typed(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    for options in (["--data_folder=~/emodb"], ["--data_folder", "~/emodb"]):
        assert Path(parse_options([YAML_FILE], options)[1]["data_folder"]) == Path("/home/me/emodb")


def test_the_last_of_two_values_counts_and_run_options_are_speechbrains():
    run_options, overrides = parse_options([YAML_FILE], ["--lr", "1", "--precision", "bf16", "--lr=2e-3"])
    assert overrides == {"lr": 0.002}
    assert run_options["precision"] == "bf16"
    assert run_options["overridden_args"] == {"precision"}


def test_a_run_option_that_is_a_number_or_nothing_is_a_number():
    options, _ = parse_options([YAML_FILE], ["--optimizer_step_limit", "7", "--device", "7"])
    assert (options["optimizer_step_limit"], options["device"]) == (7, "7")
    assert parse_options([YAML_FILE], [])[0]["optimizer_step_limit"] is None
    for text in ("0", "-3", "2.5", "many"):
        with pytest.raises(SerError, match=f"--optimizer_step_limit {text}; expected: a"):
            parse_options([YAML_FILE], ["--optimizer_step_limit", text])


def test_what_is_no_text_is_read_as_yaml():
    options = ["--lr", "1e-4", "--bidirectional", "False", "--layers=3", "--dropout", "0"]
    _, overrides = parse_options([YAML_FILE], options)
    assert overrides == {"lr": 0.0001, "bidirectional": False, "layers": 3, "dropout": 0}
    wavlm, csv = ROOT / "recipes/EmoDB/hparams/wavlm_bigru_mha.yaml", ROOT / "recipes/CSV/hparams/bigru.yaml"
    assert parse_options([wavlm], ["--layer", "9"])[1] == {"layer": 9}
    assert parse_options([csv], ["--n_classes", "3", "--csv", "2024.10"])[1] == {"n_classes": 3, "csv": "2024.10"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lr", "fast"], "--lr fast; expected: a number, such as 0.0001"),
        (["--lr"], "--lr without a value; expected: a number"),
        (["--lr", ".nan"], "--lr .nan; expected: a number"),
        (["--batch_size", "[1"], "--batch_size [1; expected: a value in YAML"),
        (["--bidirectional", "yes"], "--bidirectional yes; expected: True or False"),
        (["--results_folder"], "--results_folder without a value; expected: one, such as results/EmoDB"),
        (["--results_folder="], "--results_folder without a value"),
        (["--results_folder", "a<seed>"], "--results_folder a<seed>; expected: text without <...>"),
        (["lr", "3"], "got: lr; expected: --KEY VALUE"),
        (["--hidden_sizes", "3"], "such as --hidden_size"),
        (["--debug"], "--debug, which leaves recordings out"),
    ],
)
def test_an_option_of_another_kind_is_one_clear_error(options, message):
    with pytest.raises(SerError) as stop:
        parse_options([YAML_FILE], options)
    assert message in str(stop.value)


def test_paths_and_names_in_a_yaml_are_text_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    path = tmp_path / "x.yaml"
    path.write_text(
        "system: 1.10\nfold: 03\nresults_folder: 2024_05_01\ndata_folder: ~/emodb\ncsv: null\nlr: 1.10\n"
        "protocol: loso\nrun_folder: !ref <results_folder>/<system>/<protocol>\n"
    )
    texts = texts_as_written(path)
    expected = {"system": "1.10", "fold": "03", "results_folder": "2024_05_01"}
    assert texts == {**expected, "data_folder": str(Path("/home/me/emodb"))}
    assert resolve(path, texts)["run_folder"] == "2024_05_01/1.10/loso"


def test_every_door_takes_a_folder_as_it_was_typed(toy_emodb, toy_csv, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipe, "_workers", lambda *_: 0)
    svm = {"prepare": import_module("emodb_prepare").prepare_emodb}
    where = ["--data_folder", str(toy_emodb)]
    train(toy_emodb, "1.10", "--fold", "spk03", yaml_file="hparams/mfcc_svm.yaml")
    script = str(ROOT / "recipes/EmoDB/reproduce.py")
    options = ["--systems", "mfcc_svm", *where, "--results_folder", "2024_05_01", "--fold", "spk03"]
    reproduce(options, **svm, script=script)
    (tmp_path / "list.yaml").write_text("name: list\nconfigurations:\n  svm: {yaml: hparams/mfcc_svm.yaml}\n")
    options = ["list.yaml", *where, "--results_folder", "1e3", "--fold", "spk03-spk08"]
    nested(options, **svm, script=str(ROOT / "recipes/EmoDB/nested.py"))
    (tmp_path / "2024.10").write_text(toy_csv.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(SystemExit):  # its wavs are not beside it: the file was read
        train("2024.10", "a # b", "--fold", "03", name="CSV")
    assert "2024.10" in capfd.readouterr().err
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} >= {"1.10", "2024_05_01", "1e3"}
    assert not {"1.1", "20240501", "1000.0", "a"} & {path.name for path in tmp_path.iterdir()}
    assert len(list(tmp_path.glob("*/*/*/seed_1234/spk03/results.json"))) == 2


def another(value):
    """A value of the same kind that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return [value, "another"]


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_key_but_those_that_say_where_is_part_of_the_experiment(path, tiny_whisper):
    protocol = {"corpus_sha256": "ab", "fingerprint": "cd"}
    run_options, _ = parse_options([path], [])
    encoder = {"source": str(tiny_whisper), "states": "1-2"} if path.stem.startswith(("whisper", "bundled")) else {}
    hparams = resolve(path, encoder)
    before = sha256(fingerprint(hparams, protocol, run_options))
    assert len(hparams) > len(WHERE)
    for key, value in hparams.items():
        changed = sha256(fingerprint({**hparams, key: another(value)}, protocol, run_options)) != before
        assert changed == (key not in WHERE), key
    for key in protocol:
        assert sha256(fingerprint(hparams, {**protocol, key: "other"}, run_options)) != before


def test_there_are_yamls_to_look_at():
    assert {path.parts[-3] for path in YAML_FILES} == set(RECIPES)


@pytest.mark.parametrize(
    "options", [["--precision", "bf16"], ["--max_grad_norm", "1"], ["--grad_accumulation_factor", "2"]]
)
def test_run_options_that_change_what_is_computed_are_part_of_the_experiment(options):
    protocol = {"corpus_sha256": "ab", "fingerprint": "cd"}
    plain, changed = (parse_options([YAML_FILE], given)[0] for given in ([], options))
    hparams = resolve(YAML_FILE, {})
    assert fingerprint(hparams, protocol, plain) != fingerprint(hparams, protocol, changed)


def test_settings_are_told_apart_by_value_not_by_spelling():
    spelled = [resolve(YAML_FILE, parse_options([YAML_FILE], ["--lr", lr])[1]) for lr in ("1e-4", "0.0001", "0.001")]
    assert differences(spelled[0], spelled[1]) == ""
    assert differences(spelled[0], spelled[2]) == "lr: 0.0001 -> 0.001"


def test_a_refusal_names_what_differs_and_stays_short(tmp_path):
    one, other = (resolve(ROOT / "recipes/EmoDB/hparams" / name, {}) for name in ("bigru_mha.yaml", "mfcc_svm.yaml"))
    (tmp_path / "settings.json").write_text(json.dumps(one))
    with pytest.raises(SerError, match=r"and \d+ more\)") as stop:
        check_settings(tmp_path, other)
    assert len(str(stop.value)) < 1000
    changed = resolve(YAML_FILE, {"heads": 4, "dropout": 0.5})
    assert differences(one, changed) == "dropout: 0.2 -> 0.5, heads: 8 -> 4"
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}) == "a.c: 2 -> None"


def test_folds_of_other_settings_are_refused_before_any_training(toy_emodb, tmp_path, capfd):
    options = {"yaml_file": "hparams/mfcc_svm.yaml"}
    train(toy_emodb, tmp_path, "--fold", "spk03", "--C", "1", **options)
    before = [path for path in sorted(tmp_path.rglob("*")) if "manifests" not in path.parts]
    for more in (["--fold", "spk08"], ["--fold", "spk03", "--seed", "1"], []):
        with pytest.raises(SystemExit):
            train(toy_emodb, tmp_path, *more, "--C", "100", here=True, **options)
        error = capfd.readouterr().err.strip().splitlines()[-1]
        assert "made with other settings (C: 1.0 -> 100)" in error or "(C: 1 -> 100)" in error
    assert [path for path in sorted(tmp_path.rglob("*")) if "manifests" not in path.parts] == before
    train(toy_emodb, tmp_path, "--fold", "spk08", "--C", "1", **options)


def test_published_settings_are_still_the_settings():
    """Committed results are of the YAMLs as they are: no key was added to, or left out of, what is hashed."""
    checked = 0
    for path in sorted(ROOT.glob("evidence/EmoDB/*/run.json")):
        record = read_record(path.parent).folds[0]
        assert record.settings_sha256 == sha256(record.settings) or "pool" in record.settings
        yaml_file = ROOT / "recipes" / "EmoDB" / "hparams" / f"{record.system}.yaml"
        if yaml_file.is_file() and "hf:" not in yaml_file.read_text(encoding="utf-8"):  # no network
            hparams = fingerprint(
                resolve(yaml_file, {}), {"corpus_sha256": "", "fingerprint": ""}, parse_options([yaml_file], [])[0]
            )
            checked += set(hparams) == set(record.settings) - {"n_bins"}  # which once was a key
    assert checked > 0
