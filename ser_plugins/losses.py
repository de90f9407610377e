"""Losses that torch lacks; each returns the mean over the batch.

For emotions they take log-probabilities (batch, classes) and class indices (batch,), for sentiment two times (batch,).
There ``torch.nn.L1Loss`` (the paper's), ``torch.nn.MSELoss`` and ``torch.nn.HuberLoss`` serve as they are.

What SpeechBrain's recipes hand to a loss is taken as well: outputs of a head (batch, 1, classes), labels of a
``CategoricalEncoder`` (batch, 1), and relative lengths as ``length``, which say nothing of an utterance as a whole.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from ser_plugins.errors import SerError


def utterance_outputs(outputs: torch.Tensor) -> torch.Tensor:
    """What a head gives for whole utterances, without the axis of time: (batch, classes), or (batch,) of one number.

    Example
    -------
    >>> utterance_outputs(torch.zeros(4, 1, 7)).shape, utterance_outputs(torch.zeros(4, 1, 1)).shape
    (torch.Size([4, 7]), torch.Size([4]))
    """
    if outputs.dim() == 3 and outputs.shape[1] == 1:
        outputs = outputs.squeeze(1)
    return outputs.squeeze(1) if outputs.dim() == 2 and outputs.shape[1] == 1 else outputs


def _of_classes(log_probs, targets):
    """Log-probabilities (batch, classes) and class indices (batch,), checked."""
    outputs = log_probs.squeeze(1) if log_probs.dim() == 3 and log_probs.shape[1] == 1 else log_probs
    indices = utterance_outputs(targets)
    if outputs.dim() != 2 or indices.shape != outputs.shape[:1] or indices.is_floating_point():
        raise SerError(
            got=f"outputs {tuple(log_probs.shape)} and targets {tuple(targets.shape)} of {targets.dtype}",
            expected="log-probabilities (batch, classes) or (batch, 1, classes), whole numbers (batch,) or (batch, 1)",
            remedy="pool over time first, and give one class index per utterance",
        )
    return outputs, indices


class CrossEntropy(nn.Module):
    """Cross-entropy with label smoothing and class weights (weighted mean, as in torch).

    Instead of class indices it takes shares (batch, classes) as well, such as those of listeners' answers.

    Arguments
    ---------
    label_smoothing : float
        Share of the target spread evenly over the classes.
    class_weights : list of float, optional
        One per class.

    Example
    -------
    >>> round(CrossEntropy()(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([0])).item(), 4)
    0.6931
    >>> round(CrossEntropy()(torch.tensor([[0.8, 0.2]]).log(), torch.tensor([[0.75, 0.25]])).item(), 4)
    0.5697
    """

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float)

    def forward(
        self, log_probs: torch.Tensor, targets: torch.Tensor, length: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mean loss of log_probs (batch, classes) against targets (batch,), or shares (batch, classes)."""
        if targets.is_floating_point() and targets.shape == utterance_outputs(log_probs).shape:
            log_probs = utterance_outputs(log_probs)
        else:
            log_probs, targets = _of_classes(log_probs, targets)
        weight = None if self.class_weights is None else self.class_weights.to(log_probs.device)
        # log_softmax leaves log-probabilities as they are, so torch's own function serves.
        return F.cross_entropy(log_probs, targets, weight=weight, label_smoothing=self.label_smoothing)

    if TYPE_CHECKING:
        __call__ = forward


