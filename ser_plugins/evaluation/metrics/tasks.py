"""The two kinds of task, a class or a number: how targets are read and predictions written, scored and summed up.

Training, report and export treat emotion and sentiment alike; wherever the two differ they ask one of these classes.
"""

import math

import numpy as np
import pandas as pd

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics import regression
from ser_plugins.evaluation.metrics.classification import classification_metrics, confusion, validate
from ser_plugins.evaluation.metrics.intervals import (
    cluster_bootstrap,
    majority_baseline,
    speaker_bootstrap,
    wilson_interval,
)
from ser_plugins.scales import scale_named
from ser_plugins.scores import NOTES, SCORES

_TOLERANCE = 1e-4  # probabilities are written with finite precision


class Classification:
    """One of several classes.

    Arguments
    ---------
    classes : sequence of str
        Names, in the order of the model's outputs and of every table.

    Example
    -------
    >>> task = Classification(["fear", "joy"])
    >>> task.encode("joy"), task.row(1, [math.log(0.25), math.log(0.75)])
    (1, {'true': 'joy', 'predicted': 'joy', 'p_fear': 0.25, 'p_joy': 0.75})
    """

    kind = "classification"
    scores, note = SCORES["classes"], NOTES["classes"]
    select, best = "UAR", "max"  # the score that chooses an epoch on validation
    per_unit = ("WA", "UAR")
    wilson = ("WA",)  # the other intervals are of a bootstrap

    def __init__(self, classes):
        self.classes = list(classes)
        self.scale = "|".join(self.classes)  # as `auxiliary` of a YAML names it
        self.columns = ["true", "predicted", *(f"p_{name}" for name in self.classes)]

    def encode(self, value) -> int:
        """A manifest's value as the model's target: the index of the class."""
        if value not in self.classes:
            raise SerError(
                got=repr(value), expected=f"one of {', '.join(self.classes)}", remedy="correct the label or the classes"
            )
        return self.classes.index(value)

    def row(self, true: int, output: list) -> dict:
        """What predictions.csv says of one utterance, from its target and the model's log-probabilities."""
        probabilities = [math.exp(value) for value in output]
        best = max(range(len(output)), key=output.__getitem__)
        columns = dict(zip(self.columns[2:], probabilities, strict=True))
        return {"true": self.classes[true], "predicted": self.classes[best], **columns}

    def read(self, table: pd.DataFrame) -> pd.DataFrame:
        """Turn texts of predictions.csv into values; :class:`SerError` (without the file) where they are impossible."""
        validate(table["true"], table["predicted"], self.classes)
        probabilities = table[self.columns[2:]].apply(pd.to_numeric, errors="coerce")
        values = probabilities.to_numpy(float)
        chosen = values[np.arange(len(values)), table["predicted"].map(self.classes.index)]
        checks = (
            (np.isfinite(values).all(axis=1), "a probability that is no finite number", "finite probabilities"),
            (abs(values.sum(axis=1) - 1) <= _TOLERANCE, "probabilities that do not sum to 1", "a sum of 1 within 1e-4"),
            (((values >= 0) & (values <= 1)).all(axis=1), "a probability outside 0..1", "probabilities in 0..1"),
            (values.max(axis=1) - chosen <= _TOLERANCE, "a less probable class as predicted", "the most probable one"),
        )
        for good, got, expected in checks:
            _refuse_first(table, good, got, expected)
        return table.assign(**probabilities)

    def metrics(self, true, predicted) -> dict:
        """WA, UAR, macro-F1, scores per class and the confusion matrix."""
        return classification_metrics(list(true), list(predicted), self.classes)

    def over_seeds(self, metrics: list[dict]) -> dict:
        """Mean of the scores of several seeds; counts are summed, and support is the same in all."""
        rows = {
            name: {
                key: row[key] if key == "support" else mean([one["per_class"][name][key] for one in metrics])
                for key in row
            }
            for name, row in metrics[0]["per_class"].items()
        }
        return {
            **{name: mean([one[name] for one in metrics]) for name in self.scores},
            "per_class": rows,
            "confusion": np.sum([one["confusion"] for one in metrics], axis=0).tolist(),
        }

    def intervals(self, table: pd.DataFrame) -> dict:
        """95 % intervals by score: of WA by Wilson, of the others over units, None with fewer than two of those."""
        seeds = [
            [confusion(group["true"], group["predicted"], self.classes) for _, group in seed.groupby("unit")]
            for _, seed in table.groupby("seed")
        ]
        several = len(seeds[0]) > 1
        accuracy, utterances = (table["true"] == table["predicted"]).mean(), len(table) // len(seeds)
        bootstrap = speaker_bootstrap(seeds) if several else dict.fromkeys(("UAR", "macro_F1"))
        return {"WA": wilson_interval(accuracy, utterances), **bootstrap}

    def training(self, targets) -> dict:
        """What baselines need to know of the training set: nothing, the majority is that of the tested utterances."""
        return {}

    def baselines(self, table: pd.DataFrame, training: dict) -> list[dict]:
        """Scores of knowing nothing."""
        baseline = majority_baseline(list(table["true"]), self.classes)
        answer = baseline.pop("class")
        return [{"name": f"majority class ({answer})", "answer": answer, **baseline}]

    def describe(self, target: str) -> str:
        """Target and classes, for the protocol line."""
        return f"{target} in {len(self.classes)} classes ({', '.join(self.classes)})"


