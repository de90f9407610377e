"""One fold of EmoDB in plain SpeechBrain: the steps that train.py has from ser_plugins, in the open, for reading.

> cd recipes/EmoDB
> python train_explicit.py hparams/bigru_mha.yaml --data_folder /path/to/emodb --fold spk03
"""

import sys
from pathlib import Path

import speechbrain as sb
from emodb_prepare import prepare_emodb
from hyperpyyaml import load_hyperpyyaml
from speechbrain.dataio.dataloader import make_dataloader
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.dataio.encoder import CategoricalEncoder
from speechbrain.nnet.losses import classification_error
from speechbrain.utils.metric_stats import MetricStats
from torch import from_numpy

from ser_plugins.corpora.audit import audit
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.sound.read import read_wave


class EmotionBrain(sb.Brain):
    """Waveform -> frames -> z-norm -> embedding -> log-probabilities, tested with the last epoch."""

    def compute_forward(self, batch, stage):
        """Log-probabilities (batch, 1, classes)."""
        waves, lengths = batch.to(self.device).sig  # (batch, samples), (batch,)
        frames = self.modules.compute_features(waves, lengths)  # (batch, time, bins)
        frames = self.modules.mean_var_norm(frames, lengths)
        embedding = self.modules.embedding_model(frames, lengths)  # (batch, 1, embedding)
        return self.modules.classifier(embedding)

    def compute_objectives(self, log_probabilities, batch, stage):
        """Mean loss of a batch."""
        labels = batch.label.data  # (batch, 1)
        if stage == sb.Stage.TEST:
            self.errors.append(batch.id, log_probabilities, labels, reduction="batch")
        return self.hparams.loss(log_probabilities, labels)

    def on_stage_start(self, stage, epoch=None):
        """Count errors anew."""
        self.errors = MetricStats(metric=classification_error)

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """One line in train_log.txt; after an epoch also a checkpoint, the last of which is kept."""
        if stage == sb.Stage.TRAIN:
            self.hparams.train_logger.log_stats({"epoch": epoch}, train_stats={"loss": stage_loss})
            self.step, self.avg_train_loss = 0, 0.0  # SpeechBrain's own counts, which a checkpoint keeps
            self.checkpointer.save_and_keep_only(meta={"epoch": epoch})
        else:
            scores = {"loss": stage_loss, "error rate": self.errors.summarize("average")}
            self.hparams.train_logger.log_stats({"epoch": self.hparams.epoch_counter.current}, test_stats=scores)


def make_dataset(manifest, data_root, encoder) -> DynamicItemDataset:
    """``id``, ``sig`` (samples,) and ``label`` (1,) of every utterance of a manifest."""
    dataset = DynamicItemDataset.from_json(manifest, replacements={"data_root": data_root})
    dataset.add_dynamic_item(lambda wav: from_numpy(read_wave(wav)[0]), takes="wav", provides="sig")
    dataset.add_dynamic_item(encoder.encode_label_torch, takes="emotion", provides="label")
    dataset.set_output_keys(["id", "sig", "label"])
    return dataset


if __name__ == "__main__":
    hparams_file, run_opts, overrides = sb.parse_arguments(sys.argv[1:])
    overrides += "\nsystem: explicit"  # a folder of its own beside those of train.py
    with open(hparams_file, encoding="utf-8") as stream:
        hparams = load_hyperpyyaml(stream, overrides)
    protocol = prepare_emodb(hparams["data_folder"], hparams["manifest_folder"], hparams["protocol"])
    if hparams["fold"] not in protocol["folds"]:
        raise SystemExit(f"got: --fold {hparams['fold']}; expected: one of {', '.join(protocol['folds'])}")
    sb.create_experiment_directory(hparams["output_folder"], hparams_file, overrides)
    manifests = {part: hparams[f"{part}_annotation"] for part in ("train", "valid", "test")}
    print(audit(*map(read_manifest, manifests.values()), data_root=protocol["data_root"]).line)

    encoder = CategoricalEncoder()
    encoder.update_from_iterable(protocol["classes"])
    encoder.expect_len(hparams["n_classes"])
    encoder.save(Path(hparams["save_folder"]) / "label_encoder.txt")
    train, test = (make_dataset(manifests[part], protocol["data_root"], encoder) for part in ("train", "test"))

    # The z-norm has the statistics of the training set alone.
    features = hparams["compute_features"]
    loader = make_dataloader(train, batch_size=hparams["batch_size"])
    hparams["mean_var_norm"].fit((features(*batch.sig), batch.sig.lengths) for batch in loader)

    brain = EmotionBrain(hparams["modules"], hparams["opt_class"], hparams, run_opts, hparams["checkpointer"])
    loader_options = {"batch_size": hparams["batch_size"], "num_workers": hparams["num_workers"]}
    brain.fit(hparams["epoch_counter"], train, train_loader_kwargs={**loader_options, "shuffle": True})
    brain.evaluate(test, test_loader_kwargs=loader_options)  # the test set is opened once, here
