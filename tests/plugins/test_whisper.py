"""Whisper's encoder in plain torch: the original's numbers, the same alone and padded, nothing kept that is not in use.

On tiny models with random weights in a local folder; set WHISPER to a folder with the real one to try that too.
"""

import json
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_run import tone
from safetensors.torch import load_file, save_file

from ser_plugins import hub
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.pretrained import WhisperFrontEnd
from ser_plugins.whisper import SAMPLES, LogMel, WhisperEncoder
from ser_plugins.whisper_weights import read_whisper

transformers = pytest.importorskip("transformers", reason='needs pip install "ser-plugins[ssl]"')
COUNTS = [16000, 9001, 5120, 401]


@pytest.fixture(scope="session")
def whisper(tmp_path_factory):
    """A folder with a tiny model of three layers, as ``save_pretrained`` leaves it."""
    folder = tmp_path_factory.mktemp("whisper")
    sizes = {"d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    decoder = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 16, "vocab_size": 8}
    tokens = {f"{name}_token_id": 1 for name in ("pad", "bos", "eos", "decoder_start")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.WhisperConfig(**sizes, **decoder, **tokens, init_std=0.3)
        transformers.WhisperModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(params=["tiny", "real"])
def source(request, whisper):
    if request.param == "tiny":
        return str(whisper)
    if "WHISPER" not in os.environ:
        pytest.skip("set WHISPER to a folder with Whisper base")
    return os.environ["WHISPER"]


def waves(counts=COUNTS, junk=float("nan")):
    """Tones of several lengths, and a batch (batch, samples) of them with ``junk`` behind each."""
    items = [torch.as_tensor(tone(count / 16000, pitch=90.0 + count / 90))[:count] for count in counts]
    return items, torch.nn.utils.rnn.pad_sequence(items, batch_first=True, padding_value=junk)


def original_states(folder, log_mel):
    """Hidden states by transformers, layer by layer: its own forward takes 30 s and nothing else."""
    model = transformers.WhisperModel.from_pretrained(folder).eval().float().encoder
    with torch.no_grad():
        hidden = torch.nn.functional.gelu(model.conv2(torch.nn.functional.gelu(model.conv1(log_mel)))).transpose(1, 2)
        states = [hidden + model.embed_positions.weight[: hidden.shape[1]]]
        for layer in model.layers:
            output = layer(states[-1], attention_mask=None)
            states.append(output if isinstance(output, torch.Tensor) else output[0])
    states[-1] = model.layer_norm(states[-1])
    return [state.detach() for state in states]


@pytest.mark.parametrize("samples", COUNTS)
def test_the_log_mel_is_that_of_the_original(samples):
    wave = torch.as_tensor(tone(samples / 16000))[:samples]
    extractor = transformers.WhisperFeatureExtractor()
    expected = extractor(wave.numpy(), sampling_rate=16000, padding="do_not_pad", return_tensors="pt").input_features
    torch.testing.assert_close(LogMel()(wave[None], torch.tensor([samples])), expected, atol=1e-4, rtol=0)


def test_all_states_are_those_of_the_original(source):
    wave = torch.as_tensor(tone(1.3))
    log_mel = LogMel()(wave[None], torch.tensor([len(wave)]))
    for number, expected in enumerate(original_states(source, log_mel)):
        found = WhisperFrontEnd(source, states=number)(wave[None])
        # The real model's file has its positions in half precision; ours are computed.
        torch.testing.assert_close(found, expected, atol=1e-2 * float(expected.std()), rtol=0)


def test_half_a_minute_is_what_the_original_makes_of_it(source):
    wave = torch.as_tensor(tone(30.0))[:SAMPLES]
    extractor = transformers.WhisperFeatureExtractor()
    log_mel = extractor(wave.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    model = transformers.WhisperModel.from_pretrained(source).eval().float().encoder
    with torch.no_grad():
        expected = model(log_mel, output_hidden_states=True).hidden_states[1:3]
    found = WhisperFrontEnd(source, states="1-2")(wave[None])
    torch.testing.assert_close(found, torch.cat(expected, dim=2), atol=5e-3, rtol=0)


@pytest.mark.parametrize(
    "options", [{}, {"pool": 3}, {"merge": 2, "pool": 2}, {"mix": "mean", "states": "1,3", "level": True}]
)
def test_alone_and_padded_is_the_same_whatever_the_padding_holds(whisper, options):
    encoder = WhisperFrontEnd(str(whisper), **{"states": "0-2", **options})
    items, batch = waves()
    lengths = torch.tensor(COUNTS) / COUNTS[0]
    frames, counts = encoder(batch, lengths), encoder.frame_counts(lengths, batch.shape[1])
    assert frames.shape == (4, int(counts.max()), encoder.bins)
    assert torch.equal(frames.count_frames(lengths), counts)
    for row, count, item in zip(frames, counts, items, strict=True):
        alone = encoder(item[None])[0]
        assert len(alone) == count
        torch.testing.assert_close(row[:count], alone, atol=1e-5, rtol=1e-5)
        assert not row[count:].any()


def test_pooled_frames_are_means_of_the_frames_that_there_are(whisper):
    wave = torch.as_tensor(tone(0.5))[None]
    frames = WhisperFrontEnd(str(whisper), states=2)(wave)[0]
    pooled = WhisperFrontEnd(str(whisper), states=2, pool=8)(wave)[0]
    expected = [part.mean(0) for part in frames.split(8)]
    torch.testing.assert_close(pooled, torch.stack(expected), atol=1e-6, rtol=1e-5)


def test_the_mean_of_states_is_their_mean(whisper):
    wave = torch.as_tensor(tone(0.5))[None]
    stacked = WhisperFrontEnd(str(whisper), states="1-3")(wave)
    mean = WhisperFrontEnd(str(whisper), states="1-3", mix="mean")(wave)
    torch.testing.assert_close(mean, stacked.unflatten(2, (3, 16)).mean(2))


@pytest.mark.parametrize("options", [{}, {"pool": 7, "merge": 2}])
def test_what_is_longer_than_half_a_minute_is_encoded_in_equal_windows(options):
    encoder = WhisperEncoder("1", width=4, heads=1, hidden_size=4, **options)
    wave = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 2 * SAMPLES + 12345)).float()
    batch, lengths = torch.stack([wave, wave]), torch.tensor([1.0, 0.2])
    with torch.no_grad():
        frames = encoder(batch, lengths)
        counts = encoder.frame_counts(lengths, len(wave))
        assert frames.shape[1] == counts[0]
        short = encoder(wave[None, : round(0.2 * len(wave))])[0]
        torch.testing.assert_close(frames[1, : counts[1]], short, atol=1e-5, rtol=1e-5)
        size = 320 * encoder.pool * encoder.merge
        first = encoder(wave[None, : size * math.ceil(math.ceil(len(wave) / size) / 3)])[0]  # of three windows
        torch.testing.assert_close(frames[0, : len(first) - 1], first[:-1], atol=1e-5, rtol=1e-5)


def test_with_level_a_gain_makes_no_difference(whisper):
    wave = torch.as_tensor(tone(0.5))[None]
    encoder = WhisperFrontEnd(str(whisper), states="1-3", level=True)
    torch.testing.assert_close(encoder(0.03 * wave), encoder(wave), atol=1e-4, rtol=1e-4)
    plain = WhisperFrontEnd(str(whisper), states="1-3")
    assert not torch.allclose(plain(0.03 * wave), plain(wave), atol=1e-2)


def test_only_the_layers_in_use_are_kept(whisper):
    names = {name.split(".")[1] for name in WhisperFrontEnd(str(whisper), states="1").state_dict() if "layers" in name}
    assert names == {"0"}
    assert WhisperFrontEnd(str(whisper), states="0").norm is None
    assert WhisperFrontEnd(str(whisper), states="3").norm is not None


def test_both_layouts_of_the_hub_are_read(whisper, tmp_path):
    expected = read_whisper(str(whisper), 2)[0]
    for number, prefix in enumerate(["", "model.encoder."]):
        folder = shutil.copytree(whisper, tmp_path / str(number))
        tensors = load_file(folder / "model.safetensors")
        encoder = {name: value for name, value in tensors.items() if name.startswith("encoder.")}
        renamed = {prefix + name.removeprefix("encoder."): value for name, value in encoder.items()}
        save_file(renamed, folder / "model.safetensors")
        found = read_whisper(str(folder), 2)[0]
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_model_is_known_by_its_weights(source):
    encoder = WhisperFrontEnd(source, states="1")
    assert encoder.pretrained == ("openai/whisper-base" if source == os.environ.get("WHISPER") else Path(source).name)
    assert encoder.sha256 in encoder.settings
    assert source not in encoder.settings


def test_it_is_fetched_once_from_the_hub(whisper, tmp_path, monkeypatch):
    fetched = []

    def download(repository, commit, names, folder):
        fetched.append((repository, commit))
        for name in names:
            shutil.copy(whisper / name, folder / name)

    listing = {path.name: hub.Listed(path.stat().st_size) for path in whisper.iterdir()}
    monkeypatch.setattr(hub, "_listing", lambda repository, commit: listing)
    monkeypatch.setattr(hub, "_download", download)
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    source = f"hf:someone/whisper@{40 * 'a'}"
    encoders = [WhisperFrontEnd(source, states="1"), WhisperFrontEnd(source, states="1")]
    assert fetched == [("someone/whisper", 40 * "a")]
    assert encoders[0].pretrained == "someone/whisper"
    assert encoders[0].settings == WhisperFrontEnd(str(whisper), states="1").settings


def changed(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def without_a_layer(folder):
    tensors = load_file(folder / "model.safetensors")
    save_file({name: value for name, value in tensors.items() if ".fc1." not in name}, folder / "model.safetensors")


def not_finite(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.conv1.bias"][0] = float("nan")
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: changed(folder, model_type="wav2vec2"), "another kind of model"),
        (lambda folder: changed(folder, d_model=32), "a first convolution of shape"),
        (lambda folder: changed(folder, encoder_ffn_dim=64), "size mismatch"),
        (lambda folder: changed(folder, encoder_layers=1), "1 layers, not 2"),
        (lambda folder: (folder / "config.json").write_text("{"), "JSONDecodeError"),
        (lambda folder: (folder / "config.json").unlink(), "FileNotFoundError"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "expected: config.json and"),
        (without_a_layer, "expected: config.json and model.safetensors of a Whisper model"),
        (not_finite, "not finite"),
    ],
)
def test_a_folder_that_is_no_whisper_model_is_one_clear_error(whisper, tmp_path, damage, message):
    folder = shutil.copytree(whisper, tmp_path / "whisper")
    damage(folder)
    with pytest.raises(SerError, match=message):
        WhisperFrontEnd(str(folder), states="1-2")


