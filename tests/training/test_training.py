"""One fold: exact resume, settings that cannot be mixed, statistics of the training speakers only, test opened once."""

import contextlib
import functools
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import forked
import pandas as pd
import pytest
import speechbrain as sb
import torch
from conftest import ROOT, TINY, train
from fake_run import CLASSES
from run_format import fold_record

from ser_plugins.checkpoints import Checkpointer
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_model
from ser_plugins.files import sha256_of
from ser_plugins.sound.read import read_wave
from ser_plugins.spectrogram import LogPowerSpectrogram
from ser_plugins.training import data, feature_store, fold
from ser_plugins.training.data import LengthSortedBatches, make_dataset
from ser_plugins.training.feature_store import MemoryStore
from ser_plugins.training.recordings import load_waveform
from ser_plugins.training.settings import resolve

YAML_FILE = ROOT / "recipes" / "EmoDB" / "hparams" / "bigru_mha.yaml"


def test_batches_hold_every_item_once_and_depend_on_seed_and_epoch_alone():
    lengths = torch.rand(101).tolist()
    sampler = LengthSortedBatches(lengths, 8, seed=3)
    orders = []
    for epoch in (1, 2):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
        assert Counter(item for batch in orders[-1] for item in batch) == Counter(range(101))
        assert len(orders[-1]) == len(sampler)
    assert orders[0] != orders[1]
    again = LengthSortedBatches(lengths, 8, seed=3)
    again.set_epoch(2)
    assert list(again) == orders[1]


def test_batches_are_of_similar_length():
    """Padding stays small: that is what sorting is for."""
    lengths = torch.empty(500).uniform_(1, 9).tolist()
    batches = list(LengthSortedBatches(lengths, 32))
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert padded < 1.25 * sum(lengths)


def test_the_feature_store_is_bounded():
    store = MemoryStore(max_gigabytes=8 / 2**30)
    computed = []

    def compute(value):
        computed.append(value)
        return torch.full((1,), float(value))

    for value in (0, 1, 2, 0, 1, 2):
        assert store.get(value, lambda value=value: compute(value)) == value
    assert computed == [0, 1, 2, 2]  # two fit into eight bytes, the third is computed anew


def test_a_wave_of_another_rate_is_refused(toy_emodb):
    wav = next((toy_emodb / "wav").glob("*.wav"))
    with pytest.raises(SerError, match="16000 Hz; expected: 8000 Hz"):
        load_waveform(wav, 8000)


def test_cached_frames_and_waves_give_the_same_predictions(toy_emodb, tmp_path):
    """They differ in where the spectrogram is computed and in how much is padded, which moves what dropout draws."""
    for name, cache in (("frames", "True"), ("waves", "False")):
        options = ["--cache_features", cache, "--attention_dropout", "0"]
        train(toy_emodb, tmp_path / name, "--fold", "spk03", *options)
    one, other = (predictions(tmp_path / name) for name in ("frames", "waves"))
    columns = [column for column in one if column.startswith("p_")]
    pd.testing.assert_frame_equal(one[columns], other[columns], atol=1e-4)


def predictions(results_folder, fold="spk03", system="bigru_mha"):
    return pd.read_csv(folder_of(results_folder, fold, system) / "predictions.csv")


KILLED = """
import os, sys
sys.path.insert(0, {recipe!r})
from emodb_prepare import prepare_emodb
from ser_plugins.training.brain import EmotionBrain
from ser_plugins.training.recipe import run_recipe

class Killed(EmotionBrain):
    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        if self.optimizer_step == {step}:  # the checkpoint of this very step is not yet written
            os._exit(9)  # as by SIGKILL: nothing is cleaned up

run_recipe(sys.argv[1:], prepare=prepare_emodb, script={script!r}, brain_class=Killed)
"""


