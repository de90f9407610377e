"""Self-supervised front ends, on tiny models with random weights in a local folder: nothing is fetched."""

import json

import pandas as pd
import pytest
import torch
from conftest import train
from fake_run import tone

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.export.folder import export_model
from ser_plugins.hub import model_name
from ser_plugins.pretrained import SelfSupervisedFrontEnd

transformers = pytest.importorskip("transformers", reason='needs pip install "ser-plugins[ssl]"')
YAML = "hparams/wavlm_bigru_mha.yaml"
TINY = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": (8, 8, 8), "conv_kernel": (10, 8, 4), "conv_stride": (5, 8, 8), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, "layerdrop": 0.5, "hidden_dropout": 0.5,
}  # fmt: skip
# Of the first convolution group norm runs over time, as in the base models; layer norm over channels, as in the large.
KINDS = {
    "wav2vec2": ("Wav2Vec2", "group", True),
    "hubert": ("Hubert", "layer", True),
    "wavlm": ("WavLM", "group", False),
}
COUNTS = torch.tensor([9000, 5000, 1601, 700])


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    """Folders by kind, as `save_pretrained` leaves them."""
    folders = {}
    for kind, (name, norm, normalises) in KINDS.items():
        folder = folders[kind] = tmp_path_factory.mktemp("source") / kind
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            config = getattr(transformers, f"{name}Config")(**TINY, feat_extract_norm=norm, conv_bias=norm == "layer")
            getattr(transformers, f"{name}Model")(config).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=normalises).save_pretrained(folder)
    return {kind: str(folder) for kind, folder in folders.items()}


@pytest.fixture(params=KINDS)
def source(request, sources):
    return sources[request.param]


def padded(junk):
    """Waves of several lengths, batch (batch, samples) with ``junk`` behind them, and relative lengths."""
    waves = [torch.as_tensor(tone(int(n) / 16000, pitch=100.0 + int(n) / 50))[: int(n)] for n in COUNTS]
    return waves, torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=junk), COUNTS / COUNTS.max()


@pytest.mark.parametrize("training", [False, True])
def test_alone_and_padded_is_the_same(source, training):
    features = SelfSupervisedFrontEnd(source).train(training)
    waves, batch, lengths = padded(junk=0.5)
    frames, counts = features(batch, lengths), features.frame_counts(lengths, batch.shape[1])
    assert frames.shape == (4, int(counts.max()), features.bins)
    for row, count, wave in zip(frames, counts, waves, strict=True):
        alone = features(wave[None])[0]
        assert len(alone) == count
        torch.testing.assert_close(row[:count], alone, atol=1e-6, rtol=1e-5)
        assert not row[count:].any()


@pytest.mark.parametrize("layer", [0, 1, 2, "mean", "weighted"])
def test_layers_are_those_of_the_model(sources, layer):
    model = transformers.AutoModel.from_pretrained(sources["wav2vec2"]).eval()
    wave = torch.as_tensor(tone())
    normal = (wave - wave.mean()) / (wave.var(unbiased=False) + 1e-5).sqrt()
    with torch.no_grad():
        states = model(normal[None], output_hidden_states=True).hidden_states
    expected = states[layer] if isinstance(layer, int) else sum(states) / 3
    features = SelfSupervisedFrontEnd(sources["wav2vec2"], layer=layer)
    torch.testing.assert_close(features(wave[None]), expected, atol=1e-5, rtol=1e-4)


def test_the_name_is_that_of_the_hub_or_what_a_folder_says_and_never_a_path(sources, tmp_path):
    assert SelfSupervisedFrontEnd(sources["hubert"]).pretrained == "hubert"  # a folder that says nothing
    assert model_name("hf:facebook/hubert-base-ls960") == "facebook/hubert-base-ls960"
    told = {"microsoft/wavlm-base": "microsoft/wavlm-base", "/home/someone/wavlm": "own", "./wavlm": "own", "": "own"}
    (tmp_path / "own").mkdir()
    for said, name in told.items():
        (tmp_path / "own" / "config.json").write_text(json.dumps({"_name_or_path": said}))
        assert model_name(str(tmp_path / "own")) == name


def trained(features):
    return [name for name, value in features.named_parameters() if value.requires_grad]


def test_what_is_trained(source):
    assert trained(SelfSupervisedFrontEnd(source)) == []
    assert trained(SelfSupervisedFrontEnd(source, layer="weighted")) == ["layer_weights"]
    adapters = trained(SelfSupervisedFrontEnd(source, lora_rank=2))
    assert len(adapters) == 2 * 2 * 2  # blocks, dense layers, down and up
    assert all("adapter_" in name for name in adapters)
    everything = SelfSupervisedFrontEnd(source, freeze=False)
    assert len(trained(everything)) == len(list(everything.parameters()))


