"""The contamination line: wherever a score of a pretrained system stands, and nowhere else."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from conftest import ROOT, train
from fake_predictions import rounded
from fake_run import CLASSES, write_run, write_whisper_fold
from nested_run import run_nested
from paper_system import write_paper_system
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.cli.models import _models_table
from ser_plugins.cli.overview import overview
from ser_plugins.corpora.pretraining import (
    ANSWERS,
    REGISTER,
    UNKNOWN,
    contamination_line,
    pretrained_in,
    pretraining_of,
    register_lines,
    registered,
)
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.ablation import ablation_table
from ser_plugins.evaluation.compare.comparison import compare_many, compare_runs
from ser_plugins.evaluation.compare.leaks import leak_table
from ser_plugins.evaluation.compare.selection import selection_table
from ser_plugins.evaluation.compare.tables import comparison_markdown, comparison_terminal
from ser_plugins.evaluation.metrics.tasks import Classification
from ser_plugins.evaluation.paper.suite import find_runs, write_suite
from ser_plugins.evaluation.report.summary import aggregate, terminal_table, write_report
from ser_plugins.evaluation.runs.ensemble import ensemble_seeds
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.evaluation.runs.lockbox import unseal
from ser_plugins.evaluation.runs.packing import pack_run
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.export.own_recipe import export_recipe
from ser_plugins.functionals import BandMeans, JoinedFunctionals, MFCCStatistics
from ser_plugins.plain import console
from ser_plugins.spectrogram import LogPowerSpectrogram

MODEL = "openai/whisper-base"
LINE = (
    "openai/whisper-base on 680,000 h of undisclosed web audio with transcripts, no emotion labels; "
    "EmoDB in it: unlikely, not excluded"
)
NOTE = f"**PRETRAINED**: {LINE} (Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, 2022, "
CORPORA = ["EmoDB", "CREMA-D", "IEMOCAP", "MOSI", "CH-SIMS", "RAVDESS", "nEMO"]


def printed(renderable):
    """What a terminal shows, in one line."""
    wide = console(width=400)
    with wide.capture() as capture:
        wide.print(renderable)
    return " ".join(capture.get().split())


class TestRegister:
    def test_every_entry_says_what_there_is_to_say_and_where_it_is_from(self):
        entries = json.loads(REGISTER.read_text(encoding="utf-8"))
        models = [model for entry in entries for model in entry["models"]]
        assert len(set(models)) == len(models)
        for entry in entries:
            assert list(entry["corpora"]) == CORPORA
            assert set(entry["corpora"].values()) <= set(ANSWERS)
            assert entry["emotion_labels"] in ("yes", "no", UNKNOWN)
            assert entry["data"] == entry["data"].strip(" .")
            assert entry["labels"]
            # What is all named leaves nothing open; what is not says what.
            assert bool(entry["unknown"]) == (not set(entry["corpora"].values()) <= {"yes", "no"})
            assert entry["source"]["title"]
            assert 2009 < entry["source"]["year"] < 2100
            assert entry["source"]["url"].startswith("https://")

    def test_the_encoder_of_the_recipes_is_in_it(self):
        assert contamination_line(MODEL, "EmoDB") == LINE
        assert pretraining_of("microsoft/wavlm-base-plus").corpora["EmoDB"] != UNKNOWN

    @pytest.mark.parametrize("name", ["CREMA-D", "cremad", "crema_d.csv", "Crema D"])
    def test_a_corpus_is_known_by_its_letters(self, name):
        assert contamination_line("microsoft/wavlm-base", name).endswith(f"{name} in it: no")

    @pytest.mark.parametrize("name", ["EmoDB (synthetic)", "my.csv", "CREMA", "", ".csv"])
    def test_of_any_other_corpus_nothing_is_known(self, name):
        assert contamination_line("microsoft/wavlm-base", name).endswith(f"{name} in it: unknown")

    def test_a_model_is_known_without_its_owner_and_another_is_refused(self):
        assert registered("Whisper-Base") == MODEL
        assert registered("emotion2vec_plus_large") == "emotion2vec/emotion2vec_plus_large"
        with pytest.raises(SerError, match=r"whisper-gigantic: not in the register; expected: one of openai/"):
            registered("whisper-gigantic")

    def test_all_that_is_known_of_a_model_is_told(self):
        lines = register_lines("emotion2vec_base")
        assert lines[0].endswith("after read books (LibriSpeech), no emotion labels")
        assert "IEMOCAP in it: yes" in lines
        assert lines[-2].startswith("unknown: ")
        assert lines[-1].endswith("https://arxiv.org/abs/2312.15185")

    def test_labels_of_emotions_are_told(self):
        line = contamination_line("audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim", "EmoDB")
        assert "MSP-Podcast, with emotion labels; EmoDB in it: no" in line

    def test_the_models_of_a_front_end_are_those_of_all_its_modules(self, monkeypatch):
        assert pretrained_in(LogPowerSpectrogram()) == pretrained_in(MFCCStatistics()) == []
        monkeypatch.setattr(MFCCStatistics, "pretrained", None, raising=False)
        assert pretrained_in(MFCCStatistics()) == []
        monkeypatch.setattr(MFCCStatistics, "pretrained", MODEL)
        assert pretrained_in(JoinedFunctionals([BandMeans(), MFCCStatistics()])) == [MODEL]


class TestTraining:
    """The front ends of the recipes, which now say that they are pretrained."""

    @pytest.mark.parametrize(
        ("front_end", "yaml_file"),
        [(LogPowerSpectrogram, "hparams/bigru_mha.yaml"), (MFCCStatistics, "hparams/mfcc_svm.yaml")],
    )
    def test_a_fold_names_the_models_and_a_fold_without_any_has_no_such_key(
        self, front_end, yaml_file, toy_emodb, tmp_path, monkeypatch
    ):
        protocols = {}
        for name in ("plain", "pretrained"):
            if name == "pretrained":
                monkeypatch.setattr(front_end, "pretrained", MODEL, raising=False)
            train(toy_emodb, tmp_path / name, "--fold", "spk03", yaml_file=yaml_file)
            (path,) = (tmp_path / name).glob("*/loso/seed_1234/spk03/results.json")
            protocols[name] = json.loads(path.read_text())["protocol"]
        assert protocols["pretrained"].pop("pretrained") == [MODEL]
        assert protocols["pretrained"] == protocols["plain"]

    def test_nested_selection_names_those_of_all_that_was_chosen(self, toy_emodb, tmp_path, monkeypatch):
        monkeypatch.setattr(BandMeans, "pretrained", MODEL, raising=False)
        listed = (ROOT / "recipes/EmoDB/hparams/mfcc_svm.yaml").read_text(encoding="utf-8")
        bands, found = re.subn(
            r"!new:ser_plugins\.functionals\.MFCCStatistics", "!new:ser_plugins.functionals.BandMeans", listed
        )
        assert found == 1
        (tmp_path / "bands.yaml").write_text(bands, encoding="utf-8")
        content = (
            "name: chosen\nconfigurations:\n  mfcc: {yaml: hparams/mfcc_svm.yaml}\n"
            f"  bands: {{yaml: '{(tmp_path / 'bands.yaml').as_posix()}'}}\n  both: {{fuse: {{mfcc: 1, bands: 1}}}}\n"
        )
        # The choice itself is fixed, so that a plain fold stands beside one with a pretrained part.
        chosen = {"spk03": "mfcc", "spk08": "both", "spk09": "mfcc"}
        monkeypatch.setattr("ser_plugins.training.nested.choose_configurations", lambda *_: chosen)
        folder = run_nested(toy_emodb, tmp_path, content=content)
        selection = json.loads((folder / "selection.json").read_text())
        assert selection["pretrained"] == {"bands": [MODEL], "both": [MODEL]}
        text = (folder / "selection.md").read_text()
        assert [f"| {name} |" in text for name in ("mfcc", "bands PRETRAINED", "both PRETRAINED")] == [True] * 3
        assert text.count("> **PRETRAINED**: openai/whisper-base") == 1
        ablation = ablation_table(folder / "selection.json")
        assert [f"| {name} |" in ablation for name in ("`mfcc`", "`bands` **PRETRAINED**")] == [True] * 2
        assert ablation.count("> **PRETRAINED**: openai/whisper-base") == 1
        task = Classification(selection["task"]["classes"])
        assert "bands PRETRAINED" in printed(selection_table(selection, task))
        unseal(folder / "loso")
        assert aggregate(read_run(folder / "loso")).protocol.pretrained == (MODEL,)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Runs of one corpus: two that are pretrained, on the same and on another model, and two that are not."""
    folder = tmp_path_factory.mktemp("results")
    for name, models in {"cnn": [], "gru": [], "whisper": [MODEL], "wavlm": ["microsoft/wavlm-base", "own"]}.items():
        write_paper_system(folder, name, {}, **({"pretrained": models} if models else {}))
    return folder