@pytest.mark.parametrize("step", [1, 3, 5])  # in the first epoch, at its end, in the second
def test_a_killed_run_resumes_to_the_same_result(toy_emodb, tmp_path, step, killed, uninterrupted):
    killed(tmp_path, step)
    train(toy_emodb, tmp_path, *BY_STEP)
    assert predictions(tmp_path).equals(predictions(uninterrupted))
    assert history(tmp_path) == history(uninterrupted)


def test_augmentation_and_learning_rate_resume_to_the_same_result_too(toy_emodb, tmp_path, killed):
    train(toy_emodb, tmp_path / "whole", "--fold", "spk03", yaml_file="hparams/bigru_mha_plus.yaml")
    killed(tmp_path / "killed", 5, "bigru_mha_plus")
    train(toy_emodb, tmp_path / "killed", *BY_STEP, yaml_file="hparams/bigru_mha_plus.yaml")
    whole, resumed = (predictions(tmp_path / name, system="bigru_mha_plus") for name in ("whole", "killed"))
    assert resumed.equals(whole)
    rates = [row["lr"] for row in history(tmp_path / "killed", "bigru_mha_plus")]
    assert rates == [row["lr"] for row in history(tmp_path / "whole", "bigru_mha_plus")]
    assert rates[1] < 0.1 * rates[0] < 0.1 * 0.003  # past the peak, and almost at the end