def test_no_folder_and_no_network_say_both_ways(tmp_path, monkeypatch):
    with pytest.raises(MissingPathError, match=r"got: no folder .* or hf:OWNER/NAME@COMMIT"):
        WhisperFrontEnd(str(tmp_path / "nowhere"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))

    def unreachable(repository, commit):
        raise OSError("no route to host")

    monkeypatch.setattr(hub, "_listing", unreachable)
    with pytest.raises(SerError, match=r"no route to host.* without a network, copy the folder here and give its path"):
        WhisperFrontEnd(f"hf:openai/whisper-base@{40 * 'a'}")


@pytest.mark.parametrize("states", ["4", "0-9", "2-1", "1,1", "", "one", "1-", "3,1"])
def test_states_that_there_are_not_are_refused(whisper, states):
    with pytest.raises(SerError, match=r"states|layers"):
        WhisperFrontEnd(str(whisper), states=states)


def test_recordings_shorter_than_a_window_are_refused():
    with pytest.raises(SerError, match="a waveform of 399 samples"):
        WhisperEncoder("0", width=4, heads=1)(torch.zeros(2, 800), torch.tensor([1.0, 399 / 800]))


def test_upper_layers_or_adapters_alone_are_trained(whisper, tmp_path):
    wave = torch.as_tensor(tone(0.5))[None]
    before = WhisperFrontEnd(str(whisper), states="2")(wave)
    for options, kept in (({"trained_from": 2}, 12), ({"trained_from": 1, "lora_rank": 2}, 8)):
        encoder = WhisperFrontEnd(str(whisper), states="2", **options)
        names = [name for name, value in encoder.named_parameters() if value.requires_grad]
        assert len(names) == kept
        assert all(name.startswith("layers.1") or options["trained_from"] == 1 for name in names)
        torch.testing.assert_close(encoder(wave), before)
        encoder(wave).square().sum().backward()
        torch.optim.SGD([value for value in encoder.parameters() if value.requires_grad], lr=0.01).step()
        trained = encoder(wave)
        assert not torch.allclose(trained, before)
        encoder.save(tmp_path / "front_end.ckpt")
        again = WhisperFrontEnd(str(whisper), states="2", **options)
        again.load(tmp_path / "front_end.ckpt", end_of_epoch=True)
        torch.testing.assert_close(again(wave), trained)
    with pytest.raises(SerError, match=r"\d+ trained tensors"):
        WhisperFrontEnd(str(whisper), states="2").load(tmp_path / "front_end.ckpt", end_of_epoch=True)
