"""SpeechBrain's Brain for utterance classification: forward, loss, one checkpoint and one line of history per epoch."""

import json
import logging
import time

import torch
from speechbrain import Stage
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks

from ser_plugins.evaluation.metrics import classification_metrics
from ser_plugins.training.asynchronous import AsynchronousBrain


@register_checkpoint_hooks
class History:
    """Rows of the training curves and the seconds spent; part of every checkpoint, so a resumed run has them all."""

    def __init__(self):
        self.rows, self.seconds = [], 0.0

    @mark_as_saver
    def save(self, path):
        """Write rows and seconds as JSON."""
        with open(path, "w", encoding="utf-8") as stream:
            json.dump({"rows": self.rows, "seconds": self.seconds}, stream)

    @mark_as_loader
    def load(self, path, end_of_epoch):
        """Read rows and seconds back."""
        with open(path, encoding="utf-8") as stream:
            saved = json.load(stream)
        self.rows, self.seconds = saved["rows"], saved["seconds"]


class EmotionBrain(AsynchronousBrain):
    """Train and evaluate ``compute_features -> mean_var_norm -> embedding_model -> classifier``.

    Beside the usual hparams it reads ``classes`` (names in index order), ``loss``, ``select``, ``epoch_counter`` and
    ``train_logger``.

    Attributes
    ----------
    predictions : dict
        id -> (true index, list of probabilities), of the validation or test set that was gone through last.
    history : History
        One row per finished epoch.
    """

    def compute_forward(self, batch, stage):
        """Log-probabilities (batch, classes)."""
        batch = batch.to(self.device, non_blocking=True)
        if hasattr(batch, "frames"):
            frames, lengths = batch.frames
            counts = torch.round(lengths * frames.shape[1]).long()
        else:
            waves, lengths = batch.wave
            frames = self.modules.compute_features(waves)
            counts = self.modules.compute_features.frame_counts(lengths, waves.shape[1])
        frames = self.modules.mean_var_norm(frames, counts)
        return self.modules.classifier(self.modules.embedding_model(frames, counts)).squeeze(1)

    def compute_objectives(self, predictions, batch, stage):
        """Mean loss; every stage but training also keeps its probabilities."""
        if stage != Stage.TRAIN:
            probabilities = predictions.float().exp().tolist()
            for key, true, row in zip(batch.id, batch.label.tolist(), probabilities):  # noqa: B905 (equal by collation)
                self.predictions[key] = (true, row)
        return self.hparams.loss(predictions.float(), batch.label.to(self.device, non_blocking=True))

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.history = History()
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("history", self.history)

    def on_fit_start(self):
        """Resume as SpeechBrain does, then start the clock."""
        super().on_fit_start()
        self.epoch_started = time.monotonic()

    def on_stage_start(self, stage, epoch=None):
        """Forget the predictions of the stage before."""
        self.predictions = {}

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Note the stage in the history; the last stage of an epoch ends it."""
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == Stage.TRAIN:
            lr = self.optimizer.param_groups[0]["lr"]
            self.history.rows.append({"epoch": epoch, "lr": lr, "train_loss": float(stage_loss)})
            # SpeechBrain forgets these two only after this call, and they must not enter the checkpoint.
            self.step, self.avg_train_loss = 0, 0.0
        elif stage == Stage.VALID:
            self.history.rows[-1].update(valid_loss=float(stage_loss), valid_UAR=self.metrics()["UAR"])
        if stage == (Stage.TRAIN if self.hparams.select == "last" else Stage.VALID):
            self.end_epoch()

    def end_epoch(self):
        """One line in the train log, one checkpoint; of the older ones only the best on validation is kept."""
        row = self.history.rows[-1]
        now = time.monotonic()
        self.history.seconds += now - self.epoch_started
        self.epoch_started = now
        # On every process: SpeechBrain's loggers write on the main one, and all of them meet there.
        self.hparams.train_logger.log_stats(
            stats_meta={"epoch": row["epoch"], "lr": row["lr"]},
            train_stats={"loss": row["train_loss"]},
            valid_stats={key[6:]: value for key, value in row.items() if key.startswith("valid_")} or None,
        )
        if self.checkpointer is not None:
            best = {} if self.hparams.select == "last" else {"max_keys": ["valid_UAR"]}
            self.checkpointer.save_and_keep_only(meta=dict(row), verbosity=logging.DEBUG, **best)

    def metrics(self):
        """WA, UAR and the rest of the predictions at hand."""
        classes = self.hparams.classes
        true = [classes[index] for index, _ in self.predictions.values()]
        predicted = [classes[max(range(len(row)), key=row.__getitem__)] for _, row in self.predictions.values()]
        return classification_metrics(true, predicted, classes)