class Regression:
    """A number, such as a sentiment.

    Arguments
    ---------
    scale : str
        Of :data:`ser_plugins.scales.SCALES`: it decides on the scores.
    optional : bool
        Whether utterances may lack the number; they are left out of its scores.

    Example
    -------
    >>> task = Regression("mosi")
    >>> task.encode(-1.4), task.row(-1.4, 0.25), list(task.scores)[:3]
    (-1.4, {'true': -1.4, 'predicted': 0.25}, ['MAE', 'r', 'Acc7'])
    """

    kind = "regression"
    columns = ("true", "predicted")
    select, best = "MAE", "min"
    per_unit = ("MAE",)
    wilson = ()

    def __init__(self, scale, optional=False):
        self.scale, self.optional = scale, optional
        self.range = scale_named(scale)
        self.scores, self.note = SCORES[scale], NOTES[scale]

    def encode(self, value) -> float:
        """A manifest's value as the model's target; NaN for a missing one where that is allowed."""
        if value is None and self.optional:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            expected = "a finite number" + (", or null" if self.optional else "")
            raise SerError(got=repr(value), expected=expected, remedy="correct the label, or leave the utterance out")
        return float(value)

    def row(self, true: float, output: float) -> dict:
        """What predictions.csv says of one utterance."""
        return {"true": true, "predicted": output}

    def read(self, table: pd.DataFrame) -> pd.DataFrame:
        """Turn texts of predictions.csv into numbers; :class:`SerError` (without the file) where they are none."""
        texts = table[[*self.columns]]
        numbers = texts.apply(pd.to_numeric, errors="coerce")
        missing = (texts["true"] == "") & self.optional
        good = np.isfinite(numbers["predicted"]) & (np.isfinite(numbers["true"]) | missing)
        _refuse_first(table, good.to_numpy(), "a value that is no finite number", "finite numbers")
        return table.assign(**numbers)

    def metrics(self, true, predicted) -> dict:
        """Every score of the scale; an utterance whose true number is NaN does not count."""
        rated = np.isfinite(np.asarray(true, float))
        if self.optional and not rated.any():
            return dict.fromkeys(self.scores)
        return regression.regression_metrics(np.asarray(true)[rated], np.asarray(predicted)[rated], self.scale)

    def over_seeds(self, metrics: list[dict]) -> dict:
        """Mean of the scores of several seeds."""
        return {name: mean([one[name] for one in metrics]) for name in self.scores}

    def intervals(self, table: pd.DataFrame) -> dict:
        """95 % intervals by score, over units; None with fewer than two of those."""
        first = table.drop_duplicates("id").set_index("id")
        if first["unit"].nunique() < 2:
            return dict.fromkeys(self.scores)
        true = first["true"].to_numpy()
        seeds = table.pivot(index="seed", columns="id", values="predicted")[first.index].to_numpy()

        def score(rows):
            of_seeds = [regression.evaluate(true[rows], predicted[rows], self.scale) for predicted in seeds]
            return {name: np.mean([one[name] for one in of_seeds]) for name in self.scores}

        return cluster_bootstrap(score, first["unit"])

    def training(self, targets) -> dict:
        """Constants of the training set, which is all that a baseline may know: median, mean, more frequent sign."""
        numbers = np.asarray([target for target in targets if not math.isnan(target)])
        if not len(numbers):
            raise SerError(
                got="no number in the training set", expected="some", remedy="leave the target out of `auxiliary`"
            )
        majority = None
        if self.range.has_polarity:
            majority = "positive" if self.range.is_positive(numbers).mean() >= 0.5 else "negative"
        return {"median": float(np.median(numbers)), "mean": float(numbers.mean()), "majority": majority}

    def baselines(self, table: pd.DataFrame, training: dict) -> list[dict]:
        """Always the median of each fold's own training set, and always the sign that is more frequent there."""
        medians = table["fold"].map({fold: constants["median"] for fold, constants in training.items()})
        rows = [self._baseline("training median", table, medians, medians.map("{:.3g}".format), self.scores)]
        signs = table["fold"].map({fold: constants["majority"] for fold, constants in training.items()})
        if signs.notna().all():
            ends = signs.map({"positive": self.range.high, "negative": self.range.low})
            binary = [name for name in self.scores if name.startswith(("Acc2", "F1"))]
            rows.append(self._baseline("majority sign in training", table, ends, signs, binary))
        return rows

    def _baseline(self, name, table, predicted, answers, names):
        values = regression.evaluate(table["true"].to_numpy(float), predicted.to_numpy(float), self.scale)
        scores = {key: values[key] if key in names and not math.isnan(values[key]) else None for key in self.scores}
        answer = " or ".join(sorted(set(answers)))
        return {"name": f"{name} ({answer})", "answer": answer, **scores}

    def describe(self, target: str) -> str:
        """Target and scale, for the protocol line."""
        ends = "" if self.range.low is None else f", {self.range.low:g} to {self.range.high:g}"
        return f"{target} as a number (scale {self.scale}{ends})"


