"""The synthetic EmoDB with numbers beside the emotions: what a corpus of sentiment gives to training."""

import functools
import json
from pathlib import Path

from conftest import ROOT, train
from emodb_prepare import prepare_emodb

YAML_FILE = ROOT / "recipes" / "EmoDB" / "hparams" / "bigru_mha.yaml"
NUMBERS = {  # about the arousal of each emotion, on the scale of MOSI
    "anger": 2.4, "boredom": -1.6, "disgust": -0.4, "fear": 1.0, "happiness": 1.6, "sadness": -2.2, "neutral": 0.0,
}  # fmt: skip
HEAD = """classifier: !new:ser_plugins.classifier.ClassifierHead
    input_size: !ref <embedding_model.output_size>
    classes: !ref <n_classes>
    dropout: !ref <dropout>
"""
LOSS = "loss: !new:ser_plugins.losses.CrossEntropy\n"
REGRESSION = {
    "n_classes: 7\n": "",
    HEAD: """classifier: !new:ser_plugins.classifier.RegressionHead
    input_size: !ref <embedding_model.output_size>
    dropout: !ref <dropout>
""",
    LOSS: "loss: !new:torch.nn.L1Loss\n",
}
MULTI_TASK = {
    HEAD: """auxiliary:
    valence: mosi
classifier: !new:ser_plugins.classifier.MultiTaskHead
    heads:
        emotion: !new:ser_plugins.classifier.ClassifierHead
            input_size: !ref <embedding_model.output_size>
            classes: !ref <n_classes>
            dropout: !ref <dropout>
        valence: !new:ser_plugins.classifier.RegressionHead
            input_size: !ref <embedding_model.output_size>
            dropout: !ref <dropout>
""",
    LOSS: """loss: !new:ser_plugins.losses.MultiTask
    losses:
        emotion: !new:ser_plugins.losses.CrossEntropy
        valence: !new:torch.nn.L1Loss
    weights:
        valence: 0.5
""",
}


def write_yaml(path, changes) -> Path:
    """EmoDB's YAML with some of its lines changed: all that sentiment needs."""
    text = YAML_FILE.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def preparing(change_entry, **said):
    """EmoDB's prepare function, its manifests and what it says changed afterwards."""

    @functools.wraps(prepare_emodb)
    def prepare(**options):
        protocol = prepare_emodb(**options)
        for path in Path(options["save_folder"]).glob("*/*.json"):
            entries = json.loads(path.read_text())
            path.write_text(json.dumps({key: change_entry(key, entry) for key, entry in entries.items()}))
        return {**protocol, **said}

    return prepare


def sentiment(key, entry):
    return {**entry, "sentiment": NUMBERS[entry["emotion"]]}


def valence_of_some(key, entry):
    """Every second sentence is rated."""
    return {**entry, "valence": NUMBERS[entry["emotion"]] if entry["sentence"] == "a01" else None}


prepare_sentiment = preparing(
    sentiment,
    corpus="Toy sentiment (synthetic)", task="regression", classes=[], target="sentiment", scale="mosi",
    unit_field="speaker", partial=True, statements=["partial copy: three speakers of ten"],
)  # fmt: skip
prepare_multi_task = preparing(valence_of_some)


def train_sentiment(corpus, folder, *options, changes=REGRESSION, prepare=prepare_sentiment, **others):
    """Train in this process; returns the run folder."""
    folder.mkdir(exist_ok=True)
    train(corpus, folder, *options, prepare=prepare, yaml_file=str(write_yaml(folder / "toy.yaml", changes)), **others)
    return folder / "bigru_mha" / "loso"
