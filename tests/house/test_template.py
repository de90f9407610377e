"""The document's block in a recipe as SpeechBrain has them: a Brain of its templates, and nothing of ours around it."""

import json
import re

import pytest
import speechbrain as sb
import torch
from conftest import ROOT
from hyperpyyaml import load_hyperpyyaml

from ser_plugins.corpora.toy.emodb import write_toy_emodb
from ser_plugins.errors import SerError

SECTION = (ROOT / "docs" / "own_recipe.md").read_text(encoding="utf-8")
TEMPLATE = """
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>
opt_class: !name:torch.optim.Adam
    lr: 0.001
checkpointer: !new:speechbrain.utils.checkpoints.Checkpointer
    checkpoints_dir: {folder}
    recoverables:
        mean_var_norm: !ref <mean_var_norm>
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
"""


def block(language):
    """The first block of the section in a language."""
    return re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)[1]


class SpkIdBrain(sb.Brain):
    """As in SpeechBrain's template: features, norm, embedding, classifier; the loss of outputs, labels and lengths."""

    def compute_forward(self, batch, stage):
        batch = batch.to(self.device)
        wavs, lens = batch.sig
        feats = self.modules.compute_features(wavs)
        feats = self.modules.mean_var_norm(feats, lens)
        embeddings = self.modules.embedding_model(feats, lens)
        return self.modules.classifier(embeddings)

    def compute_objectives(self, predictions, batch, stage):
        _, lens = batch.sig
        labels, _ = batch.emotion_encoded
        loss = self.hparams.loss(predictions, labels, length=lens)
        torch.testing.assert_close(loss, self.hparams.loss(predictions.squeeze(1), labels.squeeze(1)))
        torch.testing.assert_close(loss, sb.nnet.losses.nll_loss(predictions, labels, lens))
        self.losses.append(loss.item())
        return loss

    def on_stage_start(self, stage, epoch=None):
        if stage == sb.Stage.TRAIN:
            self.losses = []

    def on_stage_end(self, stage, stage_loss, epoch=None):
        if stage == sb.Stage.VALID:
            self.checkpointer.save_and_keep_only(meta={"loss": stage_loss}, min_keys=["loss"])


@pytest.fixture
def recipe(tmp_path):
    """Data sets and hyper-parameters as a template has them."""
    corpus = write_toy_emodb(tmp_path / "emodb", speakers=2, sentences=1, syllables=2)
    wavs = sorted((corpus / "wav").glob("*.wav"))
    annotation = tmp_path / "train.json"
    annotation.write_text(json.dumps({path.stem: {"wav": str(path), "emotion": path.stem[5]} for path in wavs}))
    encoder = sb.dataio.encoder.CategoricalEncoder()

    @sb.utils.data_pipeline.takes("wav")
    @sb.utils.data_pipeline.provides("sig")
    def audio_pipeline(wav):
        return sb.dataio.dataio.read_audio(wav)

    @sb.utils.data_pipeline.takes("emotion")
    @sb.utils.data_pipeline.provides("emotion", "emotion_encoded")
    def label_pipeline(emotion):
        yield emotion
        yield encoder.encode_label_torch(emotion)

    train = sb.dataio.dataset.DynamicItemDataset.from_json(
        str(annotation), dynamic_items=[audio_pipeline, label_pipeline], output_keys=["id", "sig", "emotion_encoded"]
    )
    encoder.update_from_didataset(train, output_key="emotion")
    assert len(encoder) == 7
    hparams = load_hyperpyyaml(block("yaml") + TEMPLATE.format(folder=tmp_path / "save"))
    return hparams, {"train": train}


def brain_of(hparams):
    return SpkIdBrain(
        hparams["modules"],
        hparams["opt_class"],
        hparams,
        {"device": "cpu", "noprogressbar": True},
        hparams["checkpointer"],
    )


def test_the_block_trains_in_a_template_of_speechbrain(recipe):
    hparams, datasets = recipe
    exec(compile(block("py"), "README.md", "exec"), {"sb": sb, "hparams": hparams, "datasets": datasets})
    brain = brain_of(hparams)
    options = {"batch_size": 8, "shuffle": True}
    brain.fit(
        range(1, 3),
        datasets["train"],
        datasets["train"],
        train_loader_kwargs=options,
        valid_loader_kwargs={"batch_size": 8},
    )
    assert all(torch.isfinite(torch.tensor(brain.losses)))
    statistics = hparams["mean_var_norm"].state_dict()
    expected = torch.cat([hparams["compute_features"](item["sig"][None])[0] for item in datasets["train"]])
    torch.testing.assert_close(statistics["mean"], expected.mean(0), atol=1e-3, rtol=1e-3)
    fresh = type(hparams["mean_var_norm"])(400)
    fresh.load_state_dict(
        torch.load(next(hparams["checkpointer"].list_checkpoints()[0].path.glob("mean*")), weights_only=True)
    )
    assert fresh.fitted


def test_without_statistics_it_says_what_is_missing(recipe):
    hparams, datasets = recipe
    with pytest.raises(SerError, match=r"call ZNorm\.fit before training"):
        brain_of(hparams).fit(range(1, 2), datasets["train"], train_loader_kwargs={"batch_size": 8})
