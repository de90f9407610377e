"""Before the first training: what a YAML lacks, misspells or gets wrong is one error that names file and key."""

import json

import pytest
import torch
from conftest import RECIPES, ROOT, train

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.tasks import tasks_of
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.preflight import build, check_keys, rehearse
from ser_plugins.training.settings import values_as_written

HPARAMS = ROOT / "recipes" / "EmoDB" / "hparams"
YAML_FILE, MEL = HPARAMS / "bigru_mha.yaml", HPARAMS / "bigru_mha_mel.yaml"
TASKS = tasks_of({"target": "emotion", "classes": [f"class{place}" for place in range(7)], "task": "classification"})
YAMLS = [
    path
    for path in sorted(ROOT.glob("recipes/*/hparams/*.yaml"))
    if not path.stem.startswith(("wavlm", "egemaps", "compare", "best", "functionals"))  # these need extras
]


def all_checks(path, overrides, tasks=TASKS):
    experiment = Experiment.of(path, overrides)
    check_keys(experiment)
    rehearse(experiment, tasks)


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_yaml_passes_as_it_is(path, tiny_whisper):
    values = {"hidden_size": 16, "csv": "my.csv", "source": str(tiny_whisper), "states": "1-3"}
    written = values_as_written(path)
    small = {key: value for key, value in values.items() if key in written}
    if (classes := written.get("n_classes")) == "auto":
        classes = small["n_classes"] = 3
    target = {"label": "label_M"}.get(written.get("target"), "emotion")  # CH-SIMS: label is label_M in its manifests
    protocol = {"target": target, "classes": [str(place) for place in range(classes or 0)], "scale": "plain"}
    protocol["task"] = "classification" if classes else "regression"
    tasks = tasks_of(protocol, written.get("auxiliary"))
    before = torch.get_rng_state()
    all_checks(path, small, tasks)
    assert torch.equal(torch.get_rng_state(), before)


def test_there_are_yamls_of_every_recipe():
    assert {path.parts[-3] for path in YAMLS} == set(RECIPES)


@pytest.mark.parametrize(
    ("path", "overrides", "bins"),
    [
        (YAML_FILE, {"max_frequency": 8000}, 800),
        (YAML_FILE, {"n_fft": 2048}, 512),
        (YAML_FILE, {"sample_rate": 8000}, 800),
        (MEL, {"mel_bands": 60}, 60),
        (MEL, {"mel_bands": 0, "front_end": "fast"}, 512),
    ],
)
def test_the_number_of_bins_follows_from_the_keys_of_the_features(path, overrides, bins):
    overrides = {"hidden_size": 16, **overrides}
    all_checks(path, overrides)
    built = build(Experiment.of(path, overrides), ["compute_features", "mean_var_norm"])
    assert built["compute_features"].bins == len(built["mean_var_norm"].mean) == bins


