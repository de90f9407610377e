"""The whole suite by one command: every complete system reported, finished trainings kept, wrong options named."""

import json
import logging
from importlib import import_module

import pytest
from conftest import ROOT, TINY

from ser_plugins.training import recipe, reproduce
from ser_plugins.training.launch.local import Here

SCRIPT = str(ROOT / "recipes/EmoDB/reproduce.py")


@pytest.fixture
def suite(toy_emodb, tmp_path, monkeypatch):
    """A call of the command in this process, and what it did: the corpus prepared, the tables written."""
    done = {"prepared": 0, "tables": []}
    genuine = import_module("emodb_prepare").prepare_emodb

    def prepare(data_folder, save_folder, protocol="loso", subset="full", select="last", split_seed=0):
        done["prepared"] += 1
        return genuine(data_folder, save_folder, protocol, subset, select, split_seed)

    def call(*options, systems="bigru,mha"):
        where = ["--data_folder", str(toy_emodb), "--results_folder", str(tmp_path / "results")]
        arguments = ["--systems", systems, *where, *TINY, "--number_of_epochs", "1", *options]
        reproduce.reproduce(arguments, prepare=prepare, script=SCRIPT)

    monkeypatch.setattr(recipe, "_workers", lambda *_: 0)

    def tables(runs, folder, *, command):  # written in earnest by test_suite.py
        assert command.startswith("python recipes/EmoDB/reproduce.py --systems ")
        done["tables"].append((runs, folder))

    monkeypatch.setattr(reproduce, "write_suite", tables)
    call.done, call.results = done, tmp_path / "results"
    return call


def test_systems_folds_and_seeds_become_reports_and_tables_and_a_second_call_keeps_them(suite, capfd):
    suite("--seeds", "1,2")
    assert not any(isinstance(handler, logging.FileHandler) for handler in logging.getLogger().handlers)  # all closed
    stamps = {path: path.stat().st_mtime_ns for path in suite.results.rglob("seed_*/*/results.json")}
    assert len(stamps) == 2 * 3 * 2
    assert suite.done["prepared"] == 1
    runs = {system: suite.results / system / "loso" for system in ("bigru", "mha")}
    assert suite.done["tables"] == [(runs, suite.results / "suite" / "loso")]
    assert all(json.loads((run / "results.json").read_text())["seeds"] == [1, 2] for run in runs.values())
    suite("--seeds", "1,2")
    assert stamps == {path: path.stat().st_mtime_ns for path in suite.results.rglob("seed_*/*/results.json")}


def test_what_is_named_twice_is_trained_once(suite, capfd):
    suite("--seeds", "1,01", "--fold", "spk03,spk03", systems="bigru,bigru.yaml")
    assert "EmoDB (synthetic), loso: 1 trainings of bigru into" in capfd.readouterr().err
    assert len(list(suite.results.rglob("seed_*/*/results.json"))) == 1


def test_one_system_that_fails_loses_no_report_of_another(suite, monkeypatch, capsys):
    genuine = Here.run

    def broken(self, jobs, tick):
        yield from genuine(self, [job for job in jobs if "bigru" in job.name], tick)
        yield from ((job, None, OSError("the disk went away")) for job in jobs if "bigru" not in job.name)

    monkeypatch.setattr(Here, "run", broken)
    with pytest.raises(SystemExit) as caught:
        suite()
    assert caught.value.code == 2
    assert list(suite.done["tables"][0][0]) == ["bigru"]
    printed = capsys.readouterr()
    assert "3 of 6 trainings failed: mha spk03" in printed.err
    assert "mha: folds still to be trained before there is a report: spk03, spk08, spk09" in printed.out


@pytest.mark.parametrize(
    ("options", "systems", "message"),
    [
        (["--headz", "2"], "bigru", "such as --heads"),
        (["--fold", "spk99"], "bigru", "got: fold 'spk99'"),
        (["--folds", "spk03"], "bigru", "such as --fold"),
        ([], "bigru,nothing", "got: no system nothing"),
        (["--system", "mha"], "bigru", "got: --system mha; expected: --systems"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_trained(options, systems, message, suite, capsys):
    with pytest.raises(SystemExit):
        suite(*options, systems=systems)
    assert message in capsys.readouterr().err
    assert not list(suite.results.rglob("seed_*"))


@pytest.mark.parametrize("name", ["EmoDB", "IEMOCAP", "CHSIMS", "MOSI"])
def test_the_default_is_every_system_of_the_paper(name):
    script = ROOT / "recipes" / name / "reproduce.py"
    systems = [system for system in reproduce._systems(None, script) if system not in reproduce.BASELINES]
    assert len(systems) == 12
    assert {"cnn", "lstm", "bigru_mha", "bigru_mha_32"} <= set(systems)