@pytest.fixture(scope="module")
def suite(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    write_suite(find_runs(results), folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    run = write_run(folder / "run" / "loso", pretrained=[MODEL])
    export_model(run, folder / "models" / "one")
    export_ensemble(run, folder / "models" / "several")
    return folder / "models"


class TestReport:
    def test_it_says_so_in_the_title_above_the_table_and_in_the_protocol_line(self, results):
        summary = write_report(results / "whisper" / "loso")
        text = (results / "whisper" / "loso" / "results.md").read_text(encoding="utf-8")
        assert text.startswith("## EmoDB · whisper · loso · PRETRAINED\n")
        assert text.count(f"> {NOTE}") == 1
        assert f"; pretrained: {LINE}\n" in text
        assert json.loads((results / "whisper" / "loso" / "results.json").read_text()) == json.loads(
            json.dumps(summary.to_json())
        )
        assert summary.protocol_line.endswith(f"; pretrained: {LINE}")
        shown = printed(terminal_table(summary))
        assert "EmoDB · whisper · loso · PRETRAINED" in shown
        assert f"; pretrained: {LINE}" in shown

    def test_several_models_have_a_line_each_and_one_that_is_not_known_says_so(self, results):
        line = aggregate(read_run(results / "wavlm" / "loso")).protocol_line
        _, first, second = line.split("; pretrained: ")
        assert first.endswith("EmoDB in it: no")
        assert second == "own on unknown data, emotion labels unknown; EmoDB in it: unknown"

    def test_the_hash_is_of_the_test_which_pretraining_is_no_part_of(self, results):
        plain, pretrained = (aggregate(read_run(results / name / "loso")) for name in ("cnn", "whisper"))
        assert plain.protocol_hash == pretrained.protocol_hash
        assert pretrained.protocol_line.startswith(plain.protocol_line)
        assert plain.protocol == replace(pretrained.protocol, pretrained=())

    def test_of_any_other_system_nothing_is_said(self, results, tmp_path):
        summary = write_report(results / "cnn" / "loso")
        runs = [results / name / "loso" for name in ("cnn", "gru")]
        comparison = compare_runs(*runs)
        export_model(write_run(tmp_path / "bigru_mha" / "loso"), tmp_path / "model")
        written = [path.read_text() for path in (tmp_path / "model").iterdir() if path.suffix in (".md", ".json")]
        everything = [
            json.dumps([summary.to_json(), comparison.to_json(), list(overview([tmp_path / "model"]))[-1]]),
            (results / "cnn" / "loso" / "results.md").read_text(encoding="utf-8"),
            comparison_markdown(comparison),
            leak_table(runs),
            printed(terminal_table(summary)),
            *written,
        ]
        assert not [text for text in everything if re.search("pretrain", text, re.I)]

    def test_a_packed_run_says_the_same(self, tmp_path):
        run = rounded(write_run(tmp_path / "whisper" / "loso", pretrained=[MODEL]))
        packed = pack_run(run, tmp_path / "packed")
        assert aggregate(read_run(packed)) == aggregate(read_run(run))

    def test_an_ensemble_of_seeds_says_it_too(self, tmp_path):
        for seed in (1, 2):
            write_run(tmp_path / "bigru_mha" / "loso", seed=seed, pretrained=[MODEL])
        ensemble = read_run(ensemble_seeds(tmp_path / "bigru_mha" / "loso"))
        assert aggregate(ensemble).protocol.pretrained == (MODEL,)


class TestComparison:
    def test_two_runs_are_one_test_whatever_they_were_pretrained_on(self, results):
        for names in (("cnn", "whisper"), ("whisper", "cnn")):
            found = compare_runs(*(results / name / "loso" for name in names))
            assert found.differing == {}
            text = comparison_markdown(found)
            header = ["cnn", "whisper PRETRAINED"] if names[0] == "cnn" else ["whisper PRETRAINED", "cnn"]
            assert f"|  | {' | '.join(header)} | difference |" in text
            assert text.count(f"> {NOTE}") == 1
            shown = printed(comparison_terminal(found))
            assert "whisper PRETRAINED" in shown
            assert LINE in shown

    def test_of_many_each_has_its_mark_and_each_model_its_line(self, results):
        names = ("cnn", "gru", "whisper", "wavlm")
        text = comparison_markdown(compare_many({name: results / name / "loso" for name in names}, reference="cnn"))
        for name in ("whisper PRETRAINED", "wavlm PRETRAINED"):
            assert text.count(f"| {name} |") == 2  # among the systems, and among the pairs
        assert "| gru |" in text
        assert text.count("> **PRETRAINED**") == 3
        assert text.count(f"> {NOTE}") == 1

    def test_a_table_of_leaks_has_the_mark_beside_the_protocol(self, results, tmp_path):
        leaking = write_paper_system(tmp_path, "whisper", {}, protocol="random", leaks=True, pretrained=[MODEL])
        text = leak_table([results / "whisper" / "loso", leaking])
        assert "| loso **PRETRAINED** |" in text
        assert "| random **LEAKING** **PRETRAINED** |" in text
        assert text.count(f"> {NOTE}") == 1


class TestSuite:
    @pytest.mark.parametrize("name", ["table_6", "classes", "units"])
    def test_every_table_marks_the_row_and_explains_the_mark_below(self, suite, name):
        markdown = (suite / "tables" / f"{name}.md").read_text(encoding="utf-8")
        assert "| whisper PRETRAINED |" in markdown
        assert re.search(r"^\| gru \|", markdown, re.M)
        assert markdown.count(f"- {NOTE}") == 1
        assert f"; pretrained: {LINE}." in markdown
        table = pd.read_csv(suite / "tables" / f"{name}.csv")
        assert "whisper PRETRAINED" in set(table["system"])
        assert r"\textbf{PRETRAINED}: openai/whisper-base" in (suite / "tables" / f"{name}.tex").read_text()

    def test_pretrained_systems_are_compared_with_the_others(self, suite):
        text = (suite / "tables.md").read_text(encoding="utf-8")
        assert "4 systems" in text
        assert "| whisper PRETRAINED |" in (suite / "tables" / "cost.md").read_text(encoding="utf-8")


class TestExport:
    @pytest.mark.parametrize("name", ["one", "several"])
    def test_card_and_facts_and_the_list_of_models_say_so(self, models, name):
        facts = json.loads((models / name / "model.json").read_text())
        assert facts["pretrained"] == [MODEL]
        card = (models / name / "README.md").read_text(encoding="utf-8")
        assert card.count(f"> {NOTE}") == 1
        assert f"; pretrained: {LINE}" in card
        *_, row = overview([models / name])
        assert row["pretrained"] == [f"pretrained: {LINE}"]
        assert f"pretrained: {LINE}" in printed(_models_table([row]))

    def test_the_commands_print_it(self, models):
        wide = {"COLUMNS": "400"}
        assert f"pretrained: {LINE}" in CliRunner().invoke(app, ["models", str(models)], env=wide).stdout
        listed = CliRunner().invoke(app, ["models", str(models / "one"), "--format", "json"]).stdout
        bundled = {row["model"]: row for row in json.loads(listed)}
        assert "pretrained" in bundled["standard"]
        assert "pretrained" not in bundled["small"]
        one = list(bundled.values())[-1]
        assert one["pretrained"] == [f"pretrained: {LINE}"]

    @pytest.mark.parametrize("corpus", [{"corpus": "EmoDB"}, {}])
    def test_a_model_of_ones_own_recipe_that_was_not_measured_says_it_too(self, corpus, tiny_whisper, tmp_path):
        fold, _ = write_whisper_fold(tmp_path / "own", tiny_whisper)
        (checkpoint,) = fold.glob("save/CKPT*")
        card = export_recipe(fold / "hyperparams.yaml", checkpoint, CLASSES, tmp_path / "model", **corpus)
        assert card.pretrained == ("someone/whisper-tiny",)
        line = "someone/whisper-tiny on unknown data, emotion labels unknown" + "; EmoDB in it: unknown" * bool(corpus)
        assert f"> **PRETRAINED**: {line}\n" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
        assert list(overview([tmp_path / "model"]))[-1]["pretrained"] == [f"pretrained: {line}"]

    @pytest.mark.parametrize("value", [MODEL, [1], None, {"a": "b"}])
    def test_a_card_with_anything_else_in_its_place_is_refused(self, models, tmp_path, value):
        facts = json.loads((models / "one" / "model.json").read_text()) | {"pretrained": value}
        path = tmp_path / "model.json"
        path.write_text(json.dumps(facts))
        done = CliRunner().invoke(app, ["models", str(tmp_path)])
        assert done.exit_code == 1
        assert "pretrained" in done.stderr
