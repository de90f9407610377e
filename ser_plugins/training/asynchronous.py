"""SpeechBrain's Brain, whose host never waits for a GPU within an epoch: losses stay on the device until it is over.

Several folds share a card best when each of them keeps it supplied. SpeechBrain reads every loss three times per step;
here a step only enqueues work. On a CPU nothing differs.
"""

import speechbrain as sb
import torch


class Unread:
    """A number on the device; reading it waits. ``shown``: whether SpeechBrain's progress bar may read it."""

    def __init__(self, value, shown):
        self.value = value
        self.shown = shown

    def __float__(self):
        return float(self.value)

    def __str__(self):
        return f"{float(self):.4g}" if self.shown else ""


class AsynchronousBrain(sb.Brain):
    """``sb.Brain`` without host synchronisation within a training epoch on a GPU (float16's scaler still waits)."""

    @property
    def waits(self):
        """Whether to do as SpeechBrain does."""
        return torch.device(self.device).type == "cpu"

    def fit_batch(self, batch):
        """As in SpeechBrain, but the loss stays where it is."""
        if self.waits:
            return super().fit_batch(batch)
        should_step = self.step % self.grad_accumulation_factor == 0
        self.on_fit_batch_start(batch, should_step)
        with self.no_sync(not should_step):
            with self.training_ctx:
                outputs = self.compute_forward(batch, sb.Stage.TRAIN)
                loss = self.compute_objectives(outputs, batch, sb.Stage.TRAIN)
            scaled_loss = self.scaler.scale(loss / self.grad_accumulation_factor)
            self.check_loss_isfinite(scaled_loss)
            scaled_loss.backward()
        if should_step:
            self.optimizers_step()
        self.on_fit_batch_end(batch, outputs, loss, should_step)
        return loss.detach()

    def check_loss_isfinite(self, loss):
        """Count what is not finite; :meth:`on_stage_end` looks at the count."""
        if self.waits:
            super().check_loss_isfinite(loss)
        else:
            self.nonfinite_count = self.nonfinite_count + ~torch.isfinite(loss.detach())

    def update_average(self, loss, avg_loss):
        """The running mean of the finite losses, unread."""
        if self.waits:
            return super().update_average(loss, avg_loss)
        mean = avg_loss.value if isinstance(avg_loss, Unread) else torch.as_tensor(avg_loss, device=loss.device)
        loss = loss.to(mean.dtype)
        mean = torch.where(torch.isfinite(loss), mean + (loss - mean) / self.step, mean)
        return Unread(mean, shown=not self.noprogressbar)

    def _save_intra_epoch_ckpt(self):
        self.avg_train_loss = float(self.avg_train_loss)
        super()._save_intra_epoch_ckpt()

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Raise ``ValueError`` when more losses than ``--nonfinite_patience`` were not finite, as SpeechBrain does."""
        if stage == sb.Stage.TRAIN and int(self.nonfinite_count) > self.nonfinite_patience:
            raise ValueError(f"Loss is not finite in {int(self.nonfinite_count)} steps of epoch {epoch}")
