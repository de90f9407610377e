"""A model of a SpeechBrain recipe that is not ours, made of our modules, is exported; its card says: not measured."""

import json

import pytest
import torch
from fake_run import change, tone
from hyperpyyaml import load_hyperpyyaml
from speechbrain.core import create_experiment_directory
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.inference.classifiers import EncoderClassifier
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.cli.overview import overview
from ser_plugins.errors import SerError
from ser_plugins.export.own_recipe import export_recipe
from ser_plugins.inference import open_model
from ser_plugins.inference.strict import refuse_harmful
from ser_plugins.training.endings import close_experiment_log

RECIPE = """
seed: 1986
__set_seed: !apply:torch.manual_seed [!ref <seed>]
output_folder: {folder}
n_bands: 40
hidden: 8
features: !new:ser_plugins.spectrogram.LogPowerSpectrogram
    n_fft: 1024
    max_frequency: 8000
    mel_bands: !ref <n_bands>
normalize: !new:ser_plugins.spectrogram.ZNorm
    bins: !ref <n_bands>
encoder: !new:ser_plugins.classifier.UtteranceEncoder
    bins: !ref <features.bins>
    front_end: mel
    hidden_size: !ref <hidden>
    heads: 2
head: !new:ser_plugins.classifier.ClassifierHead
    input_size: !ref <encoder.output_size>
    classes: 3
lr: 0.001
opt_class: !name:torch.optim.Adam
    lr: !ref <lr>
modules:
    features: !ref <features>
    normalize: !ref <normalize>
    encoder: !ref <encoder>
    head: !ref <head>
checkpointer: !new:speechbrain.utils.checkpoints.Checkpointer
    checkpoints_dir: !ref <output_folder>/save
    recoverables:
        normalize: !ref <normalize>
        encoder: !ref <encoder>
        head: !ref <head>
"""
LABELS = ["calm", "a => b", "größer"]
WAVES = torch.as_tensor(tone())[None]


@pytest.fixture
def trained(tmp_path):
    """An output folder as SpeechBrain leaves it, and the modules that were trained."""
    yaml_file, output = tmp_path / "train.yaml", tmp_path / "results" / "1986"
    yaml_file.write_text(RECIPE.format(folder=output), encoding="utf-8")
    with open(yaml_file, encoding="utf-8") as stream:
        hparams = load_hyperpyyaml(stream)
    create_experiment_directory(str(output), str(yaml_file), {})
    close_experiment_log(output)
    modules = hparams["modules"]
    modules["normalize"].fit([(modules["features"](WAVES), None)])
    for value in modules["head"].parameters():
        value.data.mul_(3)
    hparams["checkpointer"].save_checkpoint(name="best")
    encoder = CategoricalEncoder()
    encoder.update_from_iterable(["calm", "tense", "other"], sequence_input=False)
    encoder.save(output / "save" / "label_encoder.txt")
    return output, modules


def expected(modules):
    frames = modules["normalize"].eval()(modules["features"](WAVES))
    return modules["head"].eval()(modules["encoder"].eval()(frames)).exp().flatten()


def test_the_command_exports_an_output_folder(trained, tmp_path):
    output, modules = trained
    arguments = ["export", output, tmp_path / "model", "--labels", output / "save" / "label_encoder.txt"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (done.exit_code, "not measured" in done.stdout) == (0, True), done.output
    model = open_model(tmp_path / "model", device="cpu")
    assert model.labels == ["calm", "tense", "other"]
    torch.testing.assert_close(model.classify_batch(WAVES).probabilities[0], expected(modules))
    theirs = EncoderClassifier.from_hparams(source=str(tmp_path / "model"), savedir=str(tmp_path / "cache"))
    torch.testing.assert_close(theirs.classify_batch(WAVES)[0].exp().flatten(), expected(modules))
    refuse_harmful(tmp_path / "model")
    assert "**NOT MEASURED**" in model.card
    *_, row = overview([tmp_path / "model"])
    assert (row["metrics"], row["measured"], row["system"]) == (None, "not measured", "1986")
    listed = CliRunner().invoke(app, ["models", str(tmp_path / "model")], env={"COLUMNS": "300"})
    assert (listed.exit_code, "not measured" in listed.stdout) == (0, True)


def test_modules_and_labels_may_be_handed_over(trained, tmp_path):
    output, modules = trained
    card = export_recipe(output / "hyperparams.yaml", modules, LABELS, tmp_path / "model", name="mine", corpus="my own")
    assert (card.system, card.corpus, card.classes) == ("mine", "my own", tuple(LABELS))
    model = open_model(tmp_path / "model", device="cpu")
    assert model.labels == LABELS
    torch.testing.assert_close(model.classify_batch(WAVES).probabilities[0], expected(modules))
    half = export_recipe(output / "hyperparams.yaml", modules, LABELS, tmp_path / "half", half=True)
    assert (
        half.parameters
        == card.parameters
        == sum(value.numel() for value in modules["head"].parameters())
        + sum(value.numel() for value in modules["encoder"].parameters())
    )


def test_what_does_not_fit_is_refused_and_nothing_is_left(trained, tmp_path):
    output, modules = trained
    yaml_file, target = output / "hyperparams.yaml", tmp_path / "models" / "model"
    fresh = type(modules["normalize"])(40)
    for weights, labels, message in (
        (modules, ["one", "two"], "2 labels"),
        (modules, ["one", "one", "two"], "each a text of its own"),
        ({**modules, "normalize": fresh}, LABELS, "a z-norm without statistics"),
        ({"head": modules["head"]}, LABELS, "normalize among them"),
        (output / "save", LABELS, r"no file .*normalize.ckpt; .*recoverables"),
        (modules, output / "none.txt", r"no file .*none.txt"),
        (modules, yaml_file, "the file of a CategoricalEncoder"),
    ):
        with pytest.raises(SerError, match=message):
            export_recipe(yaml_file, weights, labels, target)
    change(yaml_file, "ser_plugins.spectrogram.ZNorm", "speechbrain.processing.features.InputNormalization")
    with pytest.raises(
        SerError, match=r"nothing for mean_var_norm; expected: at the top level one of !new:ser_plugins"
    ):
        export_recipe(yaml_file, modules, LABELS, target)
    assert not list(tmp_path.glob("models/*"))
    second = output / "save" / "CKPT+other"
    second.mkdir()
    arguments = ["export", str(output), str(target), "--labels", str(output / "save" / "label_encoder.txt")]
    assert "2 checkpoints: CKPT+best, CKPT+other; expected: one" in str(CliRunner().invoke(app, arguments).exception)


def test_a_regression_has_a_scale(trained, tmp_path):
    from ser_plugins.classifier import RegressionHead

    output, modules = trained
    yaml_file = output / "hyperparams.yaml"
    change(yaml_file, "ClassifierHead", "RegressionHead")
    change(yaml_file, "  classes: 3\n", "")
    head = RegressionHead(modules["encoder"].output_size)
    export_recipe(yaml_file, {**modules, "head": head}, ["valence"], tmp_path / "model", scale="vad")
    card = json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))
    assert (card["task"], card["target"], card["scale"]) == ("regression", "valence", "vad")
    assert open_model(tmp_path / "model", device="cpu").classify_batch(WAVES).score.shape == (1,)