class BackwardClock(fold.EmotionBrain):
    """Every checkpoint is made an hour before the one before it."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        save = self.checkpointer._save_checkpoint_metafile

        def earlier(path, meta, end_of_epoch):
            numbers = len(list(self.checkpointer.checkpoints_dir.iterdir()))
            return save(
                path,
                {**meta, "unixtime": 1e9 - 3600 * (10 * self.hparams.epoch_counter.current + numbers)},
                end_of_epoch,
            )

        self.checkpointer._save_checkpoint_metafile = earlier


def test_a_clock_set_back_tests_the_last_epoch_all_the_same(toy_emodb, tmp_path, uninterrupted):
    train(toy_emodb, tmp_path, "--fold", "spk03", "--ckpt_interval_steps", "1", brain_class=BackwardClock)
    results = json.loads((folder_of(tmp_path) / "results.json").read_text())
    assert results["selected_epoch"] == results["epochs"] == len(results["history"]) == 2
    assert predictions(tmp_path).equals(predictions(uninterrupted))


def test_a_damaged_checkpoint_beside_an_intact_one_is_passed_over(toy_emodb, tmp_path, killed, uninterrupted, capfd):
    """The fold ends as if nothing had happened."""
    killed(tmp_path, 6)
    last = Checkpointer(folder_of(tmp_path) / "save").find_checkpoint().path
    (last / "optimizer.ckpt").write_bytes(b"")
    train(toy_emodb, tmp_path, *BY_STEP)
    assert f"{last / 'optimizer.ckpt'}: missing or damaged" in "".join(capfd.readouterr())
    assert predictions(tmp_path).equals(predictions(uninterrupted))
    assert history(tmp_path) == history(uninterrupted)


def test_a_fold_whose_checkpoints_are_all_damaged_says_so_and_tests_nothing(toy_emodb, tmp_path, killed, capfd):
    killed(tmp_path, 5)
    for path in (folder_of(tmp_path) / "save").glob("*/brain.ckpt"):
        path.write_bytes(b"")
    with pytest.raises(SystemExit):
        train(toy_emodb, tmp_path, "--fold", "spk03")
    assert "damaged, and no other checkpoint" in capfd.readouterr().err
    assert not (folder_of(tmp_path) / "results.json").exists()


@pytest.mark.parametrize(
    ("found", "epochs", "wanted", "fine"),
    [
        (3, 3, {}, True),
        (3, None, {}, True),
        (2, 3, {}, False),  # an older checkpoint
        (3, 4, {}, False),  # training was not finished
        (None, 3, {}, False),
        (2, 3, {"max_key": "valid_UAR"}, True),
        (3, 3, {"max_key": "valid_UAR"}, False),  # the best one is lost
        (1, 3, {"min_key": "valid_UAR"}, True),
    ],
)
def test_the_tested_epoch_is_the_one_that_results_speak_of(found, epochs, wanted, fine):
    rows = [{"epoch": epoch, "valid_UAR": score} for epoch, score in ((1, 0.1), (2, 0.5), (3, 0.3))]
    checkpoint = found and SimpleNamespace(meta={"epoch": found})
    with contextlib.nullcontext() if fine else pytest.raises(SerError, match=f"checkpoint of epoch {found}"):
        fold.check_selected(checkpoint, rows, epochs, **wanted)


def test_testing_only_what_is_half_trained_is_refused(toy_emodb, tmp_path, killed, capfd):
    killed(tmp_path, 5)
    with pytest.raises(SystemExit):
        train(toy_emodb, tmp_path, "--fold", "spk03", "--test_only")
    assert "a history of 1 epochs" in capfd.readouterr().err


def test_testing_only_what_is_trained_gives_the_same_result(toy_emodb, tmp_path, uninterrupted):
    shutil.copytree(uninterrupted, tmp_path, dirs_exist_ok=True)
    before = json.loads((folder_of(tmp_path) / "results.json").read_text())
    (folder_of(tmp_path) / "results.json").unlink()
    train(toy_emodb, tmp_path, "--fold", "spk03", "--test_only")
    after = json.loads((folder_of(tmp_path) / "results.json").read_text())
    assert {key: after[key] for key in ("history", "selected_epoch", "metrics")} == {
        key: before[key] for key in ("history", "selected_epoch", "metrics")
    }


BY_STEP = ["--fold", "spk03", "--ckpt_interval_steps", "1"]


@pytest.fixture(scope="module")
def killed(toy_emodb, tmp_path_factory):
    """A function that writes into a folder what a training left that was killed at a step: each is killed once."""

    @functools.cache
    def left_by(step, system):
        folder = tmp_path_factory.mktemp("killed")
        kill(toy_emodb, folder, step, system)
        return folder

    def write(folder, step, system="bigru_mha"):
        shutil.copytree(left_by(step, system), folder, dirs_exist_ok=True)

    return write


def kill(data, results_folder, step, system):
    recipe = ROOT / "recipes" / "EmoDB"
    script = results_folder / "killed.py"
    script.write_text(KILLED.format(recipe=str(recipe), script=str(recipe / "train.py"), step=step))
    arguments = ["--data_folder", str(data), "--results_folder", str(results_folder), *TINY, *BY_STEP]
    yaml_file = YAML_FILE.with_stem(system)
    forked.run(results_folder / "printed", script, yaml_file, *arguments, status=9)
    assert not (folder_of(results_folder, system=system) / "results.json").exists()


def history(results_folder, system="bigru_mha"):
    return json.loads((folder_of(results_folder, system=system) / "results.json").read_text())["history"]


def folder_of(results_folder, fold="spk03", system="bigru_mha"):
    return results_folder / system / "loso" / "seed_1234" / fold


@pytest.fixture(scope="module")
def uninterrupted(toy_emodb, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(toy_emodb, folder, "--fold", "spk03")
    return folder


def test_runs_that_tests_make_up_have_the_keys_and_types_of_a_real_one(uninterrupted):
    real = json.loads((folder_of(uninterrupted) / "results.json").read_text(encoding="utf-8"))
    made = fold_record("a", 1, ["u"], ["joy"], ["joy"], ["joy", "fear"], ["a"], protocol={})
    for one, other in ((made, real), (made["protocol"], real["protocol"])):
        assert list(one) == list(other)
        assert {key: type(value) for key, value in one.items()} == {key: type(value) for key, value in other.items()}
    for key in ("counts", "training", "metrics", "versions"):
        assert made[key].keys() == real[key].keys(), key
    assert made["history"][0].keys() == real["history"][0].keys()


def test_a_protocol_that_lacks_a_key_is_refused_before_the_training():
    protocol = fold_record("a", 1, ["u"], ["joy"], ["joy"], ["joy", "fear"], ["a"], protocol={})["protocol"]
    assert fold._run_protocol(protocol, "speaker", ["b", "a"]).transductive
    del protocol["statements"]
    with pytest.raises(SerError, match=r"prepare function: no statements; expected: all the keys .* remedy: return"):
        fold._run_protocol(protocol, "bin", [])


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(toy_emodb, tmp_path, uninterrupted):
    train(toy_emodb, tmp_path, "--fold", "spk03")
    assert predictions(tmp_path).equals(predictions(uninterrupted))
    train(toy_emodb, tmp_path, "--fold", "spk03", "--seed", "1")
    other = pd.read_csv(tmp_path / "bigru_mha" / "loso" / "seed_1" / "spk03" / "predictions.csv")
    assert not other["p_anger"].equals(predictions(tmp_path)["p_anger"])


def test_a_finished_fold_is_kept(toy_emodb, uninterrupted):
    before = {path: path.stat().st_mtime_ns for path in folder_of(uninterrupted).rglob("*") if path.is_file()}
    train(toy_emodb, uninterrupted, "--fold", "spk03")
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_changed_setting_never_reuses_an_old_fold(toy_emodb, uninterrupted, capfd):
    with pytest.raises(SystemExit) as stop:
        train(toy_emodb, uninterrupted, "--fold", "spk03", "--lr", "0.5")
    assert stop.value.code == 2
    message = capfd.readouterr().err
    assert "was made with other settings (lr: 0.003 -> 0.5" in message
    assert "remedy: choose another --results_folder" in message


def test_quiet_leaves_the_report(toy_emodb, tmp_path, capfd):
    train(toy_emodb, tmp_path, "--fold", "spk03", "--number_of_epochs", "1", "--quiet")
    printed = capfd.readouterr()
    assert printed.err == ""
    assert printed.out == "bigru_mha: folds still to be trained before there is a report: spk08, spk09\n"
    assert "Beginning experiment" in (folder_of(tmp_path) / "log.txt").read_text(encoding="utf-8")


def test_another_corpus_in_the_same_results_folder_is_refused(toy_emodb, uninterrupted, tmp_path, capfd):
    from ser_plugins.corpora.toy.emodb import write_toy_emodb

    other = write_toy_emodb(tmp_path / "other", speakers=3, sentences=2, syllables=2, seed=9)
    with pytest.raises(SystemExit):
        train(other, uninterrupted, "--fold", "spk03")
    assert "corpus_sha256" in capfd.readouterr().err
    train(toy_emodb, uninterrupted, "--fold", "spk03")  # and the manifests are those of the first again


def test_a_fold_in_training_is_locked(toy_emodb, tmp_path, capfd):
    from filelock import FileLock

    folder = folder_of(tmp_path)
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"), pytest.raises(SystemExit):
        train(toy_emodb, tmp_path, "--fold", "spk03")
    assert "is being trained by another process" in capfd.readouterr().err


def test_test_only_without_a_checkpoint_is_an_error(toy_emodb, tmp_path, capfd):
    with pytest.raises(SystemExit):
        train(toy_emodb, tmp_path, "--fold", "spk03", "--test_only")
    assert "--test_only without a checkpoint" in capfd.readouterr().err
    assert not (folder_of(tmp_path) / "results.json").exists()


def test_normalisation_knows_the_training_speakers_only(toy_emodb, uninterrupted):
    """Recomputed with numpy's own mean from the training wavs: no frame of the test speaker is in it."""
    train_manifest = json.loads((uninterrupted / "manifests/loso_full_last/spk03/train.json").read_text())
    assert "spk03" not in {entry["speaker"] for entry in train_manifest.values()}
    compute_features = LogPowerSpectrogram()
    frames = [
        compute_features(torch.from_numpy(read_wave(entry["wav"].format(data_root=toy_emodb))[0])[None])[0]
        for entry in train_manifest.values()
    ]
    everything = torch.cat(frames).double().numpy()
    results = json.loads((folder_of(uninterrupted) / "results.json").read_text())
    state = torch.load(folder_of(uninterrupted) / results["checkpoint"] / "mean_var_norm.ckpt", weights_only=True)
    assert state["count"] == len(everything)
    torch.testing.assert_close(state["mean"], torch.tensor(everything.mean(0), dtype=torch.float), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state["std"], torch.tensor(everything.std(0), dtype=torch.float), atol=1e-5, rtol=1e-5)


