"""A run as two files is the same run, to the digit, for every reader; whatever else lies there is one clear error."""

import gzip
import hashlib
import itertools
import json
import shutil
from dataclasses import asdict
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from fake_predictions import CLASSES, FOLDS, edit_results, rounded, write_fold, write_numbers
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.ablation import ablation_table
from ser_plugins.evaluation.compare.comparison import compare_runs
from ser_plugins.evaluation.compare.leaks import leak_table
from ser_plugins.evaluation.metrics import intervals as statistics
from ser_plugins.evaluation.metrics.tasks import Regression
from ser_plugins.evaluation.paper.suite import find_runs, write_suite
from ser_plugins.evaluation.report import figures
from ser_plugins.evaluation.report import summary as report
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.report.tables import results_markdown
from ser_plugins.evaluation.runs import evidence, packing
from ser_plugins.evaluation.runs.ensemble import ensemble_seeds
from ser_plugins.evaluation.runs.evidence import INNER_TABLE, RECORD, TABLE, is_packed, read_record, unpacked
from ser_plugins.evaluation.runs.folds import MissingFoldError, SealedError, read_run
from ser_plugins.evaluation.runs.lockbox import is_sealed, seal, unseal
from ser_plugins.evaluation.runs.packing import pack_run, place_of
from ser_plugins.export.folder import export_model


def write_run(folder, seeds=(1, 2), **options):
    for seed in seeds:
        for fold in FOLDS:
            write_fold(folder, fold, seed, **options)
    return rounded(folder)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same(first, second):
    """Two runs, as they are read, to the last digit."""
    for one, two in zip(first, second, strict=True):
        assert one.record == two.record
        assert list(one.predictions) == list(two.predictions)
        for target, table in one.predictions.items():
            pd.testing.assert_frame_equal(
                table.reset_index(drop=True), two.predictions[target].reset_index(drop=True), check_exact=True
            )
    return True


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "results" / "EmoDB" / "bigru" / "loso")


@pytest.fixture
def packed(run, tmp_path):
    return pack_run(run, tmp_path / "evidence" / "EmoDB" / "bigru.loso")


# The committed runs: their numbers are in test_published.py


def test_every_run_that_is_committed_is_whole_and_in_its_place():
    # The paper's learning rate; words; a corpus that a CSV brought in; several corpora, and each of them alone.
    elsewhere = ("50_epochs", "text", "CREMA-D", "Cross", "emodb", "cremad", "indowave")
    renamed = {"bigru_mha_80_epochs.loso": "bigru_mha.loso"}  # the YAML as it stands, beside the run of 16 epochs
    for folder in sorted(path.parent for path in ROOT.glob(f"evidence/**/{RECORD}")):
        record = read_record(folder)
        assert hashlib.sha256(unpacked(folder / TABLE)).hexdigest() == record.predictions_sha256
        place = place_of(record.folds[0])
        assert renamed.get(folder.name, folder.name) == place.name
        assert folder.parent.name in elsewhere or folder.parent == (ROOT / "evidence" / place).parent


