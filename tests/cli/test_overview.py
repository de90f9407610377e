"""The list of models: what the cards say, and an error for each folder that does not load."""

import json
import shutil

import pytest
import torch
from fake_run import CLASSES, tone, write_run
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.cli.models import _models_table
from ser_plugins.cli.overview import overview
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.inference import BUNDLED, open_model
from ser_plugins.inference.attention_map import attention_map


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    run = write_run(folder / "run" / "loso")
    export_model(run, folder / "models" / "one")
    export_ensemble(run, folder / "models" / "several")
    shutil.copytree(folder / "models" / "one", folder / "models" / "damaged")
    (folder / "models" / "damaged" / "classifier.safetensors").write_bytes(b"")
    (folder / "models" / "notes").mkdir()
    return folder / "models"


def listed(*arguments):
    done = CliRunner().invoke(app, ["models", *map(str, arguments)], env={"COLUMNS": "300"})
    return done.exit_code, done.stdout, done.stderr


def test_a_row_says_what_the_card_says(models):
    *_, damaged, one, several = overview([models])
    assert "SHA-256" in damaged["error"]
    card = json.loads((models / "one" / "model.json").read_text())
    for key in ("corpus", "system", "classes", "metrics", "intervals", "protocol_line"):
        assert one[key] == card[key]
    assert one["classes"] == CLASSES
    assert one["bytes"] == sum(path.stat().st_size for path in (models / "one").iterdir())
    assert several["bytes"] > 2 * one["bytes"]
    assert several["measured"].endswith("not their mean")
    assert one["strangers"] == "not measured on strangers"


def test_the_exit_code_says_whether_all_load(models, tmp_path):
    assert listed()[0] == listed(models / "one")[0] == 0
    for folder in (models, models / "damaged", models / "notes", tmp_path / "nothing"):
        code, out, error = listed(folder)
        assert (code, error.count("error: ")) == (1, 1)
        assert "small" in out
    code, out, _ = listed(models, "--format", "json")
    assert code == 1
    assert json.loads(out) == json.loads(json.dumps(list(overview([models]))))


def test_the_table_has_the_score_with_its_interval(models):
    _, block = listed()[1].split("│ small ")
    card = json.loads((BUNDLED["small"] / "model.json").read_text())
    score, (low, high) = (100 * card["metrics"]["UAR"], (100 * value for value in card["intervals"]["UAR"]))
    assert f"UAR {score:.1f} ({low:.1f} – {high:.1f})" in block
    assert "protocol loso, 10 folds, unit speaker" in block


def test_a_card_prints_neither_markup_nor_control_characters(models, tmp_path):
    folder = shutil.copytree(models / "one", tmp_path / "model")
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "system": "[red]a\x1b[2Jb"}))
    assert r"[red]a\x1b[2Jb" in "".join(listed(folder)[1].split())
    for key in ("metrics", "protocol_line"):
        (folder / "model.json").write_text(json.dumps({name: value for name, value in card.items() if name != key}))
        assert f"model.json: no {key}" in listed(folder)[2]


def test_a_card_of_an_earlier_version_is_read(models, tmp_path):
    folder = shutil.copytree(models / "one", tmp_path / "model")
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    for key in ("task", "target", "scale", "transductive", "partial", "statements", "sample_rate"):
        del card[key]
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")
    *_, row = overview([folder])
    assert (row["scale"], row["cautions"], row["classes"]) == (None, [], CLASSES)


ODD = [None, [], {}, "", "\ud800", "text", -1, 0, 1.5, True, 2**70, 10**400, [[]], {"UAR": []}, [None], {"UAR": "1"}]


def test_one_odd_card_ends_neither_the_list_nor_in_a_traceback(models, tmp_path, monkeypatch):
    """Every key of a card with kinds of values: the others are listed, and of this one it is said what is wrong."""
    monkeypatch.setattr("ser_plugins.cli.overview.BUNDLED", {"small": BUNDLED["small"]})  # one of the others is enough
    folders = [shutil.copytree(models / "one", tmp_path / f"odd{place}") for place in range(len(ODD) // 2)]
    card = json.loads((folders[0] / "model.json").read_text())
    for number, key in enumerate(card):
        for folder, value in zip(folders, ODD[number % 2 :: 2], strict=True):
            (folder / "model.json").write_text(json.dumps({**card, key: value}))
        rows = list(overview(folders))
        bundled, odd = rows[: -len(folders)], rows[-len(folders) :]
        assert bundled
        assert not any("error" in row for row in bundled)
        for folder, row in zip(folders, odd, strict=True):
            assert row["model"] == str(folder)
            if "error" in row:
                assert row["error"].startswith(f"got: {folder}")
            else:
                _models_table([row])


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"null", b"1", b'"x"', b"[" * 100_000, b'{"a":' * 50_000, b"\xff\xfe", b'{"format": NaN}',
        b"9" * 5_000, b'{"files": 1, "files": 2}', b"\xef\xbb\xbf{}", '{"format": "x"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_a_model_json_that_is_none_is_one_error(models, tmp_path, content):
    folder = shutil.copytree(models / "one", tmp_path / "odd")
    (folder / "model.json").write_bytes(content)
    code, out, error = listed(folder)
    assert (code, error.count("\n")) == (1, 1)
    assert "small" in out
    assert f"error: {folder}: got: {folder / 'model.json'}: " in error


def test_the_attention_map_of_an_ensemble_is_the_mean_of_its_members(models):
    model, wave = open_model(models / "several", device="cpu"), torch.as_tensor(tone())
    found = attention_map(model, wave)["weights"]
    alone = [
        attention_map(open_model(path, device="cpu"), wave)["weights"]
        for path in (models / "several").iterdir()
        if path.is_dir()
    ]
    mean = torch.tensor(alone).mean(dim=0)
    torch.testing.assert_close(torch.tensor(found), mean, rtol=0, atol=2e-3)
    assert (torch.tensor(alone[0]) - mean).abs().max() > 5e-3