class L1OnProbabilities(nn.Module):
    """The paper's "L1 loss" read literally: mean absolute difference of probabilities and the one-hot target.

    Its gradient vanishes where the model is sure and wrong, so it is offered for comparison, not as the default.

    Example
    -------
    >>> L1OnProbabilities()(torch.tensor([[0.75, 0.25]]).log(), torch.tensor([0])).item()
    0.25
    """

    def forward(
        self, log_probs: torch.Tensor, targets: torch.Tensor, length: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mean loss of log_probs (batch, classes) against targets (batch,)."""
        log_probs, targets = _of_classes(log_probs, targets)
        return F.l1_loss(log_probs.exp(), F.one_hot(targets, log_probs.shape[-1]).to(log_probs.dtype))

    if TYPE_CHECKING:
        __call__ = forward


class Focal(nn.Module):
    """Focal loss, mean of -(1 - p)^gamma ln p (Lin et al. 2017); gamma 0 is cross-entropy.

    Example
    -------
    >>> round(Focal(gamma=2.0)(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([0])).item(), 4)
    0.1733
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(
        self, log_probs: torch.Tensor, targets: torch.Tensor, length: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mean loss of log_probs (batch, classes) against targets (batch,)."""
        log_probs, targets = _of_classes(log_probs, targets)
        log_p = log_probs.gather(1, targets[:, None]).squeeze(1)
        return (-((1 - log_p.exp()) ** self.gamma) * log_p).mean()

    if TYPE_CHECKING:
        __call__ = forward


class Concordance(nn.Module):
    """1 - CCC over the batch (Lin, Biometrics 45, 1989), which punishes a wrong mean and a wrong spread as well.

    CCC is ``2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)``, with variances over n. It says little about
    batches of a few utterances.

    Example
    -------
    >>> round(Concordance()(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 3.0, 4.0])).item(), 4)
    0.4286
    """

    def forward(
        self, predictions: torch.Tensor, targets: torch.Tensor, length: torch.Tensor | None = None
    ) -> torch.Tensor:
        """1 - CCC of predictions (batch,) against targets (batch,)."""
        predictions, targets = utterance_outputs(predictions), utterance_outputs(targets)
        if predictions.dim() != 1 or predictions.shape != targets.shape:
            raise SerError(
                got=f"outputs {tuple(predictions.shape)} and targets {tuple(targets.shape)}",
                expected="numbers (batch,), (batch, 1) or (batch, 1, 1), as many of both",
                remedy="pool over time first, and give one number per utterance",
            )
        x, y = predictions - predictions.mean(), targets - targets.mean()
        spread = (x**2).mean() + (y**2).mean() + (predictions.mean() - targets.mean()) ** 2
        return 1 - 2 * (x * y).mean() / spread.clamp(min=1e-8)

    if TYPE_CHECKING:
        __call__ = forward


class MultiTask(nn.Module):
    """Weighted sum of losses, one for each head of a :class:`ser_plugins.classifier.MultiTaskHead`.

    An item whose target is unknown (NaN) counts in the other losses only.

    Arguments
    ---------
    losses : dict
        Losses by name of the head.
    weights : dict, optional
        Their weights by the same names; 1 where none is given.

    Example
    -------
    >>> loss = MultiTask({"emotion": CrossEntropy(), "valence": nn.L1Loss()}, {"valence": 0.1})
    >>> outputs = {"emotion": torch.tensor([[0.5, 0.5]]).log(), "valence": torch.tensor([3.0])}
    >>> round(loss(outputs, {"emotion": torch.tensor([1]), "valence": torch.tensor([1.0])}).item(), 4)
    0.8931
    """

    def __init__(self, losses: Mapping[str, nn.Module], weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(losses)
        self.weights = dict(weights or {})
        if unknown := sorted(self.weights.keys() - losses.keys()):
            raise SerError(
                got=f"a weight of {', '.join(unknown)}", expected=f"of {', '.join(losses)}", remedy="mend the YAML"
            )

    def forward(
        self,
        outputs: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],
        length: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Weighted sum over the names; outputs and targets are dictionaries of what each loss takes."""
        return sum(
            self.weights.get(name, 1.0) * _mean_of_known(loss, outputs[name], targets[name])
            for name, loss in self.losses.items()
        )

    if TYPE_CHECKING:
        __call__ = forward


def _mean_of_known(loss, outputs, targets):
    outputs, targets = utterance_outputs(outputs), utterance_outputs(targets)
    finite = targets.isfinite()
    # With no target known, 0, but attached to the outputs: distributed training waits for every gradient.
    return loss(outputs[finite], targets[finite]) if finite.any() else 0.0 * outputs.sum()
