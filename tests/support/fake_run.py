"""A run folder as training leaves it, with tiny random models instead of trained ones."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch
from hyperpyyaml import load_hyperpyyaml, resolve_references
from run_format import fold_record
from safetensors.torch import save_file

from ser_plugins.classifier import ClassifierHead, UtteranceEncoder
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
from ser_plugins.whisper import WhisperEncoder

CLASSES = ["anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"]
MODULES = ("compute_features", "mean_var_norm", "embedding_model", "classifier")
FOLDS = ("spk03", "spk08", "spk09")
RECIPE = Path(__file__).parents[2] / "recipes/EmoDB/hparams/bigru_mha.yaml"


def random_modules(seed=0, front_end="fast", heads=2):
    """Tiny modules with random weights and statistics; the caller's random state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = UtteranceEncoder(front_end=front_end, hidden_size=8, heads=heads)
        modules = {
            "compute_features": LogPowerSpectrogram(),
            "mean_var_norm": ZNorm().fit([(torch.randn(2, 50, 400) * 3 - 8, None)]),
            "embedding_model": encoder,
            "classifier": ClassifierHead(encoder.output_size, classes=7),
        }
        # Weights as they begin give every class 1/7; larger ones make the classes, hence mistakes, visible.
        for name in ("embedding_model", "classifier"):
            for value in modules[name].parameters():
                value.data.mul_(3)
    return torch.nn.ModuleDict(modules).eval()


def mel_modules():
    """As :func:`random_modules`, on mel bands, with what bigru_mha_mel_mean has, the bundled model `small`."""
    found = random_modules()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found["compute_features"] = LogPowerSpectrogram(n_fft=1024, max_frequency=8000.0, mel_bands=40)
        found["mean_var_norm"] = ZNorm(40, "utterance_mean").fit([(torch.randn(2, 50, 40) * 3 - 8, None)])
        encoder = {"front_end": "mel", "deltas": True, "layer_norm": True, "pooling": "weighted"}
        found["embedding_model"] = UtteranceEncoder(bins=40, hidden_size=8, heads=2, layers=1, **encoder)
        found["classifier"] = ClassifierHead(found["embedding_model"].output_size, classes=7, input_dropout=0.3)
        for value in found["classifier"].parameters():
            value.data.mul_(3)
    return found.eval()


def write_fold(run, fold, seed=1234, front_end="fast", train=486, n=14, **protocol):
    """Write ``seed_<n>/<fold>`` below ``run``; returns its folder."""
    folder = run / f"seed_{seed}" / fold
    checkpoint = folder / "save" / "CKPT+2026-01-01+00-00-00+00"
    checkpoint.mkdir(parents=True)
    modules = random_modules(int(fold[-2:]) + seed, front_end)
    for name in ("mean_var_norm", "embedding_model", "classifier"):
        torch.save(modules[name].state_dict(), checkpoint / f"{name}.ckpt")
    overrides = {
        "seed": seed, "fold": fold, "data_folder": str(run / "data"), "results_folder": str(run),
        "front_end": front_end, "hidden_size": 8, "heads": 2,
    }  # fmt: skip
    with open(RECIPE, encoding="utf-8") as stream:
        (folder / "hyperparams.yaml").write_text(resolve_references(stream, overrides).getvalue(), encoding="utf-8")

    generator = np.random.default_rng([seed, int(fold[-2:])])
    true = np.resize(CLASSES, n)
    probabilities = generator.dirichlet(np.ones(7), n)
    predicted = np.array(CLASSES)[probabilities.argmax(axis=1)]
    ids = [f"{fold}_{place:03d}" for place in range(n)]
    table = pd.DataFrame({"id": ids, "fold": fold, "seed": seed, "true": true, "predicted": predicted})
    table[[f"p_{name}" for name in CLASSES]] = probabilities
    table.to_csv(folder / "predictions.csv", index=False)
    results = fold_record(
        fold,
        seed,
        ids,
        true.tolist(),
        predicted.tolist(),
        CLASSES,
        FOLDS,
        protocol=protocol,
        counts={"train": train, "valid": 0, "test": n},
        checkpoint=checkpoint.relative_to(folder).as_posix(),
        parameters=sum(value.numel() for value in modules.parameters()),
    )
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def write_whisper(folder, layers=3, width=16):
    """A folder with a tiny random Whisper encoder, as the hub has them; returns it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = WhisperEncoder(f"0-{layers}", width=width, heads=2, hidden_size=2 * width, last=layers)
        weights = {name: torch.randn(value.shape) * 0.15 for name, value in encoder.state_dict().items()}
    names = {
        "convolution_": "conv", "attention_norm": "self_attn_layer_norm", "attention_output": "self_attn.out_proj",
        "dense_norm": "final_layer_norm", "dense_output": "fc2", "dense": "fc1",
    }  # fmt: skip
    tensors = {"encoder.embed_positions.weight": encoder.positions}
    for name, value in weights.items():
        if "queries_keys_values" in name:
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                kind = name.rpartition(".")[2]
                if (letter, kind) != ("k", "bias"):
                    tensors[f"encoder.layers.{name.split('.')[1]}.self_attn.{letter}_proj.{kind}"] = part.clone()
            continue
        for own, other in names.items():
            name = name.replace(f"{own}.", f"{other}.") if own[-1] != "_" else name.replace(own, other)
        tensors[f"encoder.{'layer_norm' + name.removeprefix('norm') if name.startswith('norm') else name}"] = value
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    config = {
        "model_type": "whisper", "activation_function": "gelu", "scale_embedding": False, "d_model": width,
        "encoder_attention_heads": 2, "encoder_ffn_dim": 2 * width, "num_mel_bins": 80, "encoder_layers": layers,
        "_name_or_path": "someone/whisper-tiny",
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder


WHISPER_YAML = """
compute_features: !new:ser_plugins.pretrained.WhisperFrontEnd
    source: {source}
{options}
mean_var_norm: !new:ser_plugins.spectrogram.ZNorm
    bins: !ref <compute_features.bins>

