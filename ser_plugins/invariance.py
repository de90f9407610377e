"""A linear classifier for strangers: what tells speakers of one class apart is not used."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from ser_plugins.errors import SerError


class InvariantLogisticRegression(LogisticRegression):
    """Logistic regression that is blind to the directions in which speakers of one class differ most.

    Nuisance attribute projection (Solomonoff, Quillen & Campbell, Odyssey 2004), with the speaker as the nuisance: the
    scatter of speakers' means around the mean of their class is what a change of voice, language, room or microphone
    does to the vectors; its largest directions are projected out of the training vectors, and out of the fitted
    weights, so that the result is one linear layer like any other.

    Arguments
    ---------
    nuisance : int
        Directions that are projected out; 0: none.
    corpus_power : float
        0: every recording counts alike. 1: every corpus counts alike. Between: every recording of a corpus of n counts
        as n to the power of minus this.
    C : float
        Inverse strength of the regularisation.
    max_iter : int
        At most so many iterations.

    Attributes
    ----------
    fields : tuple of str
        What :meth:`fit` wants to know of every recording beside its class, by the names of the manifest's fields.

    Raises
    ------
    SerError
        A value out of its range, in :meth:`fit`.

    Example
    -------
    >>> vectors = np.array([[5.0, 1.0], [5.0, -1.0], [-5.0, 1.0], [-5.0, -1.0]])
    >>> model = InvariantLogisticRegression(nuisance=1).fit(vectors, [1, 0, 1, 0], speaker=["a", "a", "b", "b"])
    >>> bool(abs(model.coef_[0, 0]) < 1e-9 < model.coef_[0, 1])
    True
    """

    fields = ("speaker", "corpus")
    coef_: np.ndarray

    def __init__(self, nuisance: int = 0, corpus_power: float = 0.0, C: float = 1.0, max_iter: int = 1000) -> None:
        super().__init__(C=C, max_iter=max_iter)
        self.nuisance = nuisance
        self.corpus_power = corpus_power

    def fit(
        self,
        vectors: np.ndarray,
        classes: Sequence,
        speaker: Sequence | None = None,
        corpus: Sequence | None = None,
    ) -> "InvariantLogisticRegression":
        """Fit on vectors (recordings, features), with the class, speaker and corpus of every recording."""
        if self.nuisance < 0 or self.corpus_power < 0:
            raise SerError(
                got=f"nuisance {self.nuisance}, corpus_power {self.corpus_power}",
                expected="0 or more of each",
                remedy="correct the YAML keys",
            )
        directions = np.empty((0, vectors.shape[1]))
        if self.nuisance:
            directions = nuisance_directions(vectors, classes, speaker, self.nuisance)
            vectors = without(vectors, directions)
        weights = None if corpus is None else corpus_weights(corpus, self.corpus_power)
        super().fit(vectors, classes, sample_weight=weights)
        self.coef_ = without(self.coef_, directions)
        return self


def nuisance_directions(vectors: np.ndarray, classes: Sequence, speaker: Sequence | None, count: int) -> np.ndarray:
    """Orthonormal directions (at most ``count``, features) of the largest scatter of speakers' means within a class.

    Fewer where speakers do not differ in more of them.

    Raises
    ------
    SerError
        Nobody said who speaks.
    """
    if speaker is None:
        raise SerError(
            got=f"nuisance {count}, and recordings without a speaker",
            expected="the speaker of every recording",
            remedy="write it into the manifest, or set nuisance to 0",
        )
    classes, speaker = np.asarray(classes), np.asarray(speaker)
    deviations = []
    for name in np.unique(classes):
        of_class = classes == name
        middle = vectors[of_class].mean(0)
        for voice in np.unique(speaker[of_class]):
            of_voice = of_class & (speaker == voice)
            deviations.append((vectors[of_voice].mean(0) - middle) * np.sqrt(of_voice.sum()))
    _, sizes, directions = np.linalg.svd(np.stack(deviations), full_matrices=False)
    return directions[:count][sizes[:count] > 1e-9 * max(sizes[0], 1e-30)]


def without(vectors: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Vectors (rows, features) with their parts along orthonormal directions (count, features) taken out."""
    return vectors - vectors @ directions.T @ directions


def corpus_weights(corpus: Sequence, power: float) -> np.ndarray:
    """Weight of every recording, of mean 1: the size of its corpus to the power of ``-power``.

    Example
    -------
    >>> corpus_weights(["a", "a", "a", "b"], 1.0).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    _, place, counts = np.unique(np.asarray(corpus), return_inverse=True, return_counts=True)
    weights = counts[place].astype(float) ** -power
    return weights * len(weights) / weights.sum()