def test_frames_normalised_by_speaker_have_every_speakers_own_statistics_removed(toy_emodb, uninterrupted):
    manifest = uninterrupted / "manifests/loso_full_last/spk03/train.json"
    entries = json.loads(manifest.read_text())
    protocol = {"data_root": str(toy_emodb), "target": "emotion", "classes": CLASSES, "task": "classification"}
    plain, normed = (
        make_dataset(manifest, protocol, LogPowerSpectrogram(), by_speaker=by_speaker) for by_speaker in (False, True)
    )
    for speaker in ("spk08", "spk09"):
        keys = [place for place, key in enumerate(plain.data_ids) if entries[key]["speaker"] == speaker]
        raw, found = (torch.cat([dataset[place]["frames"] for place in keys]).double() for dataset in (plain, normed))
        torch.testing.assert_close(found, (raw - raw.mean(0)) / raw.std(0, correction=0), atol=1e-4, rtol=1e-4)


def test_normalisation_by_speaker_is_transductive_and_is_not_exported(toy_emodb, tmp_path):
    train(toy_emodb, tmp_path, "--fold", "spk03", "--normalisation", "speaker")
    results = json.loads((folder_of(tmp_path) / "results.json").read_text())
    assert results["protocol"]["transductive"]
    state = torch.load(folder_of(tmp_path) / results["checkpoint"] / "mean_var_norm.ckpt", weights_only=True)
    torch.testing.assert_close(state["mean"], torch.zeros(400), atol=1e-3, rtol=0)
    with pytest.raises(SerError, match=r"got: .* normalised by the statistics of each speaker"):
        export_model(folder_of(tmp_path), tmp_path / "model")


