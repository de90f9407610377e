"""A logistic regression on means over time, written into the modules of a network, so that it is exported as one.

The mean over time of standardised frames is the standardised mean: mean and deviation of the training recordings'
vectors are the statistics of the z-norm, the encoder takes the mean over time, and the rest is one linear layer.
"""

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from ser_plugins.classifier import LinearHead
from ser_plugins.errors import SerError
from ser_plugins.functionals import FrameMeans
from ser_plugins.invariance import InvariantLogisticRegression

_NEVER = -1e4  # logit of a class that training lacks


def check_linear(hparams: Mapping) -> None:
    """Raise :class:`SerError` unless what a YAML names can be written into the modules that it names beside it."""
    kinds = {
        "compute_functionals": (FrameMeans,),
        "estimator": (LogisticRegression, InvariantLogisticRegression),
        "classifier": (LinearHead,),
    }
    others = [f"{key}: {type(hparams[key]).__name__}" for key, fit in kinds.items() if type(hparams[key]) not in fit]
    if hparams["normalisation"] != "train":
        others.append(f"normalisation: {hparams['normalisation']}")
    if others:
        raise SerError(
            got=", ".join(others),
            expected="FrameMeans, LogisticRegression (or InvariantLogisticRegression) and LinearHead, with "
            "normalisation train: what a network can do",
            remedy="correct these keys, or leave `classifier` out: then it is trained and tested, and not exported",
        )


def save_as_network(model: Pipeline, hparams: Mapping):
    """Write a fitted StandardScaler and LogisticRegression into ``mean_var_norm`` and ``classifier``; checkpoint them.

    Returns
    -------
    speechbrain.utils.checkpoints.Checkpoint
        Of ``hparams["checkpointer"]``.
    """
    scaler = model[0]
    estimator = model[-1]
    weights, biases = estimator.coef_, estimator.intercept_
    if len(estimator.classes_) == 2:  # of two classes the second one's logit alone is fitted
        weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
    layer = hparams["classifier"].output
    norm = hparams["mean_var_norm"]
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(_NEVER)
        layer.weight[estimator.classes_] = torch.from_numpy(weights).float()
        layer.bias[estimator.classes_] = torch.from_numpy(biases).float()
    statistics = {"mean": scaler.mean_, "std": scaler.scale_, "count": scaler.n_samples_seen_}
    norm.load_state_dict({name: torch.as_tensor(value) for name, value in statistics.items()})
    return hparams["checkpointer"].save_checkpoint()
