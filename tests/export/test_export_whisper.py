"""A model with a pretrained encoder inside: exported whole, loaded without its source, served as any other."""

import json
import shutil
import socket

import numpy as np
import pytest
import torch
from fake_run import CLASSES, resealed, tone, write_wav, write_whisper_fold
from safetensors.torch import load_file, save_file
from serving_http import running, wav
from speechbrain.inference.classifiers import EncoderClassifier

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.export.own_recipe import export_recipe
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.attention_map import attention_map
from ser_plugins.inference.explain import explain_file
from ser_plugins.inference.quality import check_recording
from ser_plugins.inference.strict import refuse_harmful
from ser_plugins.pretrained import WhisperFrontEnd
from ser_plugins.quantization import dequantized, quantized
from ser_plugins.service.app import create_app
from ser_plugins.whisper_weights import encoder_sha256

WAVES = torch.stack([torch.as_tensor(tone(pitch=pitch)) for pitch in (120.0, 260.0)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_whisper):
    """A fold, and its modules."""
    return write_whisper_fold(tmp_path_factory.mktemp("training-machine") / "loso", tiny_whisper)


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    export_model(trained[0], folder / "float32")
    export_model(trained[0], folder / "float16", half=True)
    export_model(trained[0], folder / "int8", int8=True)
    return folder


def probabilities(folder):
    return EmotionClassifier.from_hparams(folder, device="cpu").classify_batch(WAVES).probabilities


def test_it_is_exported_whole_and_loads_without_its_source_or_a_network(trained, exported, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a network call")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr("ser_plugins.pretrained.read_whisper", refuse)
    original = EmotionClassifier(trained[1], CLASSES).classify_batch(WAVES).probabilities
    assert original.std() > 1e-3
    torch.testing.assert_close(probabilities(exported / "float32"), original)
    text = (exported / "float32" / "hyperparams.yaml").read_text()
    assert "compute_features: !new:ser_plugins.whisper.WhisperEncoder\n    states: 1-2\n" in text
    assert "source" not in text
    refuse_harmful(exported / "float32")


@pytest.mark.parametrize(("kept", "most"), [("float16", 0.02), ("int8", 0.1)])
def test_fewer_bits_hardly_move_a_probability(exported, kept, most, tmp_path):
    full, rounded = probabilities(exported / "float32"), probabilities(exported / kept)
    assert 0 < (full - rounded).abs().max() < most
    theirs = EncoderClassifier.from_hparams(source=str(exported / kept), savedir=tmp_path / "cache")
    for wave, row in zip(WAVES, rounded, strict=True):
        torch.testing.assert_close(theirs.classify_batch(wave[None])[0].exp()[0], row)


def test_in_8_bits_matrices_are_integers_and_the_rest_is_as_exact_as_it_was(trained, exported):
    stored = load_file(exported / "int8" / "compute_features.safetensors")
    encoder = trained[1]["compute_features"].encoder_state()
    for name, value in encoder.items():
        if value.dim() < 2:
            assert torch.equal(stored[name], value)
            continue
        assert stored[name].dtype == torch.int8
        scale = stored[f"{name}.scale"].view(-1, *[1] * (value.dim() - 1))
        assert ((stored[name] * scale - value).abs() <= 0.501 * scale).all()
    sizes = [(exported / kept / "compute_features.safetensors").stat().st_size for kept in ("float32", "int8")]
    assert sizes[1] < 0.45 * sizes[0]
    assert load_file(exported / "int8" / "mean_var_norm.safetensors")["mean"].dtype == torch.float32
    card = json.loads((exported / "int8" / "model.json").read_text())
    assert (card["precision"], card["pretrained"]) == ("int8", ["someone/whisper-tiny"])
    assert card["parameters"] == sum(value.numel() for value in trained[1].parameters())
    assert "8 bits (the encoder's matrices)" in (exported / "int8" / "README.md").read_text()


def test_a_front_end_in_8_bits_is_what_its_export_is(tiny_whisper, tmp_path):
    """So that a head can be trained on what it will see."""
    fold, modules = write_whisper_fold(tmp_path / "loso", tiny_whisper, int8=True)
    plain = WhisperFrontEnd(str(tiny_whisper), states="1-2", pool=4)
    assert plain.settings != modules["compute_features"].settings
    export_model(fold, tmp_path / "model", int8=True)
    seen = EmotionClassifier.from_hparams(tmp_path / "model").modules["compute_features"](WAVES)
    torch.testing.assert_close(seen, modules["compute_features"](WAVES), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(seen, plain(WAVES), atol=1e-3)


def test_rounding_twice_is_rounding_once():
    state = {
        "matrix": torch.randn(5, 7),
        "kernel": torch.randn(4, 3, 2),
        "bias": torch.randn(5),
        "none": torch.zeros(2, 2),
    }
    once = dequantized(quantized(state))
    twice = dequantized(quantized(once))
    assert once.keys() == state.keys()
    for name, value in once.items():
        torch.testing.assert_close(twice[name], value, atol=0, rtol=1e-6)
    assert torch.equal(once["bias"], state["bias"])
    assert not once["none"].any()


def test_the_licence_of_openai_goes_with_its_weights(trained, exported, tmp_path, monkeypatch):
    assert not (exported / "float32" / "LICENSE.whisper").exists()
    assert "not known here" in (exported / "float32" / "README.md").read_text()
    monkeypatch.setattr("ser_plugins.pretrained.model_name", lambda source: "openai/whisper-base")
    card = export_model(trained[0], tmp_path / "model")
    assert "Copyright (c) 2022 OpenAI" in (tmp_path / "model" / "LICENSE.whisper").read_text()
    assert "LICENSE.whisper" in card.files
    assert "copyright (c) 2022 OpenAI" in (tmp_path / "model" / "README.md").read_text()
    refuse_harmful(tmp_path / "model")
    (tmp_path / "model" / "LICENSE.whisper").write_text("none")
    with pytest.raises(SerError, match=r"LICENSE.whisper has SHA-256"):
        probabilities(tmp_path / "model")


@pytest.mark.parametrize("options", [{"trained_from": 2}, {"trained_from": 1, "lora_rank": 2}])
def test_trained_layers_and_adapters_are_part_of_the_export(tiny_whisper, tmp_path, options):
    fold, modules = write_whisper_fold(tmp_path / "loso", tiny_whisper, **options)
    front_end = modules["compute_features"]
    with torch.no_grad():
        for value in front_end.parameters():
            value.add_(0.1 * torch.randn_like(value) * value.requires_grad)
    path = next(fold.glob("save/*/compute_features.ckpt"))
    front_end.save(path)
    export_model(fold, tmp_path / "model")
    expected = EmotionClassifier(modules, CLASSES).classify_batch(WAVES).probabilities
    torch.testing.assert_close(probabilities(tmp_path / "model"), expected)
    path.unlink()
    with pytest.raises(MissingPathError, match=r"compute_features.ckpt"):
        export_model(fold, tmp_path / "other")


def test_what_cannot_be_exported_says_why(trained, tmp_path, tiny_whisper):
    with pytest.raises(SerError, match="half precision and 8 bits"):
        export_model(trained[0], tmp_path / "model", half=True, int8=True)
    fold, _ = write_whisper_fold(tmp_path / "loso", shutil.copytree(tiny_whisper, tmp_path / "gone"))
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(MissingPathError, match=r"no folder .*gone"):
        export_model(fold, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_another_encoder_than_the_one_of_the_training_is_refused(tiny_whisper, tmp_path):
    fold, _ = write_whisper_fold(tmp_path / "loso", tiny_whisper)
    path, digest = fold / "results.json", encoder_sha256(str(tiny_whisper), "1-2")
    results = json.loads(path.read_text())
    for found, other in ((digest, False), (64 * "0", True)):
        front_end = {"!new:ser_plugins.pretrained.WhisperFrontEnd": {"source": f"sha256:{found}", "states": "1-2"}}
        settings = {**results["settings"], "compute_features": front_end}
        path.write_text(json.dumps({**results, "settings": settings}))
        if other:
            with pytest.raises(SerError, match=r"an encoder with sha256:.*expected: sha256:000000"):
                export_model(fold, tmp_path / "other")
        else:
            export_model(fold, tmp_path / "model")


def test_alone_and_in_a_batch_are_the_same(exported):
    model = EmotionClassifier.from_hparams(exported / "int8", device="cpu")
    waves = [torch.as_tensor(tone(seconds, pitch=100 + 90 * seconds)) for seconds in (1.3, 0.6, 0.9)]
    padded = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=7.0)
    lengths = torch.tensor([len(wave) for wave in waves]) / padded.shape[1]
    together = model.classify_batch(padded, lengths).probabilities
    for wave, row in zip(waves, together, strict=True):
        torch.testing.assert_close(model.classify_batch(wave).probabilities[0], row, atol=1e-5, rtol=0)


def test_the_shortest_recording_is_what_the_model_says(exported):
    model = EmotionClassifier.from_hparams(exported / "float32", any_sound=True)
    assert model.min_samples == 400
    model.classify_batch(torch.as_tensor(tone(1.0))[:400])
    with pytest.raises(SerError, match="400"):
        model.classify_batch(torch.as_tensor(tone(1.0))[:399])


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("options", [{}, {"pool": 3}, {"pool": 2, "merge": 2}])
def test_the_fewest_samples_of_frames(tiny_whisper, options, frames):
    front_end = WhisperFrontEnd(str(tiny_whisper), states="0", **options)
    least = front_end.least_samples(frames)
    assert front_end(torch.randn(1, least)).shape[1] == frames
    assert least == 400 or front_end(torch.randn(1, least - 1)).shape[1] == frames - 1


def test_windows_streams_attention_and_long_recordings(exported, tmp_path):
    model = EmotionClassifier.from_hparams(exported / "float32", any_sound=True)
    wave = tone(2.0)
    path = write_wav(tmp_path / "speech.wav", wave, subtype="FLOAT")
    windows = list(model.classify_windows(path, window=1.0, hop=0.5))
    stream = model.stream(16000, window=1.0, hop=0.5)
    streamed = [window for piece in np.array_split(wave, 7) for window in stream.feed(piece)] + stream.close()
    assert [window[:3] for window in streamed] == [window[:3] for window in windows]
    alone = model.predict(wave[:16000], 16000)
    assert windows[0].probability == pytest.approx(alone.probability, abs=1e-5)
    weights = np.array(attention_map(model, torch.as_tensor(wave))["weights"])
    assert weights.shape == (25, 25)  # frames of 80 ms
    assert weights.mean(axis=1) == pytest.approx(np.ones(25), abs=0.01)
    long = write_wav(tmp_path / "long.wav", tone(35.0))
    assert model.predict(long).label in CLASSES
    with pytest.raises(SerError, match="more than 30 s"):
        explain_file(model, long)


def test_explained_are_log_mel_and_the_attention_of_the_head(exported, tmp_path):
    model = EmotionClassifier.from_hparams(exported / "float32", device="cpu")
    path = write_wav(tmp_path / "speech.wav", tone(1.0), subtype="FLOAT")
    found = explain_file(model, path)
    assert found.frames.shape == found.gradient.shape == (100, 80) == (len(found.times), len(found.frequencies))
    assert found.times[-1] == pytest.approx(0.99)
    assert (np.diff(found.frequencies) > 0).all()
    assert np.abs(found.gradient).max() > 0
    assert found.attention.shape == (2, 13)
    assert found.attention_times[:2] == pytest.approx([0.03, 0.11])  # middles of four frames, around 0 to 60 ms
    loud = model.modules["compute_features"].log_mel(torch.as_tensor(tone(1.0))[None], torch.tensor([16000]))
    np.testing.assert_allclose(found.frames, loud[0].T, atol=1e-4)


def test_a_step_along_the_gradient_makes_the_answer_surer(exported):
    from ser_plugins.inference.explain import _spectrum, saliency

    model = EmotionClassifier.from_hparams(exported / "float32", device="cpu")
    modules, wave = model.modules, torch.as_tensor(tone(1.0))[None]
    frames, encode = _spectrum(modules, wave)
    gradient, _ = saliency(modules, frames, encode=encode)

    def best(log_mel):
        return modules["classifier"](modules["embedding_model"](encode(log_mel))).amax()

    with torch.no_grad():
        torch.testing.assert_close(best(frames).exp(), model.classify_batch(wave).score[0])
        assert best(frames + 0.01 * gradient / gradient.norm()) > best(frames)


def test_a_check_has_no_distance_from_spectra(exported, tmp_path):
    model = EmotionClassifier.from_hparams(exported / "float32", device="cpu")
    assert check_recording(write_wav(tmp_path / "speech.wav", tone(1.0)), model).distance is None


def test_members_of_an_ensemble_share_their_encoder(tiny_whisper, tmp_path):
    for fold in ("spk03", "spk08", "spk09"):
        write_whisper_fold(tmp_path / "loso", tiny_whisper, fold)
    export_ensemble(tmp_path / "loso", tmp_path / "ensemble", int8=True)
    model = EmotionClassifier.from_hparams(tmp_path / "ensemble", device="cpu")
    calls, encoder = [], model.members[0]["compute_features"]
    encoder.register_forward_hook(lambda *_: calls.append(1))
    mean = model.classify_batch(WAVES).probabilities
    assert len(calls) == 1
    members = [probabilities(path) for path in (tmp_path / "ensemble").iterdir() if path.is_dir()]
    torch.testing.assert_close(torch.stack(members).mean(0), mean)


def test_an_own_recipe_with_a_pretrained_encoder_is_exported_too(trained, exported, tmp_path):
    fold, modules = trained
    for weights in (dict(modules), next(fold.glob("save/CKPT*"))):
        card = export_recipe(fold / "hyperparams.yaml", weights, CLASSES, tmp_path / "model", True, int8=True)
        assert (card.precision, card.pretrained) == ("int8", ("someone/whisper-tiny",))
        torch.testing.assert_close(probabilities(tmp_path / "model"), probabilities(exported / "int8"))


def test_the_service_gives_what_the_model_gives(exported):
    model = EmotionClassifier.from_hparams(exported / "int8", device="cpu")
    with running(create_app(model)) as service:
        reply = service.ask("/classify", wav(1.2)).json
        assert reply["label"] == model.predict(tone(1.2), 16000).label
        assert not any("deviations" in warning for warning in reply["warnings"])
        assert len(service.ask("/attention", wav(1.2)).json["weights"]) == 15  # frames of 80 ms
        assert len(service.ask("/timeline?window=0.5&hop=0.25", wav(1.2)).json["windows"]) == 4


# What is refused


def stored_otherwise(folder, change):
    path = folder / "compute_features.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def without_scale(tensors):
    del tensors["layers.0.dense.weight.scale"]


def a_scale_too_many(tensors):
    tensors["layers.0.dense.bias.scale"] = torch.ones(32)


def another_scale(tensors):
    tensors["layers.0.dense.weight.scale"] = torch.ones(31)


def an_infinite_scale(tensors):
    tensors["layers.0.dense.weight.scale"][0] = torch.inf


def too_large_a_scale(tensors):
    tensors["layers.0.dense.weight.scale"][:] = 3e38


def integers_as_bias(tensors):
    tensors["layers.0.dense.bias"] = torch.ones(32, dtype=torch.int8)


def wide(tensors):
    tensors["layers.0.dense.weight"] = torch.ones(32, 17, dtype=torch.int8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_scale, r"dense.weight.scale missing instead of \(32,\)"),
        (a_scale_too_many, r"dense.bias.scale \(32,\) instead of none"),
        (another_scale, r"dense.weight.scale \(31,\) instead of \(32,\)"),
        (an_infinite_scale, "values that are not finite"),
        (too_large_a_scale, "values that are not finite"),
        (integers_as_bias, "dense.bias I8 instead of F32"),
        (wide, r"\(32, 17\) instead of \(32, 16\)"),
    ],
)
def test_8_bits_that_do_not_fit_are_refused(exported, tmp_path, change, message):
    folder = shutil.copytree(exported / "int8", tmp_path / "model")
    stored_otherwise(folder, change)
    with pytest.raises(SerError, match=message):
        probabilities(resealed(folder))


def test_weights_of_an_encoder_belong_to_one(exported, tmp_path):
    folder = shutil.copytree(exported / "int8", tmp_path / "model")
    (folder / "compute_features.safetensors").unlink()
    with pytest.raises(MissingPathError, match=r"no file .*compute_features"):
        probabilities(folder)
    path = folder / "model.json"
    card = json.loads(path.read_text())
    del card["files"]["compute_features.safetensors"]
    path.write_text(json.dumps(card))
    with pytest.raises(SerError, match=r"compute_features\.safetensors; expected: a hash of it"):
        probabilities(folder)