def test_a_run_is_published_in_its_place_and_takes_that_of_the_one_before(run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = import_module("publish_results")
    monkeypatch.setattr(script, "EVIDENCE", tmp_path / "evidence")
    for seed in (2, 3):
        target = script.keep(run)
        assert target == tmp_path / "evidence" / "EmoDB (synthetic)" / "bigru.loso"
        assert same(read_run(run), read_run(target))
        assert content(target).keys() == {RECORD, TABLE}
        write_run(run, seeds=(seed + 1,))
    for path in run.glob("seed_*/*"):
        edit_results(path, lambda results: results["protocol"].update(transductive=True))
    assert script.keep(run) == tmp_path / "evidence" / "EmoDB (synthetic)" / "leaks" / "bigru.loso"


# Round trips


def test_the_command_packs_and_the_report_of_both_forms_says_the_same(run, tmp_path, monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS", 200)
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, ["pack", "results/EmoDB/bigru/loso"])
    assert ran.exit_code == 0, ran.output
    folder = tmp_path / "evidence" / "EmoDB (synthetic)" / "bigru.loso"
    assert ran.output.strip() == str(folder.relative_to(tmp_path))
    reports = [CliRunner().invoke(app, ["report", str(place)]) for place in (run, folder)]
    assert reports[0].output == reports[1].output
    assert reports[0].exit_code == 0
    for name in ("results.json", "results.md", "predictions.csv"):
        assert (run / name).read_bytes() == (folder / name).read_bytes()
    assert {path.name for path in (run / "figures").iterdir()} == {path.name for path in (folder / "figures").iterdir()}
    assert pack_run(run, folder) == folder  # a report beside it does not matter


def write_two_targets(run, number):
    """Emotions, or a number, and a valence that only some utterances have, its table in an order of its own."""
    for fold in FOLDS:
        folder = write_numbers(run, fold) if number else write_fold(run, fold)
        ids = pd.read_csv(folder / "predictions.csv")["id"]
        values = np.random.default_rng(0).normal(size=(2, len(ids))).round(3)
        table = pd.DataFrame({"id": ids, "fold": fold, "seed": 1234, "true": values[0], "predicted": values[1]})
        table.loc[::3, "true"] = np.nan
        table[::-1].to_csv(folder / "predictions_valence.csv", index=False)
        metrics = Regression("vad", optional=True).metrics(table["true"], table["predicted"])
        auxiliary = {"valence": {"scale": "vad", "metrics": metrics}}
        edit_results(folder, lambda results, auxiliary=auxiliary: results.update(auxiliary=auxiliary))
        constants = {"median": 0.1, "mean": 0.1, "majority": None}
        edit_results(folder, lambda results, constants=constants: results["training"].update(valence=constants))
    return rounded(run)


@pytest.mark.parametrize("number", [False, True])
def test_numbers_and_several_targets_come_back(number, tmp_path):
    run = write_two_targets(tmp_path / "loso", number)
    packed = pack_run(run, tmp_path / "packed")
    live, kept = read_run(run), read_run(packed)
    for one, two in zip(live, kept, strict=True):
        order = one.predictions["valence"]["id"]
        two.predictions["valence"] = two.predictions["valence"].set_index("id").loc[order].reset_index()
        if number:  # scores of the numbers before they were written, with eight digits, and after it
            assert two.record.metrics == pytest.approx(one.record.metrics)
            two.record.metrics.update(one.record.metrics)
        metrics = [fold.record.auxiliary["valence"].metrics for fold in (one, two)]
        assert metrics[0] == pytest.approx(metrics[1])  # sums in two orders
        metrics[0].update(metrics[1])
    assert same(live, kept)
    texts = [results_markdown(aggregate(read_run(folder))) for folder in (run, packed)]
    assert texts[0] == texts[1]
    assert "**Auxiliary target valence**" in texts[1]


def test_utterances_of_nobody_and_names_that_csv_must_quote_come_back(tmp_path):
    classes = ['a,"b"', "c"]
    run = tmp_path / "odd" / "loso"
    for fold in FOLDS:
        folder = write_fold(run, fold, classes=classes)
        edit_results(folder, lambda results: results["units"].update(dict.fromkeys(list(results["units"])[:3])))
    packed = pack_run(rounded(run), tmp_path / "packed")
    assert same(read_run(run), read_run(packed))


def test_the_same_run_gives_the_same_bytes(run, packed, tmp_path):
    elsewhere = shutil.copytree(run, tmp_path / "other" / "loso")
    assert content(pack_run(elsewhere, tmp_path / "again")) == content(packed)
    assert (packed / TABLE).read_bytes()[3:8] == bytes(5)  # gzip: no name, no time
    text = gzip.decompress((packed / TABLE).read_bytes()).decode()
    assert text.splitlines()[0] == f"id,fold,seed,unit,true,predicted,{','.join(f'p_{name}' for name in CLASSES)}"
    assert "\r" not in text
    assert pack_run(run, packed) == packed  # again into its own folder


def test_of_seeds_that_predict_the_same_one_is_kept_and_all_are_named(run, tmp_path):
    other = write_run(tmp_path / "svm" / "loso", seeds=(7,))
    for seed in (2, 5):
        for fold in FOLDS:
            copy = shutil.copytree(other / "seed_7" / fold, other / f"seed_{seed}" / fold)
            edit_results(copy, lambda results, seed=seed: results.update(seed=seed))
            table = pd.read_csv(copy / "predictions.csv", dtype=str)
            table[::-1].assign(seed=seed).to_csv(copy / "predictions.csv", index=False)  # in whatever order
    packed = pack_run(other, tmp_path / "packed")
    assert {fold.record.seed for fold in read_run(packed)} == {2}
    assert json.loads((packed / RECORD).read_text())["equal_seeds"] == [2, 5, 7]
    live, kept = aggregate(read_run(other)), aggregate(read_run(packed))
    assert live.seed_sd["WA"] == 0
    assert kept.metrics["UAR"] == pytest.approx(live.metrics["UAR"])
    assert kept.intervals["UAR"] == pytest.approx(live.intervals["UAR"])
    assert "equal_seeds" not in json.loads((pack_run(run, tmp_path / "drawn") / RECORD).read_text())


def test_what_other_conditions_cost_and_the_inner_predictions_of_a_choice_are_kept_with_it(run, tmp_path):
    robustness = {"recordings": 1, "conditions": {}, "timeline": 0.5}
    (run / "robustness.json").write_text(json.dumps(robustness))
    for path in run.glob("seed_*/*"):
        edit_results(path, lambda results: results.update(chosen={"name": "a", "weights": {"a": 1}}))
    pair = pd.DataFrame({"fold": ["a-b"] * 4, "seed": 1, "id": list("uvwx"), "unit": list("aabb")})
    pair["true"] = [CLASSES[place % 2] for place in range(4)]
    inner = pair.assign(a=CLASSES[0], b=pair["true"])
    inner.to_csv(run.parent / "selection.csv", index=False)
    selection = {"task": {"task": "classification", "target": "emotion", "classes": CLASSES, "scale": None}}
    (run.parent / "selection.json").write_text(json.dumps(selection))
    packed = pack_run(run, tmp_path / "packed")
    assert content(packed).keys() == {RECORD, TABLE, INNER_TABLE}
    assert json.loads((packed / RECORD).read_text())["robustness"] == robustness
    assert ablation_table(packed) == ablation_table(run.parent / "selection.json")
    (packed / INNER_TABLE).unlink()
    with pytest.raises(SerError, match=rf"no file .*{INNER_TABLE}; expected: it beside"):
        ablation_table(packed)


def test_a_sealed_run_is_packed_once_it_was_opened(run, tmp_path):
    for path in run.glob("seed_*/*/predictions.csv"):
        state = {"metrics": None, "sealed": asdict(seal(path.parent, {path.name: path.read_text()}))}
        state["chosen"] = {"name": path.parent.name, "weights": {"bigru": 1}}
        edit_results(path.parent, lambda results, state=state: results.update(state))
        path.unlink()
    selection = {"chosen": {fold: fold for fold in FOLDS}, "seeds": [1, 2]}
    (run.parent / "selection.json").write_text(json.dumps(selection))
    with pytest.raises(SealedError, match="ser report RUN --unseal"):
        pack_run(run, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()
    unseal(run)
    packed = pack_run(run, tmp_path / "packed")
    assert same(read_run(run), read_run(packed))
    record = json.loads((packed / RECORD).read_text())
    assert record["lockbox_log"] == (run / "seal.log").read_text().splitlines()
    assert record["selection"] == selection
    assert [fold["chosen"]["name"] for fold in record["folds"]] == FOLDS * 2
    assert all(fold["was_sealed"]["opened_at"] for fold in record["folds"])
    assert not is_sealed(packed)
    assert unseal(packed) == []
    assert {path.name for path in packed.iterdir()} == {RECORD, TABLE}


# Whole or not at all


def test_unfinished_runs_are_refused(run, tmp_path):
    shutil.rmtree(run / "seed_2" / "spk08")
    with pytest.raises(MissingFoldError, match="seed_2 lacks spk08"):
        pack_run(run, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_scores_that_are_not_those_of_the_predictions_are_refused(run, tmp_path):
    edit_results(run / "seed_1" / "spk03", lambda results: results["metrics"].update(WA=0.999))
    with pytest.raises(SerError, match=r"WA 0\.999 in results\.json"):
        pack_run(run, tmp_path / "packed")


def test_nothing_in_the_place_of_a_packed_run_is_lost(run, packed, tmp_path):
    other = write_run(tmp_path / "results" / "EmoDB" / "cnn" / "loso", seeds=(3,))
    before = content(packed)
    for folder in (packed, run):
        with pytest.raises(SerError, match=r"holds something else; expected: a new or empty folder"):
            pack_run(other, folder)
    assert content(packed) == before
    with pytest.raises(SerError, match=r"bigru\.loso: packed"):
        pack_run(packed, tmp_path / "again")
    for fold in other.glob("seed_3/*"):
        edit_results(fold, lambda results: results["protocol"].update(corpus="../up"))
    with pytest.raises(SerError, match="name the folder yourself"):
        pack_run(other)


def test_a_failure_leaves_nothing_behind(run, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(packing, "read_run", lambda folder: read_run(folder) if folder == run else fail())
    with pytest.raises(OSError, match="disk full"):
        pack_run(run, tmp_path / "kept" / "packed")
    assert not list((tmp_path / "kept").iterdir())


# What is no packed run


def put(folder, *place, value=None):
    """Put a value into run.json; None takes away what is there."""
    record = inner = json.loads((folder / RECORD).read_text())
    *path, last = place
    for key in path:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    (folder / RECORD).write_text(json.dumps(record))


SEAL = {"at": "2026-01-01T00:00:00+00:00", "sha256": {}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / TABLE).unlink(), f"{TABLE}: no such file"),
        (lambda folder: (folder / TABLE).write_bytes(b"id,fold,seed"), f"{TABLE}: Not a gzipped file"),
        (lambda folder: (folder / TABLE).write_bytes((folder / TABLE).read_bytes()[:-40]), f"{TABLE}: Compressed file"),
        (lambda folder: (folder / TABLE).write_bytes(gzip.compress(b"id,fold")), f"{TABLE}: other predictions"),
        (lambda folder: (folder / TABLE).write_bytes(gzip.compress(bytes(30_000))), "more than 20,000 bytes unpacked"),
        (lambda folder: (folder / RECORD).write_text("{"), f"{RECORD}: .*expected: valid JSON"),
        (lambda folder: (folder / RECORD).write_text("[" * 20_000), f"{RECORD}: .*expected: valid JSON"),
        (lambda folder: (folder / RECORD).write_text("9" * 9_000), f"{RECORD}: "),
        (lambda folder: (folder / RECORD).write_text("[]" + " " * 40_000), f"{RECORD}: 40,002 bytes; .*at most 30,000"),
        (lambda folder: (folder / RECORD).write_text("[]"), f"{RECORD}: list; expected: a packed run, schema 2"),
        (lambda folder: put(folder, "schema", value=3), f"{RECORD}: schema 3"),
        (lambda folder: put(folder, "folds", value=[]), f"{RECORD}: folds: \\[\\]"),
        (lambda folder: put(folder, "folds", 1, value=7), f"{RECORD}: folds: 7"),
        (lambda folder: put(folder, "folds", 1, "seed", value="1"), f"{RECORD}: seed: '1'; expected: seed: a whole"),
        (lambda folder: put(folder, "folds", 1, "fold", value="spk03"), "seed_1/spk03 twice, sealed or without"),
        (lambda folder: put(folder, "folds", 1, "sealed", value=SEAL), "seed_1/spk08 twice, sealed or without"),
        (lambda folder: put(folder, "folds", 1), "no seed_1/spk08"),
        (lambda folder: put(folder, "run", "protocol", "classes", value=["anger"]), f"{TABLE}: columns b'id,"),
        (lambda folder: put(folder, "run", "machine"), f"{RECORD}: no machine"),
    ],
)  # fmt: skip
def test_a_damaged_one_is_one_clear_error(change, message, packed, monkeypatch):
    monkeypatch.setattr(evidence, "MAX_TABLE", 20_000)
    monkeypatch.setattr(evidence, "MAX_RECORD", 30_000)
    change(packed)
    with pytest.raises(SerError, match=message) as error:
        read_run(packed)
    assert len(str(error.value)) < 1_000


def places(value, path=()):
    """Where something stands in run.json; of a list, its first entry."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, part in inside if len(path) < 5 else ():
        yield from places(part, (*path, key))


@pytest.mark.parametrize("number", [False, True])
def test_a_value_of_the_wrong_kind_is_one_clear_error_or_does_not_matter(number, tmp_path, monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS", 2)
    monkeypatch.setattr(report, "calibration", lambda *_: None)
    packed = pack_run(write_two_targets(tmp_path / "loso", number), tmp_path / "packed")
    text = (packed / RECORD).read_text()
    refused = 0
    wrong = itertools.cycle(({}, [[1]], -1, float("nan"), 10**400, "\x1b[2J", None))
    for place in places(json.loads(text)):
        for value in itertools.islice(wrong, 2):  # 2 of 7: every place gets others than the one before
            put(packed, *place, value=value)
            try:
                runs = read_run(packed)
                results_markdown(aggregate(runs))
                assert sum(fold.record.counts.train for fold in runs) != 0
            except SerError:
                refused += 1
            (packed / RECORD).write_text(text)
    assert refused > 60


def test_a_fold_that_is_in_neither_file_is_missing(packed):
    table = pd.read_csv(packed / TABLE, dtype=str)
    text = table[(table["seed"] != "2") | (table["fold"] != "spk08")].to_csv(index=False, lineterminator="\n")
    (packed / TABLE).write_bytes(gzip.compress(text.encode()))
    digest = hashlib.sha256(text.encode()).hexdigest()
    put(packed, "predictions_sha256", value=digest)
    put(packed, "folds", 4)
    with pytest.raises(MissingFoldError, match="seed_2 lacks spk08"):
        read_run(packed)


# Every reader


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Two systems in both forms: the folder of the runs, and that of the packed ones."""
    monkeypatch.setattr(statistics, "DRAWS", 200)
    for system in ("bigru", "bigru_mha"):
        run = write_run(tmp_path / "results" / system / "loso")
        for fold in run.glob("seed_*/*"):
            edit_results(fold, lambda results, system=system: results.update(system=system))
        pack_run(run, tmp_path / "evidence" / f"{system}.loso")
    return tmp_path / "results", tmp_path / "evidence"


def test_comparisons_leaks_and_tables_are_the_same_from_both_forms(both, tmp_path, monkeypatch):
    runs, kept = (find_runs(folder) for folder in both)
    assert list(runs) == list(kept) == ["bigru", "bigru_mha"]
    for mixture in (kept, {**runs, "bigru": kept["bigru"]}):
        assert compare_runs(*mixture.values()) == compare_runs(*runs.values())
        assert leak_table(mixture.values()) == leak_table(runs.values())
    monkeypatch.setattr(figures, "save", lambda figure, path: None)
    typed = ["suite", str(both[1]), str(tmp_path / "kept")]
    ran = CliRunner().invoke(app, typed)
    assert ran.exit_code == 0, ran.output
    write_suite(runs, tmp_path / "live", command=" ".join(["ser", *typed]))
    written = list((tmp_path / "live").rglob("*.*"))
    assert len(written) > 10
    for path in written:
        assert path.read_bytes() == (tmp_path / "kept" / path.relative_to(tmp_path / "live")).read_bytes()


def test_a_suite_takes_several_folders_and_no_system_twice(both):
    results, kept = both
    shutil.rmtree(kept / "bigru.loso")
    shutil.rmtree(results / "bigru_mha")
    assert find_runs([results, kept]) == {"bigru": results / "bigru" / "loso", "bigru_mha": kept / "bigru_mha.loso"}
    shutil.copytree(kept / "bigru_mha.loso", kept / "more" / "bigru_mha.loso")
    with pytest.raises(SerError, match="one run of every system"):
        find_runs([kept, kept / "more"])
    assert not is_packed(results)


def test_a_packed_run_is_no_model(packed, tmp_path):
    with pytest.raises(SerError, match="a packed run, which has predictions and no weights"):
        export_model(packed, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_ensemble_of_a_packed_run_is_packed_beside_it(both):
    results, kept = both
    live, packed = ensemble_seeds(results / "bigru" / "loso"), ensemble_seeds(kept / "bigru.loso")
    assert packed == (kept / "bigru_ensemble.loso").resolve()
    assert same(read_run(live), read_run(packed))