embedding_model: !new:ser_plugins.classifier.UtteranceEncoder
    bins: !ref <compute_features.bins>
    front_end: states
    states: {states}
    states_size: 8
    states_dropout: 0.2
    hidden_size: 8
    heads: 2

classifier: !new:ser_plugins.classifier.ClassifierHead
    input_size: !ref <embedding_model.output_size>
    classes: 7
"""


def write_whisper_fold(run, source, fold="spk03", seed=1234, **options):
    """As :func:`write_fold`, before it the encoder in the folder ``source``; its folder, and the modules."""
    folder = write_fold(run, fold, seed)
    options = {"states": "1-2", "pool": 4, **options}
    lines = "".join(f"    {key}: {value}\n" for key, value in options.items())
    yaml = WHISPER_YAML.format(source=source, options=lines, states=1 if options.get("mix") == "mean" else 2)
    (folder / "hyperparams.yaml").write_text(resolve_references(yaml).getvalue(), encoding="utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + int(fold[-2:]))
        found = load_hyperpyyaml(yaml)
        modules = torch.nn.ModuleDict({name: found[name] for name in MODULES}).eval()
        modules["mean_var_norm"].fit([(modules["compute_features"](torch.as_tensor(tone(2.0))[None]), None)])
        for name in ("embedding_model", "classifier"):
            for value in modules[name].parameters():
                value.data.mul_(3)
    for name in MODULES[1:]:
        torch.save(modules[name].state_dict(), next(folder.glob("save/*")) / f"{name}.ckpt")
    modules["compute_features"].save(next(folder.glob("save/*")) / "compute_features.ckpt")
    return folder, modules


def write_run(run, folds=FOLDS, **options):
    """Write every fold; returns the run folder."""
    for fold in folds:
        write_fold(run, fold, **options)
    return run


@lru_cache(maxsize=64)
def _tone(samples, rate, pitch):
    """As :func:`tone`, (samples,)."""
    time = np.arange(samples) / rate
    phase = 2 * np.pi * pitch * np.cumsum(2 ** (np.sin(2 * np.pi * 3 * time) / 6)) / rate
    vowel = (1 + np.sin(2 * np.pi * 2 * time)) / 2
    wave = sum(np.sin(phase * k) / k * (vowel if k % 2 else 1.2 - vowel) for k in range(1, 12)) * 0.1
    wave *= 0.3 + 0.7 * np.abs(np.sin(2 * np.pi * 2.5 * time))
    return (wave + np.random.default_rng(0).normal(0, 0.005, samples)).astype(np.float32)


def tone(seconds=0.6, rate=16000, pitch=180.0, channels=1):
    """A harmonic sound that passes for a voice, with a little noise: (samples,) or (samples, channels), float32.

    Its pitch goes up and down by two semitones, its level comes in syllables, and its vowel changes.
    """
    wave = _tone(round(seconds * rate), rate, pitch)
    return wave.copy() if channels == 1 else np.stack([wave] * channels, axis=1)


def write_wav(path, wave=None, rate=16000, subtype="PCM_16"):
    """Write a wav; returns its path."""
    soundfile.write(path, tone() if wave is None else wave, rate, subtype=subtype)
    return path


def resealed(model):
    """``model.json`` with the hashes of what is there: whoever changes a file may change them too."""
    path = model / "model.json"
    card = json.loads(path.read_text())
    card["files"] = {name: hashlib.sha256((model / name).read_bytes()).hexdigest() for name in card["files"]}
    path.write_text(json.dumps(card))
    return model


def change(path, old, new):
    """Replace a text in a file that has it."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
