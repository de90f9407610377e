"""Nested selection: the outer speaker has no say in what is chosen for it, and its scores stay sealed until opened."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, TINY, train
from fake_run import write_run
from nested_run import LIST, run_nested
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.corpora.protocols import ALL_PAIRS, PROTOCOLS, RING
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.ablation import ablation_table
from ser_plugins.evaluation.compare.selection import choose_configurations, inner_scores, selection_table
from ser_plugins.evaluation.metrics.tasks import Classification, Regression
from ser_plugins.evaluation.paper.suite import find_runs
from ser_plugins.evaluation.runs.ensemble import ensemble_seeds
from ser_plugins.evaluation.runs.folds import SealedError, read_run
from ser_plugins.evaluation.runs.fusion import fuse
from ser_plugins.evaluation.runs.lockbox import LOG, unseal
from ser_plugins.files import write_json
from ser_plugins.training.configurations import read_configurations
from ser_plugins.training.settings import resolve

REPORT = {Path("loso/results.json"), Path("loso/results.md"), Path("loso/predictions.csv")}
TASK = Classification(["fear", "joy"])


@pytest.fixture(scope="module")
def corpus(toy_emodb):
    return toy_emodb


@pytest.fixture(scope="module")
def done(corpus, tmp_path_factory):
    return run_nested(corpus, tmp_path_factory.mktemp("nested"), "--seeds", "1,2")


@pytest.fixture
def copy(done, tmp_path):
    """A copy that a test may change, still sealed."""
    shutil.copytree(done.parents[1], tmp_path / "copy")
    return tmp_path / "copy" / "results" / "chosen"


def inner_folders(run_folder, configuration):
    return sorted((run_folder / "configurations" / configuration / RING).glob("seed_*/*"))


def test_no_inner_model_for_a_speaker_was_trained_on_it_and_pairs_form_a_ring(done):
    manifests = sorted(done.glob(f"configurations/manifests/{RING}_*/*/train.json"))
    held_out = []
    for path in manifests:
        trained = {fields["speaker"] for fields in json.loads(path.read_text()).values()}
        tested = {fields["speaker"] for fields in json.loads((path.parent / "test.json").read_text()).values()}
        assert tested == set(path.parent.name.split("-"))
        assert not trained & tested
        held_out += tested
    assert sorted(held_out) == ["spk03", "spk03", "spk08", "spk08", "spk09", "spk09"]


def test_the_choice_is_the_rule_by_hand(done):
    selection = json.loads((done / "selection.json").read_text())
    for outer in ("spk03", "spk08", "spk09"):
        by_hand = {}
        for name in ("rbf", "weak"):
            scores = []
            for folder in inner_folders(done, name):
                if outer in folder.name:
                    other = folder.name.replace(outer, "").strip("-")
                    table = pd.read_csv(folder / "predictions.csv")
                    units = json.loads((folder / "results.json").read_text())["units"]
                    table = table[table["id"].map(units) == other]
                    hit = table["true"] == table["predicted"]
                    scores.append(hit.groupby(table["true"]).mean().mean())
            by_hand[name] = np.mean(scores)
        assert {name: selection["inner"][name][outer] for name in by_hand} == pytest.approx(by_hand)
        inner = {name: of[outer] for name, of in selection["inner"].items()}
        assert inner[selection["chosen"][outer]] == max(inner.values())
    assert "both" in selection["inner"]
    assert "**" in (done / "selection.md").read_text()


def test_scores_on_the_outer_speaker_have_no_say_in_its_choice():
    generator = np.random.default_rng(0)

    def pair(first, second):
        rows = [(unit, *generator.choice(TASK.classes, 2)) for unit in (first, second) for _ in range(20)]
        return pd.DataFrame(rows, columns=["unit", "true", "predicted"])

    ring = [pair("a", "b"), pair("b", "c"), pair("c", "a")]
    before = inner_scores(ring, TASK)
    for table in ring:  # a is now always wrong
        of_a = table["unit"] == "a"
        table.loc[of_a, "predicted"] = table.loc[of_a, "true"].map({"fear": "joy", "joy": "fear"})
    after = inner_scores(ring, TASK)
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]
    assert after["c"] != before["c"]


def test_the_table_of_a_choice_has_every_configuration_its_mean_and_whom_it_was_chosen_for():
    inner = {"one": {"a": 0.5, "b": 0.75}, "two": {"a": 0.75, "b": 0.5}, "three": {"a": 0.25, "b": 0.25}}
    table = selection_table({"inner": inner, "chosen": {"a": "two", "b": "one"}}, TASK)
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    assert columns == [["one", "two", "three"], ["62.5", "62.5", "25.0"], ["b", "a", ""]]


def test_lower_is_better_for_errors_and_the_first_of_equals_is_chosen():
    scores = {"one": {"a": 0.5}, "two": {"a": 0.4}, "three": {"a": 0.4}}
    assert choose_configurations(scores, Regression("mosi")) == {"a": "two"}
    assert choose_configurations(scores, TASK) == {"a": "one"}


def test_no_sealed_file_shows_a_score(done):
    for folder in [*done.glob("loso/seed_*/*"), *done.glob("configurations/*/loso/seed_*/*")]:
        results = json.loads((folder / "results.json").read_text())
        assert results["metrics"] is None
        assert results["sealed"]["sha256"]
        assert not list(folder.glob("*.csv"))
        for log in folder.glob("*.txt"):
            assert not re.search(r"UAR|\bWA\b|test[ _]loss", log.read_text())
    with pytest.raises(SealedError, match="ser report RUN --unseal"):
        read_run(done / "loso")


def test_unsealing_reports_the_fused_predictions_and_is_noted(copy):
    result = CliRunner().invoke(app, ["report", str(copy / "loso"), "--unseal"])
    assert result.exit_code == 0, result.output
    assert "selection nested" in result.output.replace("\n", " ")
    log = (copy / "loso" / LOG).read_text()
    assert "seed_1/spk03, seed_1/spk08, seed_1/spk09, seed_2/spk03" in log
    runs = read_run(copy / "loso")
    assert sum(len(next(iter(run.predictions.values()))) for run in runs) == 2 * runs[0].record.protocol.utterances
    for one in runs:
        chosen = one.record.chosen.name
        assert chosen == json.loads((copy / "selection.json").read_text())["chosen"][one.record.fold]
        assert one.record.metrics["UAR"] is not None
        assert one.record.was_sealed.opened_at
    assert CliRunner().invoke(app, ["report", str(copy / "loso"), "--unseal"]).exit_code == 0
    assert (copy / "loso" / LOG).read_text() == log  # nothing was left to open


def test_what_was_sealed_cannot_be_changed_unnoticed(copy):
    folder = copy / "loso" / "seed_1"
    shutil.copy(folder / "spk03" / "predictions.sealed", folder / "spk08" / "predictions.sealed")
    with pytest.raises(SerError, match="not what was sealed"):
        unseal(copy / "loso")
    assert not (copy / "loso" / LOG).exists()
    assert not list(folder.glob("*/predictions.csv"))
    shutil.rmtree(folder / "spk08")
    with pytest.raises(SerError, match="spk08"):
        unseal(copy / "loso")


def test_a_second_call_keeps_trainings_and_an_opened_list_cannot_change(corpus, copy, capsys):
    home = copy.parents[1]
    stamps = {path: path.stat().st_mtime_ns for path in copy.rglob("seed_*/*/results.json")}
    run_nested(corpus, home, "--seeds", "1,2")
    assert stamps == {path: path.stat().st_mtime_ns for path in copy.rglob("seed_*/*/results.json")}
    longer = LIST + "  sharp: {fuse: {rbf: 3, weak: 1}}\n"
    run_nested(corpus, home, "--seeds", "1,2", content=longer)  # sealed: the list may still grow
    unseal(copy / "loso")
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.suffix != ".log"}
    run_nested(corpus, home, "--seeds", "1,2", content=longer)
    for seeds, content in (("1,2", LIST), ("1", longer), ("1,2,3", longer)):
        with pytest.raises(SystemExit):
            run_nested(corpus, home, "--seeds", seeds, content=content)
        assert "give the list another `name`" in capsys.readouterr().err
    after = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.suffix != ".log"}
    assert {path.relative_to(copy) for path in before if before[path] != after[path]} <= REPORT
    assert before.keys() <= after.keys()


def test_folds_of_two_lists_are_not_opened(copy):
    path = copy / "loso" / "seed_2" / "spk08" / "results.json"
    results = json.loads(path.read_text())
    path.write_text(json.dumps({**results, "settings": {}, "settings_sha256": "other"}))
    with pytest.raises(SerError, match="one set of settings"):
        unseal(copy / "loso")
    assert not (copy / "loso" / LOG).exists()
    assert not list(copy.glob("loso/seed_*/*/predictions.csv"))


def test_a_list_cannot_grow_when_a_part_was_opened_by_itself(corpus, tmp_path, capsys):
    alone = LIST[: LIST.index("  weak")]
    folder = run_nested(corpus, tmp_path, content=alone)
    assert len(unseal(folder / "configurations" / "rbf" / "loso")) == 3
    run_nested(corpus, tmp_path, content=alone)  # the same list is free to be called again
    with pytest.raises(SystemExit):
        run_nested(corpus, tmp_path)
    assert "opened at" in capsys.readouterr().err


def test_a_name_for_all_entries_is_refused(corpus, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_nested(corpus, tmp_path, "--system", "mine")
    assert "got: --system mine" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_a_list_named_like_another_run_is_refused(corpus, tmp_path, capsys):
    train(corpus, tmp_path / "results", "--system", "chosen", yaml_file="hparams/mfcc_svm.yaml", here=True)
    before = {path: path.read_bytes() for path in (tmp_path / "results/chosen/loso").rglob("*.json")}
    with pytest.raises(SystemExit):
        run_nested(corpus, tmp_path)
    assert "never sealed" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in before}


def test_one_sealed_run_leaves_the_tables_of_others_alone(done):
    with pytest.raises(SerError, match="no <system>/loso"):
        find_runs(done.parent)


def test_a_network_takes_part(corpus, tmp_path, capsys):
    networks = "name: chosen\nconfigurations:\n  net: {yaml: hparams/bigru_mha_plus.yaml, heads: 2}\n"
    tiny = [option for option in TINY if option not in ("--heads", "2")]
    folder = run_nested(corpus, tmp_path, *tiny, "--number_of_epochs", "1", "--seeds", "7", content=networks)
    assert len(list(folder.glob("loso/seed_*/*/predictions.sealed"))) == 3
    assert "--unseal" in capsys.readouterr().out
    unseal(folder / "loso")
    assert {one.record.chosen.name for one in read_run(folder / "loso")} == {"net"}


def test_the_inner_validation_may_have_fewer_seeds(corpus, tmp_path, capsys):
    folder = run_nested(corpus, tmp_path, "--inner-seeds", "1", "--seeds", "1,2")
    assert {path.parent.name for path in inner_folders(folder, "rbf")} == {"seed_1"}
    assert json.loads((folder / "selection.json").read_text())["seeds"] == [1]
    assert len(unseal(folder / "loso")) == 2 * 3
    with pytest.raises(SystemExit):
        run_nested(corpus, tmp_path, "--inner-seeds", "1", "--seeds", "1,2,3")
    assert "give the list another `name`" in capsys.readouterr().err


def test_what_each_entry_is_worth_is_that_of_its_own_predictions(done):
    result = CliRunner().invoke(app, ["ablation", str(done / "selection.json"), "--out", str(done.parent / "table.md")])
    assert result.exit_code == 0, result.output
    assert (done.parent / "table.md").read_text() == result.output
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in result.output.splitlines()[2:5]]
    assert [row[0] for row in cells] == ["`rbf`", "`weak`", "`both`"]
    assert cells[0][3:] == ["–", "–"]
    by_hand = {}
    for name in ("rbf", "weak"):
        tables = [pd.read_csv(folder / "predictions.csv") for folder in inner_folders(done, name)]
        hits = pd.concat(tables).assign(hit=lambda table: table["true"] == table["predicted"])
        recalls = hits.groupby(["seed", "true"])["hit"].mean().groupby("seed").mean()
        by_hand[name] = 100 * hits["hit"].mean(), 100 * recalls.mean()
    for row in cells[:2]:
        assert [float(cell) for cell in row[1:3]] == pytest.approx(by_hand[row[0].strip("`")], abs=0.051)
    for place in (0, 1):
        signed = re.match(r"\*\*([+−]?[\d.]+)\*\*", cells[1][3 + place])[1].replace("−", "-")
        assert float(signed) == pytest.approx(by_hand["weak"][place] - by_hand["rbf"][place], abs=0.051)
    assert "3 pairs of 3 speakers held out in turn, each utterance predicted twice; 2 seeds" in result.output


def test_ablation_tells_what_it_lacks(done, tmp_path):
    for name, message in (("selection.json", "no file"), ("selection.md", "expected: valid JSON")):
        shutil.copy(done / name, tmp_path)
        with pytest.raises(SerError, match=message):
            ablation_table(tmp_path / name)
    for text in ("id\n", ""):
        (tmp_path / "selection.csv").write_text(text)
        with pytest.raises(SerError, match="without the columns fold"):
            ablation_table(tmp_path / "selection.json")


def test_an_ablation_of_numbers_is_by_its_errors(tmp_path):
    task = {"task": "regression", "target": "sentiment", "classes": [], "scale": "mosi"}
    write_json(tmp_path / "inner.json", {"task": task})
    rows = [("a-b", 1, f"{unit}{n}", unit, n - 1.0, n - 1.0, n - 0.5) for unit in "ab" for n in range(3)]
    table = pd.DataFrame(rows, columns=["fold", "seed", "id", "unit", "true", "exact", "off"])
    table.to_csv(tmp_path / "inner.csv", index=False)
    text = ablation_table(tmp_path / "inner.json")
    assert "| `off` | 0.50 |" in text
    assert "**+0.50** (+0.50 – +0.50)" in text


def test_with_folds_only_the_inner_validation_is_run(corpus, tmp_path):
    folder = run_nested(corpus, tmp_path, "--fold", "spk03-spk08")
    assert json.loads((folder / "inner.json").read_text())["chosen"].keys() == {"spk03", "spk08"}
    assert not list(folder.glob("selection.*"))
    assert not list(folder.rglob("loso"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: x", "configurations"),
        ("name: x\nconfigurations: {a: {fuse: {b: 1}}}", "b"),
        ("name: x\nconfigurations: {a/b: {yaml: hparams/mfcc_svm.yaml}}", "a/b"),
        ("name: x\nconfigurations: {a: {C: 1}}", "a"),
        ("- [", "expected"),
        ("name: x\nconfigurations: {a: hparams/mfcc_svm.yaml}", "a; expected"),
        ("name: x\nconfigurations: {1: {yaml: hparams/mfcc_svm.yaml}}", "1; expected"),
        ("name: ..\nconfigurations: {a: {yaml: hparams/mfcc_svm.yaml}}", r"\.\."),
        ("name: x\nconfigurations: {a: {yaml: hparams/mfcc_svm.yaml, subset: balanced50}}", "a: subset"),
        ("name: x\nconfigurations: {a: {yaml: a.yaml}, b: {yaml: b.yaml}, c: {fuse: {a: 0, b: 1}}}", "c; expected"),
        ("name: x\nconfigurations: {a: {yaml: a.yaml}, b: {yaml: b.yaml}, c: {fuse: [a, b]}}", "c; expected"),
    ],
)
def test_a_wrong_list_gets_one_clear_error(tmp_path, content, message):
    (tmp_path / "list.yaml").write_text(content)
    with pytest.raises(SerError, match=message):
        read_configurations(tmp_path / "list.yaml")


def test_transductive_configurations_are_refused(corpus, tmp_path, capsys):
    content = "name: chosen\nconfigurations:\n  a: {yaml: hparams/mfcc_svm.yaml, normalisation: speaker}\n"
    with pytest.raises(SystemExit):
        run_nested(corpus, tmp_path, content=content)
    assert "transductive" in capsys.readouterr().err


def test_one_fixed_configuration_may_be_sealed_too_and_inner_validation_is_never_a_result(corpus, tmp_path, capsys):
    train(corpus, tmp_path, "--sealed", yaml_file="hparams/mfcc_svm.yaml", here=True)
    printed = capsys.readouterr()
    assert "--unseal" in printed.out
    assert "WA" not in printed.out + printed.err
    train(corpus, tmp_path, "--protocol", RING, "--fold", "spk03-spk08", yaml_file="hparams/mfcc_svm.yaml", here=True)
    assert "never a result" in capsys.readouterr().out
    with pytest.raises(SerError, match="inner validation"):
        read_run(tmp_path / "mfcc_svm" / RING)


def test_the_ring_needs_three_speakers():
    manifest = {f"u{n}": {"speaker": f"s{n % 2}", "emotion": "joy"} for n in range(4)}
    with pytest.raises(SerError, match="three or more"):
        PROTOCOLS[RING].blocks(manifest)


class TestFusion:
    """Against the formula by hand, and its laws."""

    def tables(self):
        generator = np.random.default_rng(1)
        made = {}
        for name in "ab":
            p = generator.dirichlet([1, 1], 8)
            made[name] = pd.DataFrame({
                "id": [f"u{n}" for n in range(8)], "true": ["joy", "fear"] * 4,
                "predicted": np.array(TASK.classes)[p.argmax(1)], "p_fear": p[:, 0], "p_joy": p[:, 1],
            })  # fmt: skip
        return made

    def test_it_is_the_weighted_geometric_mean(self):
        tables = self.tables()
        fused = fuse(tables, {"a": 2, "b": 0.5}, TASK)
        for row in range(8):
            odds = [tables["a"][column][row] ** 2 * tables["b"][column][row] ** 0.5 for column in ("p_fear", "p_joy")]
            assert fused["p_joy"][row] == pytest.approx(odds[1] / sum(odds))

    def test_equal_tables_keep_their_predictions_and_other_utterances_are_refused(self):
        tables = self.tables()
        assert fuse({"a": tables["a"], "b": tables["a"]}, {"a": 1, "b": 3}, TASK)["predicted"].equals(
            tables["a"]["predicted"]
        )
        with pytest.raises(SerError, match="same test"):
            fuse({"a": tables["a"], "b": tables["b"][::-1]}, {"a": 1, "b": 1}, TASK)
        with pytest.raises(SerError, match="weight 0"):
            fuse(tables, {"a": 0, "b": 1}, TASK)

    def test_numbers_are_averaged(self):
        first = pd.DataFrame({"id": ["u"], "true": [1.0], "predicted": [1.0]})
        fused = fuse({"a": first, "b": first.assign(predicted=4.0)}, {"a": 1, "b": 2}, Regression("mosi"))
        assert fused["predicted"].item() == pytest.approx(3)


def test_the_list_that_ships_can_be_read_and_its_yamls_are_there():
    name, configurations, _ = read_configurations(ROOT / "recipes/EmoDB/experiments.yaml")
    trained = {key: of for key, of in configurations.items() if "yaml" in of}
    for of in trained.values():
        resolve(ROOT / "recipes/EmoDB" / of["yaml"], {key: value for key, value in of.items() if key != "yaml"})
    assert name == "nested"


class TestEnsemble:
    """The seeds of a run put together, as a run of its own."""

    def test_it_is_the_geometric_mean_of_the_seeds_and_reports_like_any_run(self, tmp_path):
        run = tmp_path / "EmoDB" / "bigru_mha" / "loso"
        for seed in (1, 2, 3):
            write_run(run, seed=seed)
        result = CliRunner().invoke(app, ["ensemble", str(run)])
        assert result.exit_code == 0, result.output
        assert "one ensemble of 3 seeds (1, 2, 3)" in result.output.replace("\n", " ")
        whole = tmp_path / "EmoDB" / "bigru_mha_ensemble" / "loso"
        runs = read_run(whole)
        assert {one.record.seed for one in runs} == {1}
        for one in runs:
            fold = one.record.fold
            tables = [pd.read_csv(run / f"seed_{seed}" / fold / "predictions.csv") for seed in (1, 2, 3)]
            columns = [column for column in tables[0] if column.startswith("p_")]
            product = np.prod([table[columns].to_numpy() for table in tables], axis=0) ** (1 / 3)
            expected = product / product.sum(axis=1, keepdims=True)
            found = one.predictions["emotion"]
            np.testing.assert_allclose(found[columns].to_numpy(float), expected, atol=1e-6)
            assert one.record.parameters == 3 * read_run(run)[0].record.parameters
            assert one.record.wall_time_s == 180.0

    def test_one_seed_and_sealed_runs_are_refused(self, done, tmp_path):
        with pytest.raises(SerError, match="with one seed"):
            ensemble_seeds(write_run(tmp_path / "EmoDB" / "bigru_mha" / "loso"))
        with pytest.raises(SealedError):
            ensemble_seeds(done / "loso")
        assert not (done.parent / "chosen_ensemble").exists()


def test_a_list_may_ask_for_all_pairs(toy_emodb, tmp_path):
    content = LIST.replace("configurations:", f"inner: {ALL_PAIRS}\nconfigurations:")
    folder = run_nested(toy_emodb, tmp_path, "--fold", "all", content=content)
    assert len(list(folder.glob(f"configurations/rbf/{ALL_PAIRS}/seed_*/*"))) == 3
    (tmp_path / "list.yaml").write_text(content.replace(ALL_PAIRS, "loso"), encoding="utf-8")
    with pytest.raises(SerError, match="inner='loso'; expected: one of loso-pairs, loso-all-pairs"):
        read_configurations(tmp_path / "list.yaml")