def task_of(kind: str | None, classes, scale: str | None):
    """A task by its kind, ``regression`` or by default ``classification``, and its classes or scale.

    Example
    -------
    >>> task_of("regression", None, "vad").kind, task_of("classification", ["fear", "joy"], None).classes
    ('regression', ['fear', 'joy'])
    """
    return Regression(scale) if kind == "regression" else Classification(classes)


def tasks_of(protocol: dict, auxiliary: dict | None = None) -> dict:
    """The tasks of a training by target, that of the corpus first.

    Arguments
    ---------
    protocol : dict
        ``protocol.json``: ``task``, ``target``, and ``classes`` or ``scale``.
    auxiliary : dict, optional
        The YAML's further targets: ``{field of the manifest: scale}``, or of classes their names, ``female|male``.

    Example
    -------
    >>> protocol = {"task": "classification", "target": "emotion", "classes": ["fear", "joy"]}
    >>> {target: task.kind for target, task in tasks_of(protocol, {"valence": "vad"}).items()}
    {'emotion': 'classification', 'valence': 'regression'}
    >>> tasks_of(protocol, {"gender": "female|male"})["gender"].classes
    ['female', 'male']
    """
    task = task_of(protocol.get("task"), protocol.get("classes"), protocol.get("scale"))
    auxiliary_tasks = {
        target: Classification(scale.split("|")) if "|" in scale else Regression(scale, optional=True)
        for target, scale in (auxiliary or {}).items()
    }
    if protocol["target"] in auxiliary_tasks:
        raise SerError(
            got=f"auxiliary: {protocol['target']}",
            expected="targets beside the corpus' own",
            remedy="leave it out: it is trained anyway",
        )
    return {protocol["target"]: task, **auxiliary_tasks}


def predictions_files(tasks: dict) -> dict:
    """Names of the files with the predictions of every target.

    Example
    -------
    >>> predictions_files({"emotion": Classification(["fear", "joy"]), "valence": Regression("vad")})
    {'emotion': 'predictions.csv', 'valence': 'predictions_valence.csv'}
    """
    own_target, *auxiliary = tasks
    return {own_target: "predictions.csv", **{target: f"predictions_{target}.csv" for target in auxiliary}}


def mean(values) -> float | None:
    """Mean; None when one of the values is undefined."""
    return None if any(value is None for value in values) else float(np.mean(values))


def _refuse_first(table, good, got, expected):
    if not good.all():
        raise SerError(got=f"id {table['id'].iloc[int(np.argmin(good))]}: {got}", expected=expected, remedy="")