def test_adapters_begin_as_nothing_and_learn_and_are_all_that_a_checkpoint_holds(source, tmp_path):
    features = SelfSupervisedFrontEnd(source, lora_rank=2, layer="weighted")
    wave = torch.as_tensor(tone())[None]
    begun = features(wave)
    torch.testing.assert_close(begun, SelfSupervisedFrontEnd(source)(wave), atol=1e-6, rtol=1e-5)
    optimizer = torch.optim.SGD(features.parameters(), lr=1.0)
    for _ in range(2):  # the upper half of an adapter begins at zero, and hides the lower one from the first gradient
        optimizer.zero_grad()
        features(wave).square().sum().backward()
        assert all(value.grad is None for value in features.parameters() if not value.requires_grad)
        optimizer.step()
    assert all(value.grad.abs().sum() > 0 for value in features.parameters() if value.requires_grad)
    learned = features(wave)
    assert not torch.allclose(learned, begun)
    features.save(tmp_path / "front_end.ckpt")
    assert set(torch.load(tmp_path / "front_end.ckpt")) == set(trained(features))
    again = SelfSupervisedFrontEnd(source, lora_rank=2, layer="weighted")
    again.load(tmp_path / "front_end.ckpt", True)
    torch.testing.assert_close(again(wave), learned)
    with pytest.raises(SerError, match="keep the keys of the front end"):
        SelfSupervisedFrontEnd(source).load(tmp_path / "front_end.ckpt", True)


def test_impossible_settings_are_told(sources, tmp_path):
    for bad in ({"layer": 3}, {"layer": "last"}, {"lora_rank": -1}, {"sample_rate": 8000}):
        with pytest.raises(SerError, match="layer mean, weighted or 0 to 2"):
            SelfSupervisedFrontEnd(sources["wavlm"], **bad)
    with pytest.raises(MissingPathError, match="no folder models/wavlm"):
        SelfSupervisedFrontEnd("models/wavlm")
    with pytest.raises(SerError, match="HuBERT or WavLM model"):
        SelfSupervisedFrontEnd(str(tmp_path))
    with pytest.raises(SerError, match="waveforms of 20 samples"):
        SelfSupervisedFrontEnd(sources["wavlm"])(torch.zeros(1, 20))


def fold(corpus, results, source, *options):
    """One fold by the recipe: its folder and results."""
    # Without dropout, whose draws depend on how far a batch is padded.
    options = ["--fold", "spk08", "--source", source, "--dropout", "0", "--attention_dropout", "0", *options]
    train(corpus, results, *options, yaml_file=YAML)
    folder = results / "wavlm_bigru_mha" / "loso" / "seed_1234" / "spk08"
    return folder, json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def frozen(toy_emodb, sources, tmp_path_factory):
    return fold(toy_emodb, tmp_path_factory.mktemp("frozen"), sources["wavlm"])


def probabilities(folder):
    return pd.read_csv(folder / "predictions.csv").filter(like="p_").to_numpy()


def test_a_fold_is_the_same_from_cached_features_and_from_waves_in_batches(frozen, toy_emodb, sources, tmp_path):
    folder, results = frozen
    assert results["counts"]["test"] == len(probabilities(folder))
    waves, _ = fold(toy_emodb, tmp_path, sources["wavlm"], "--cache_features", "False")
    assert probabilities(waves) == pytest.approx(probabilities(folder), abs=1e-4)


def test_a_fold_with_adapters_trains_them_and_tests_what_it_trained(frozen, toy_emodb, sources, tmp_path):
    options = ["--lora_rank", "2", "--layer", "weighted", "--cache_features", "False"]
    folder, results = fold(toy_emodb, tmp_path, sources["wavlm"], *options)
    values = torch.load(folder / results["checkpoint"] / "compute_features.ckpt")
    assert len(values) == 9
    assert all(value.any() for value in values.values())  # half of them began as zeros
    assert results["parameters"] > frozen[1]["parameters"]
    assert (probabilities(folder) != probabilities(frozen[0])).any()


def test_trained_features_are_not_cached(toy_emodb, sources, tmp_path, capsys):
    with pytest.raises(SystemExit):
        fold(toy_emodb, tmp_path, sources["wavlm"], "--lora_rank", "2")
    assert "--cache_features False, or freeze the front end" in capsys.readouterr().err


def test_an_export_is_refused_in_words(frozen, tmp_path):
    with pytest.raises(SerError, match="SelfSupervisedFrontEnd as compute_features"):
        export_model(frozen[0], tmp_path / "model")
    assert not (tmp_path / "model").exists()
