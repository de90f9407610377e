"""The models that are compared, all with random weights: ours, SpeechBrain's ECAPA-TDNN, wav2vec2-base.

ECAPA-TDNN has the sizes of SpeechBrain's emotion recipe (IEMOCAP) with its Fbank and sentence normalisation;
wav2vec2-base is torchaudio's, with a mean over time and a linear layer on top.
"""

from pathlib import Path
from typing import Any, NamedTuple

OURS, FAITHFUL = "ours, bigru_mha", "ours, bigru_mha_xu2024"
ECAPA, WAV2VEC2 = "SpeechBrain ECAPA-TDNN", "wav2vec2-base"
SYSTEMS = (OURS, FAITHFUL, ECAPA, WAV2VEC2)
CLASSES = 7
FRONT_ENDS = {OURS: "fast", FAITHFUL: "xu2024"}


class System(NamedTuple):
    """A model ready to use: its modules, and functions of waves (batch, samples) and of a path."""

    modules: Any
    of_waves: Any
    of_file: Any


def build(name: str) -> System:
    """Make one of ``SYSTEMS`` with random weights, in evaluation mode."""
    import torch

    from ser_plugins.sound.read import read_wave

    torch.manual_seed(0)
    if name in FRONT_ENDS:
        from ser_plugins.inference import EmotionClassifier

        model = EmotionClassifier(our_modules(FRONT_ENDS[name]), [f"class {index}" for index in range(CLASSES)])
        return System(model.modules, lambda waves: model.classify_batch(waves).probabilities, model.classify_file)
    modules, forward = (ecapa if name == ECAPA else wav2vec2)()
    modules.eval().requires_grad_(False)

    def of_waves(waves):
        with torch.inference_mode():
            return forward(waves)

    return System(modules, of_waves, lambda path: of_waves(torch.from_numpy(read_wave(path)[0])[None]))


def our_modules(front_end: str):
    """The modules of ``recipes/EmoDB/hparams/bigru_mha.yaml``, whose values are the defaults of the classes."""
    import torch

    from ser_plugins.classifier import ClassifierHead, UtteranceEncoder
    from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm

    encoder = UtteranceEncoder(front_end=front_end)
    return torch.nn.ModuleDict(
        {
            "compute_features": LogPowerSpectrogram(),
            "mean_var_norm": ZNorm().fit([(torch.randn(1, 100, 400) * 3 - 8, None)]),
            "embedding_model": encoder,
            "classifier": ClassifierHead(encoder.output_size, classes=CLASSES),
        }
    )


def ecapa():
    """Modules and forward pass of SpeechBrain's ``recipes/IEMOCAP/emotion_recognition/hparams/train.yaml``."""
    import torch
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier
    from speechbrain.processing.features import InputNormalization

    features, norm = Fbank(n_mels=80), InputNormalization(norm_type="sentence", std_norm=False)
    encoder = ECAPA_TDNN(80, lin_neurons=96, channels=[512, 512, 512, 512, 1536], attention_channels=64)
    classifier = Classifier(96, out_neurons=CLASSES)

    def forward(waves):
        lengths = torch.ones(len(waves), device=waves.device)
        scores = classifier(encoder(norm(features(waves), lengths), lengths))  # (batch, 1, classes)
        return scores.squeeze(1).softmax(-1)

    return torch.nn.ModuleList([features, norm, encoder, classifier]), forward


def wav2vec2():
    """Modules and forward pass of wav2vec2-base, mean over time, linear."""
    import torch
    import torchaudio

    encoder, classifier = torchaudio.models.wav2vec2_base(), torch.nn.Linear(768, CLASSES)
    return torch.nn.ModuleList([encoder, classifier]), lambda waves: classifier(encoder(waves)[0].mean(1)).softmax(-1)


def write_model(folder) -> Path:
    """Write a folder that ``EmotionClassifier.from_hparams`` loads: bigru_mha with random weights."""
    from ser_plugins.files import sha256_of, write_json, write_text
    from ser_plugins.inference.description import Description, write_description
    from ser_plugins.inference.labels import write_labels
    from ser_plugins.inference.model_card import ModelCard
    from ser_plugins.inference.weights import as_safetensors

    modules = our_modules("fast")
    arguments = {"classifier": {"input_size": "256", "classes": str(CLASSES)}}
    description = Description({name: (type(each), arguments.get(name, {})) for name, each in modules.items()})
    write_text(folder / "hyperparams.yaml", write_description(description))
    for name in description.with_weights:
        (folder / f"{name}.safetensors").write_bytes(as_safetensors(modules[name].state_dict()))
    classes = tuple(f"class {index}" for index in range(CLASSES))
    write_text(folder / "label_encoder.ckpt", write_labels(classes))
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    write_json(folder / "model.json", ModelCard.unmeasured("bigru_mha", "none", classes, files=files).to_json())
    return folder
