"""Losses on log-probabilities (batch, classes) and class indices (batch,); each returns the mean over the batch."""

import torch
import torch.nn.functional as F
from torch import nn


class CrossEntropy(nn.Module):
    """Cross-entropy with label smoothing and class weights (weighted mean, as in torch).

    Arguments
    ---------
    label_smoothing : float
        Share of the target spread evenly over the classes.
    class_weights : list of float, optional
        One per class.

    Example
    -------
    >>> CrossEntropy()(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([0])).item()
    0.6931471824645996
    """

    def __init__(self, label_smoothing=0.0, class_weights=None):
        super().__init__()
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float)

    def forward(self, log_probs, targets):
        """Mean loss of log_probs (batch, classes) against targets (batch,)."""
        weight = None if self.class_weights is None else self.class_weights.to(log_probs.device)
        # log_softmax leaves log-probabilities as they are, so torch's own function serves.
        return F.cross_entropy(log_probs, targets, weight=weight, label_smoothing=self.label_smoothing)


class L1OnProbabilities(nn.Module):
    """The paper's "L1 loss" read literally: mean absolute difference of probabilities and the one-hot target.

    Its gradient vanishes where the model is sure and wrong, so it is offered for comparison, not as the default.

    Example
    -------
    >>> L1OnProbabilities()(torch.tensor([[0.75, 0.25]]).log(), torch.tensor([0])).item()
    0.25
    """

    def forward(self, log_probs, targets):
        """Mean loss of log_probs (batch, classes) against targets (batch,)."""
        return F.l1_loss(log_probs.exp(), F.one_hot(targets, log_probs.shape[-1]).to(log_probs.dtype))


class Focal(nn.Module):
    """Focal loss, mean of -(1 - p)^gamma ln p (Lin et al. 2017); gamma 0 is cross-entropy.

    Example
    -------
    >>> Focal(gamma=2.0)(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([0])).item()
    0.1732867956161499
    """

    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, log_probs, targets):
        """Mean loss of log_probs (batch, classes) against targets (batch,)."""
        log_p = log_probs.gather(1, targets[:, None]).squeeze(1)
        return (-((1 - log_p.exp()) ** self.gamma) * log_p).mean()