def test_normalisation_by_speaker_needs_frames_and_speakers(toy_emodb, tmp_path, capfd):
    with pytest.raises(SystemExit):
        train(toy_emodb, tmp_path, "--fold", "spk03", "--normalisation", "speaker", "--cache_features", "False")
    assert "normalisation speaker with cache_features False" in capfd.readouterr().err
    with pytest.raises(SerError, match=r"train\.json: b has no speaker"):
        data.speakers({"a": {"speaker": "spk03"}, "b": {"video": "v1"}}, "train.json")


def test_test_utterances_are_read_once_and_only_after_training(toy_emodb, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(feature_store, "MEMORY", MemoryStore(0))
    monkeypatch.setattr(
        feature_store,
        "load_waveform",
        lambda path, rate: opened.append(Path(path).name[:2]) or load_waveform(path, rate),
    )
    epochs = []

    class Spy(fold.EmotionBrain):
        def on_stage_start(self, stage, epoch=None):
            super().on_stage_start(stage, epoch)
            epochs.append((stage, len(opened)))

    train(toy_emodb, tmp_path, "--fold", "spk03", brain_class=Spy)
    (test_stage, before) = epochs[-1]
    assert test_stage == sb.Stage.TEST
    assert "03" not in opened[:before]
    test_manifest = json.loads((tmp_path / "manifests/loso_full_last/spk03/test.json").read_text())
    assert len(opened[before:]) == len(test_manifest)


def test_an_inner_speaker_chooses_the_epoch(toy_emodb, tmp_path):
    train(toy_emodb, tmp_path, "--fold", "spk03", "--select", "inner_speaker", "--number_of_epochs", "4")
    results = json.loads((folder_of(tmp_path) / "results.json").read_text())
    curve = {row["epoch"]: row["valid_UAR"] for row in results["history"]}
    assert len(curve) == 4
    assert curve[results["selected_epoch"]] == max(curve.values())
    assert results["counts"]["valid"] > 0
    assert results["protocol"]["selection"] == "inner_speaker"


def test_a_leaking_manifest_stops_the_training(toy_emodb, tmp_path, monkeypatch, capfd):
    """The auditor is not decoration: a prepare function that leaks does not get through."""
    from emodb_prepare import prepare_emodb

    @functools.wraps(prepare_emodb)
    def leaking(**options):
        protocol = prepare_emodb(**options)
        folder = Path(options["save_folder"]) / "spk03"
        test = json.loads((folder / "test.json").read_text())
        joined = json.loads((folder / "train.json").read_text())
        joined["planted"] = next(iter(test.values()))
        (folder / "train.json").write_text(json.dumps(joined))
        return protocol

    with pytest.raises(SystemExit):
        train(toy_emodb, tmp_path, "--fold", "spk03", prepare=leaking)
    assert "spk03" in capfd.readouterr().err
    assert not list(tmp_path.rglob("CKPT*"))
    assert not list(tmp_path.rglob("results.json"))


def corpus_with_a_wav_replaced(toy_emodb, corpus, speaker):
    """A copy of the corpus, the name of a recording, and a prepare function after which that one is another."""
    from emodb_prepare import prepare_emodb

    shutil.copytree(toy_emodb, corpus)
    victim, other = sorted((corpus / "wav").glob(f"{speaker}*.wav"))[:2]

    @functools.wraps(prepare_emodb)
    def replacing(**options):
        protocol = prepare_emodb(**options)
        shutil.copy(other, victim)
        return protocol

    return victim, replacing


@pytest.mark.parametrize("speaker", ["03", "08"])  # of the test and of the training set
@pytest.mark.parametrize("options", [[], ["--cache_features", "False"]])
def test_a_wav_replaced_after_preparing_is_not_trained_under_the_old_hash(
    toy_emodb, tmp_path, capfd, uninterrupted, speaker, options
):
    """Not even where its frames are at hand: a fold with the same recordings was trained in this process before."""
    victim, replacing = corpus_with_a_wav_replaced(toy_emodb, tmp_path / "emodb", speaker)
    with pytest.raises(SystemExit):
        train(tmp_path / "emodb", tmp_path, "--fold", "spk03", *options, prepare=replacing)
    assert f"{victim}: another file than the one whose SHA-256 is in the manifest" in capfd.readouterr().err
    assert not list(tmp_path.rglob("results.json"))
    assert not list(tmp_path.rglob("CKPT*"))


def test_a_wav_replaced_after_preparing_stops_classical_systems_too(toy_emodb, tmp_path, capfd):
    """Its functionals are kept from an earlier run."""
    options = ["--fold", "spk03"]
    train(toy_emodb, tmp_path, *options, yaml_file="hparams/mfcc_svm.yaml")
    victim, replacing = corpus_with_a_wav_replaced(toy_emodb, tmp_path / "emodb", "08")
    options += ["--system", "again"]
    with pytest.raises(SystemExit):
        train(tmp_path / "emodb", tmp_path, *options, yaml_file="hparams/mfcc_svm.yaml", prepare=replacing)
    assert f"{victim}: another file than" in capfd.readouterr().err


def test_a_wav_replaced_between_two_epochs_is_noticed(toy_emodb, tmp_path):
    wav = tmp_path / "a.wav"
    one, other = sorted((toy_emodb / "wav").glob("*.wav"))[:2]
    shutil.copy(one, wav)
    fields = {"wav": "{data_root}/a.wav", "duration": 1.0, "emotion": CLASSES[0], "sha256": sha256_of(wav)}
    (tmp_path / "train.json").write_text(json.dumps({"a": fields}))
    protocol = {"data_root": str(tmp_path), "target": "emotion", "classes": CLASSES, "task": "classification"}
    dataset = make_dataset(tmp_path / "train.json", protocol, LogPowerSpectrogram(), cache_features=False)
    assert len(dataset[0]["wave"])
    shutil.copy(other, wav)
    with pytest.raises(SerError, match=r"a\.wav: another file"):
        dataset[0]
    wav.unlink()
    with pytest.raises(SerError, match=r"a\.wav: No such file"):
        make_dataset(tmp_path / "train.json", protocol, LogPowerSpectrogram())


def test_a_wav_replaced_after_preparing_fails_its_folds_and_loses_no_other(toy_emodb, tmp_path, capfd):
    _, replacing = corpus_with_a_wav_replaced(toy_emodb, tmp_path / "emodb", "03")
    with pytest.raises(SystemExit):
        train(tmp_path / "emodb", tmp_path, "--device", "cpu", prepare=replacing, here=True)
    message = capfd.readouterr().err
    assert "3 of 3 trainings failed" in message
    assert "finished folds are kept" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hidden_sizes", "3"], "such as --hidden_size"),
        (["--fold", "spk99"], "fold 'spk99'; expected: all, or some of spk03"),
        (["--fold", "spk03,spk98"], "fold 'spk98'"),
        (["--protocol", "lopo"], "loso"),
        (["--n_classes", "4"], "n_classes: 4; expected: 7"),
        (["--jobs", "0"], "--jobs 0; expected: 1 or more"),
        (["--seeds", "one"], "--seeds one"),
        (["--heads", "5"], "heads that divides the width"),
    ],
)
def test_bad_options_get_one_clear_line_and_leave_nothing(toy_emodb, tmp_path, capfd, options, message):
    with pytest.raises(SystemExit) as stop:
        train(toy_emodb, tmp_path, *options)
    assert stop.value.code == 2
    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: got: ")
    assert message in error
    assert not list(tmp_path.rglob("results.json"))


