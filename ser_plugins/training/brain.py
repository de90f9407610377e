"""SpeechBrain's Brain for emotion and sentiment: forward, loss, one checkpoint and one line of history per epoch."""

import json
import logging
import time

import torch
from speechbrain import Stage
from speechbrain.utils.checkpoints import mark_as_loader, mark_as_saver, register_checkpoint_hooks

from ser_plugins.errors import SerError
from ser_plugins.losses import utterance_outputs
from ser_plugins.subwords import pieces_of
from ser_plugins.training.asynchronous import AsynchronousBrain
from ser_plugins.training.data import label_items


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

    Where there is a module ``subwords``, ``embedding_model`` takes the pieces of the transcripts beside the frames.

    Beside the usual hparams it reads ``loss``, ``select``, ``epoch_counter``, ``train_logger`` and ``tasks``, which
    :func:`ser_plugins.evaluation.metrics.tasks.tasks_of` gives by target; where the YAML has them, also
    ``lr_schedule`` (share done -> learning rate), ``front_end_lr_share`` (learning rate of a trained front end, as a
    share of the others') and a module ``augmentation``. A classifier of several heads gives a dictionary of outputs by
    target, and then the loss takes one of outputs and one of targets.

    Attributes
    ----------
    predictions : dict
        target -> id -> ``{"true": ..., "predicted": ...}``, of the validation or test set that was gone through last.
    history : History
        One row per finished epoch.
    """

    def compute_forward(self, batch, stage):
        """Log-probabilities (batch, classes) or numbers (batch,); with several heads a dictionary of those."""
        batch = batch.to(self.device, non_blocking=True)
        if hasattr(batch, "frames"):
            frames, lengths = batch.frames
            counts = torch.round(lengths * frames.shape[1]).long()
        else:
            waves, lengths = batch.wave
            frames = self.modules.compute_features(waves, lengths)
            front_end = self.modules.compute_features
            front_end = getattr(front_end, "module", front_end)  # DistributedDataParallel wraps one that is trained
            counts = front_end.frame_counts(lengths, waves.shape[1])
        if "augmentation" in self.modules:  # does nothing in evaluation
            frames, counts = self.modules.augmentation(frames, counts)
        frames = self.modules.mean_var_norm(frames, counts)
        pieces = pieces_of(self.modules, getattr(batch, "transcript", ()))
        outputs = self.modules.classifier(self.modules.embedding_model(frames, counts, *pieces))
        if isinstance(outputs, dict):
            return {name: utterance_outputs(output).float() for name, output in outputs.items()}
        return utterance_outputs(outputs).float()

    def compute_objectives(self, predictions, batch, stage):
        """Mean loss; every stage but training also keeps its predictions."""
        if hasattr(batch, "shares"):  # of listeners' answers, in training alone
            labels = batch.shares.data.to(self.device, non_blocking=True)
        elif not isinstance(predictions, dict):
            labels = _target(batch.label, self.device)
        else:
            items = label_items(self.hparams.tasks)
            labels = {target: _target(getattr(batch, item), self.device) for target, item in items.items()}
        if stage != Stage.TRAIN:
            self.keep(predictions, batch)
        return self.hparams.loss(predictions, labels)

    def keep(self, predictions, batch):
        """Note what predictions.csv says of every item of a batch."""
        for target, item in label_items(self.hparams.tasks).items():
            outputs = predictions[target] if isinstance(predictions, dict) else predictions
            rows = zip(batch.id, getattr(batch, item).tolist(), outputs.tolist())  # noqa: B905 (equal by collation)
            self.predictions[target].update((key, self.hparams.tasks[target].row(*row)) for key, *row in rows)

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.history = History()
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("history", self.history)

    def init_optimizers(self):
        """As SpeechBrain does; where the YAML has ``front_end_lr_share``, the front end is a group of its own.

        Raises
        ------
        SerError
            A share that is not above 0.
        """
        super().init_optimizers()
        share = getattr(self.hparams, "front_end_lr_share", 1)
        if share == 1:
            return
        if share <= 0:
            raise SerError(
                got=f"front_end_lr_share {share}", expected="a number above 0", remedy="correct the YAML key"
            )
        of_front_end = set(map(id, self.modules["compute_features"].parameters()))
        for group in list(self.optimizer.param_groups):
            mine = [value for value in group["params"] if id(value) in of_front_end]
            group["params"] = [value for value in group["params"] if id(value) not in of_front_end]
            self.optimizer.add_param_group({**group, "params": mine, "lr": share * group["lr"], "lr_share": share})

    def on_fit_start(self):
        """Resume as SpeechBrain does, then start the clock."""
        super().on_fit_start()
        self.epoch_started = time.monotonic()

    def on_fit_batch_start(self, batch, should_step):
        """Follow the learning rate schedule, where the YAML has one."""
        if schedule := getattr(self.hparams, "lr_schedule", None):
            epochs = self.hparams.epoch_counter
            steps = len(self.train_sampler)
            done = (epochs.current - 1 + (self.step - 1) / steps) / epochs.limit
            for group in self.optimizer.param_groups:
                group["lr"] = schedule(done) * group.get("lr_share", 1)

    def on_stage_start(self, stage, epoch=None):
        """Forget the predictions of the stage before."""
        self.predictions = {target: {} for target in self.hparams.tasks}

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Note the stage in the history; the last stage of an epoch ends it."""
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == Stage.TRAIN:
            lr = self.optimizer.param_groups[0]["lr"]
            self.history.rows.append({"epoch": epoch, "lr": lr, "train_loss": float(stage_loss)})
            # SpeechBrain forgets these two only after this call, and they must not enter the checkpoint.
            self.step, self.avg_train_loss = 0, 0.0
        elif stage == Stage.VALID:
            score = self.task.select
            self.history.rows[-1].update({"valid_loss": float(stage_loss), f"valid_{score}": self.metrics()[score]})
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
            best = {} if self.hparams.select == "last" else {f"{self.task.best}_keys": [f"valid_{self.task.select}"]}
            self.checkpointer.save_and_keep_only(meta=dict(row), verbosity=logging.DEBUG, **best)

    @property
    def task(self):
        """The task of the corpus' own target, which chooses the epoch."""
        return next(iter(self.hparams.tasks.values()))

    def metrics(self, target=None):
        """Scores of the predictions at hand: of the corpus' own target, or of an auxiliary one."""
        target = target or next(iter(self.hparams.tasks))
        rows = self.predictions[target].values()
        return self.hparams.tasks[target].metrics([row["true"] for row in rows], [row["predicted"] for row in rows])


def _target(label, device):
    """Indices as they are, numbers in single precision (Python's come in double)."""
    return label.to(device, torch.float if label.is_floating_point() else label.dtype, non_blocking=True)