def test_other_frames_train_by_options_alone(toy_emodb, tmp_path):
    features = {"max_frequency": 8000, "win_length": 25, "hop_length": 20, "n_fft": 512}
    options = [text for key, value in features.items() for text in (f"--{key}", str(value))]
    train(toy_emodb, tmp_path, "--fold", "spk03", *options, "--number_of_epochs", "1")
    fold = tmp_path / "bigru_mha/loso/seed_1234/spk03"
    settings = json.loads((fold / "results.json").read_text())["settings"]
    assert {key: settings[key] for key in features} == features
    (norm,) = fold.glob("save/CKPT*/mean_var_norm.ckpt")
    assert len(torch.load(norm, weights_only=True)["mean"]) == 256
    export_model(fold, tmp_path / "model")
    assert EmotionClassifier.from_hparams(tmp_path / "model").modules["compute_features"].bins == 256


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"win_length": 120}, "compute_features: window 1920"),
        ({"max_frequency": 9000}, "compute_features: window 640, hop 160, n_fft 1600, 900 bins"),
        ({"heads": 7}, "embedding_model: 7 heads for frames of width 256"),
        ({"hidden_size": 2.5}, "embedding_model (front_end: fast"),
        ({"lr": -1}, "opt_class: ValueError: Invalid learning rate: -1"),
        ({"dropout": 1.5}, "classifier: ValueError: dropout probability"),
        ({"number_of_epochs": 0}, "number_of_epochs: 0; expected: a whole number, 1 or more"),
        ({"batch_size": 2.5}, "batch_size: 2.5"),
        ({"seed": -1}, "seed: -1; expected: a whole number from 0 to 4294967295"),
        ({"n_classes": 3}, "loss: "),
    ],
)
def test_a_value_that_does_not_fit_is_found_before_any_training(overrides, message):
    tasks = (
        TASKS
        if "n_classes" not in overrides
        else tasks_of({"target": "emotion", "classes": [], "scale": "plain", "task": "regression"})
    )
    with pytest.raises(SerError) as stop:
        all_checks(YAML_FILE, overrides, tasks)
    assert message in str(stop.value)
    assert "bigru_mha.yaml" in str(stop.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size: 32", "batchsize: 32", "no batch_size, but batchsize"),
        ("batch_size: 32", "batch_size: thirty", "batch_size: 'thirty'"),
        ("cache_features: True", "cache_features: 1", "cache_features: 1; expected: True or False"),
        ("select: last", "select: ", "no select"),
        ("win_length: 40", "win_length: forty", "compute_features (win_length: forty)"),
        ("    win_length: !ref", "    win_lenght: !ref", "unexpected keyword argument 'win_lenght'"),
        ("n_fft: !ref <n_fft>", "n_fft: !ref <nfft>", 'The reference "nfft"'),
        ("bins: !ref <compute_features.bins>", "bins: 300", "mean_var_norm: frames of 400 bins for a z-norm of 300"),
        ("losses.CrossEntropy", "losses.CrossEntrpy", "loss: ImportError"),
        ("losses.CrossEntropy", "losses.Concordance", "loss: "),
        ("lr: 0.0001", "lr: small", "opt_class (lr: small)"),
        ("    save_file:", "    save_flie:", "train_logger (save_flie:"),
        ("checkpoints_dir: !ref", "checkpoint_dir: !ref", "checkpointer (checkpoint_dir:"),
        ("    compute_features: !ref <compute_features>\n", "", "it has no compute_features"),
        ("classifier: !new:ser_plugins.classifier.ClassifierHead", "classifier: !new:builtins.dict", "modules: "),
    ],
)
def test_a_slip_in_a_yaml_is_one_error_that_names_file_and_key(tmp_path, old, new, message):
    text = YAML_FILE.read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SerError) as stop:
        all_checks(path, {})
    assert str(path) in str(stop.value)
    assert message in str(stop.value)
    assert "\n" not in str(stop.value)


def test_a_comment_behind_the_key_of_a_list_is_told_with_its_line(tmp_path):
    text = YAML_FILE.read_text()
    copies = (
        "copies:{}\n    - !new:ser_plugins.copies.Noise\n        decibels: 20.0\n    - !new:ser_plugins.copies.Room\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text(text + "# harder ones\n" + copies.format(""))
    check_keys(Experiment.of(path, {"seed": 2}))
    path.write_text(text + copies.format(" # harder ones"))
    line = len(text.splitlines()) + 2
    with pytest.raises(SerError, match=rf"{path}, line {line}: !new:ser_plugins.copies.Noise in copies, misread"):
        check_keys(Experiment.of(path, {"seed": 2}))


def test_a_classical_systems_values_are_checked_as_scikit_learn_does():
    with pytest.raises(SerError, match=r"mfcc_svm\.yaml, estimator \(kernel: rbf\): .*'C' parameter of SVC"):
        all_checks(HPARAMS / "mfcc_svm.yaml", {"C": -1.0})
    with pytest.raises(SerError, match="estimator"):
        all_checks(HPARAMS / "mfcc_svm.yaml", {"kernel": "lin"})


def test_a_slip_is_told_once_and_not_by_every_fold(toy_emodb, tmp_path, capfd):
    with pytest.raises(SystemExit):
        train(toy_emodb, tmp_path, "--batch_size", "2.5", here=True)
    assert capfd.readouterr().err.count("batch_size: 2.5") == 1
    assert not list(tmp_path.rglob("console.log"))