def test_a_missing_yaml_names_those_that_exist(capfd):
    from emodb_prepare import prepare_emodb

    from ser_plugins.training.recipe import run_recipe

    script = str(ROOT / "recipes" / "EmoDB" / "train.py")
    for arguments, message in ((["hparams/none.yaml"], "hparams/bigru_mha.yaml"), ([], "a YAML first")):
        with pytest.raises(SystemExit):
            run_recipe(arguments, prepare=prepare_emodb, script=script)
        assert message in capfd.readouterr().err


def test_broken_yaml_is_one_clear_error(tmp_path):
    for text in ("- a list", "a: [1", "a: !new:no.such.module.X", "a: !ref <b>"):
        (tmp_path / "bad.yaml").write_text(text)
        if "!new" in text:  # names are resolved when built, and that is told by the fold
            continue
        with pytest.raises(SerError, match=r"bad\.yaml"):
            resolve(tmp_path / "bad.yaml", {})


def test_mixed_precision_and_tensorboard_work_as_in_speechbrain(toy_emodb, tmp_path):
    text = YAML_FILE.read_text()
    (old,) = re.findall(r"^train_logger: .*\n    save_file: .*\n", text, re.M)
    (new,) = re.findall(r"```yaml\n(train_logger: .*?)```", (YAML_FILE.parents[1] / "README.md").read_text(), re.S)
    (tmp_path / "tensorboard.yaml").write_text(text.replace(old, new))
    options = ["--fold", "spk03", "--precision", "bf16", "--device", "cpu"]
    train(toy_emodb, tmp_path, *options, yaml_file=str(tmp_path / "tensorboard.yaml"))
    results = json.loads((folder_of(tmp_path) / "results.json").read_text())
    assert results["settings"]["run_options"] == {"precision": "bf16"}
    assert list((folder_of(tmp_path) / "tensorboard").glob("events*"))
    assert not predictions(tmp_path).filter(like="p_").isna().any(axis=None)
