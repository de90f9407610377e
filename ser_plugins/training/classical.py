"""Functionals and a scikit-learn estimator in the place of a network: the same folds, audit, files and report.

A YAML with ``compute_functionals`` and ``estimator`` is trained here. Every functional is scaled by mean and deviation
of the training set (``normalisation: train``), or, as much of the literature does, of each speaker's own recordings
(``normalisation: speaker``), test speaker included: that is transductive, and every table says so. With
``normalisation: heard:sentence`` the training mean of the recording's sentence is taken out before (or of another field
of the manifest): known in training, heard of a test recording; see :mod:`ser_plugins.training.lexical`.

Functionals are kept on disk: see :mod:`ser_plugins.training.feature_store`. A YAML that also names the modules of a
network, with :class:`~ser_plugins.classifier.LinearHead` as its classifier, has what was fitted written into them and
checkpointed: such a system is exported as a network is.

Probabilities of a classifier without any are the softmax of its decision values: their order is the classifier's own,
their size is not calibrated; the report says how far off they are.
"""

import time

import numpy as np
import torch
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.errors import SerError
from ser_plugins.training.data import encode_targets, speakers
from ser_plugins.training.feature_store import store_of, training_items
from ser_plugins.training.lexical import HeardMeans
from ser_plugins.training.linear import check_linear, save_as_network
from ser_plugins.training.recordings import check_recordings

_HEARD = "heard:"


class Classical:
    """Fit on the training set, then predict the test set, once.

    Attributes
    ----------
    predictions : dict
        As :class:`~ser_plugins.training.brain.EmotionBrain` keeps them: target -> id -> row.
    parameters : int
        Numbers that were learned.
    seconds : float
        Spent on functionals, fitting and testing.
    checkpoint : speechbrain.utils.checkpoints.Checkpoint or None
        Of a system that is exported as a network.
    """

    def __init__(self, hparams, protocol):
        self.hparams = hparams
        self.protocol = protocol
        ((self.target, self.task),) = hparams["tasks"].items()
        normalisation = str(hparams["normalisation"])
        heard = normalisation.startswith(_HEARD) and normalisation != _HEARD + self.target
        if not heard and normalisation not in ("train", "speaker"):
            raise SerError(
                got=f"normalisation {normalisation!r}",
                expected="train, heard:FIELD (such as heard:sentence, not the target), or speaker (transductive)",
                remedy="correct the YAML key",
            )
        if "classifier" in hparams:
            check_linear(hparams)
        self.predictions = {self.target: {}}
        self.parameters = 0
        self.seconds = 0.0
        self.checkpoint = None

    def train_and_test(self, tested=True):
        """Run it all; the test set is read last, where there is one."""
        started = time.monotonic()
        copies = self.hparams.get("copies") or []
        vectors, targets = self._read("train", copies)
        heard = None
        if self.hparams["normalisation"].startswith(_HEARD):
            groups = self._training_groups(self.hparams["normalisation"].removeprefix(_HEARD)) * (1 + len(copies))
            heard = HeardMeans().fit(vectors, groups)
            vectors = heard.without(vectors, groups)
        model = make_pipeline(StandardScaler(), self.hparams["estimator"])
        model.fit(vectors, list(targets.values()), **self._told(model, 1 + len(copies)))
        self.parameters = _learned(model)
        if "classifier" in self.hparams:
            self.checkpoint = save_as_network(model, self.hparams)
        if tested:
            vectors, targets = self._read("test")
            if heard:
                vectors = heard.without(vectors, heard.hear(vectors))
            outputs = self._outputs(model, vectors)
            rows = zip(targets.items(), outputs, strict=True)
            self.predictions[self.target] = {key: self.task.row(true, output) for (key, true), output in rows}
        self.seconds = time.monotonic() - started

    def metrics(self):
        """Scores of the test set."""
        rows = self.predictions[self.target].values()
        return self.task.metrics([row["true"] for row in rows], [row["predicted"] for row in rows])

    def _read(self, part, copies=()):
        manifest = self.hparams[f"{part}_annotation"]
        entries = read_manifest(manifest)
        check_recordings(entries, self.protocol)  # those too whose functionals are kept
        store = store_of(self.hparams, self.protocol)
        items = training_items(entries, copies)
        entries = {key: fields for key, (fields, _) in items.items()}
        vectors = np.stack([store.features(*item).double().numpy() for item in items.values()])
        if not np.isfinite(vectors).all():
            raise SerError(
                got=f"{manifest}: functionals that are no finite numbers",
                expected="finite ones",
                remedy="leave out the recordings that are silent or too short",
            )
        if self.hparams["normalisation"] == "speaker":
            vectors = per_speaker(vectors, list(speakers(entries, manifest).values()))
        return vectors, encode_targets(self.task, self.target, entries, manifest)

    def _training_groups(self, field) -> list:
        """What the manifest says of every training recording; the test set's is not looked at."""
        manifest = self.hparams["train_annotation"]
        groups = {key: fields.get(field) for key, fields in read_manifest(manifest).items()}
        if lacking := [key for key, group in groups.items() if not isinstance(group, str)]:
            raise SerError(
                got=f"{manifest}: {lacking[0]} has no {field!r} in words",
                expected="one for each recording, for normalisation heard:" + field,
                remedy="choose another normalisation: this corpus does not say it",
            )
        return list(groups.values())

    def _told(self, model, repeats) -> dict:
        """What the estimator's ``fields`` ask of the training recordings, where the manifest says it of all of them."""
        step, estimator = model.steps[-1]
        entries = read_manifest(self.hparams["train_annotation"]).values()
        columns = {field: [entry.get(field) for entry in entries] for field in getattr(estimator, "fields", ())}
        return {f"{step}__{field}": values * repeats for field, values in columns.items() if None not in values}

    def _outputs(self, model, vectors):
        if self.task.kind == "regression":
            return model.predict(vectors).tolist()
        if hasattr(model, "predict_proba"):
            log_probabilities = model.predict_log_proba(vectors)
        else:
            log_probabilities = torch.from_numpy(model.decision_function(vectors).reshape(len(vectors), -1))
            if log_probabilities.shape[1] == 1:  # two classes have one decision value
                log_probabilities = torch.cat([-log_probabilities, log_probabilities], dim=1) / 2
            log_probabilities = log_probabilities.log_softmax(1).numpy()
        outputs = np.full((len(vectors), len(self.task.classes)), -np.inf)  # a class that training lacks
        outputs[:, model.classes_] = log_probabilities
        return outputs.tolist()


def _learned(model) -> int:
    """Floating-point numbers that the last step of a pipeline, or of pipelines in one another, has learned."""
    while isinstance(model, Pipeline):
        model = model[-1]
    arrays = [value for value in vars(model).values() if isinstance(value, np.ndarray)]
    return sum(array.size for array in arrays if array.dtype.kind == "f")


def per_speaker(vectors: np.ndarray, spoken_by: list) -> np.ndarray:
    """Every speaker's vectors (recordings, functionals) with that speaker's mean 0 and deviation 1.

    Example
    -------
    >>> per_speaker(np.array([[1.0], [3.0], [7.0]]), ["a", "a", "b"]).ravel().tolist()
    [-1.0, 1.0, 0.0]
    """
    scaled = np.empty_like(vectors)
    spoken_by = np.asarray(spoken_by)
    for speaker in np.unique(spoken_by):
        rows = spoken_by == speaker
        scaled[rows] = StandardScaler().fit_transform(vectors[rows])
    return scaled
