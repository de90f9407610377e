"""What is said, taken out of how it is said: functionals less the mean of their sentence, which is heard.

In a corpus of a few known sentences much of what a functional varies by is the text. S. Mariooryad and C. Busso
(*Compensating for speaker or lexical variabilities in speech for emotion recognition*, Speech Communication 57, 2014)
take the mean of every phoneme out of features; here the unit is the whole sentence.
"""

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ser_plugins.errors import SerError


class HeardMeans:
    """Mean of every group of training recordings, taken out of recordings whose group is heard.

    A linear support vector machine on the scaled functionals hears the group. It knows no others than those of the
    training set: a recording of another sentence is taken for the one that it sounds like most.

    Attributes
    ----------
    hearer : sklearn.pipeline.Pipeline
        Vectors -> groups.
    means : dict
        group -> (functionals,), mean over the training recordings.

    Example
    -------
    >>> vectors = np.array([[0.0, 1.0], [0.0, 3.0], [9.0, 5.0], [9.0, 7.0]])
    >>> heard = HeardMeans().fit(vectors, ["a01", "a01", "b02", "b02"])
    >>> heard.without(vectors, ["a01", "a01", "b02", "b02"])[:, 1].tolist()
    [-1.0, 1.0, -1.0, 1.0]
    >>> heard.hear(np.array([[8.0, 4.0]])).tolist()
    ['b02']
    """

    def fit(self, vectors: np.ndarray, groups: list) -> "HeardMeans":
        """Learn from the training set's (recordings, functionals) and the group of each recording.

        Raises
        ------
        SerError
            All of one group: there is nothing to hear.
        """
        groups = np.asarray(groups)
        names = np.unique(groups)
        if len(names) < 2:
            raise SerError(
                got=f"every training recording with the same {str(names[0])!r}",
                expected="two groups or more to tell apart",
                remedy="choose another normalisation",
            )
        self.hearer = make_pipeline(StandardScaler(), SVC(kernel="linear", C=0.001)).fit(vectors, groups)
        self.means = {name: vectors[groups == name].mean(axis=0) for name in names}
        return self

    def hear(self, vectors: np.ndarray) -> np.ndarray:
        """The group that each vector sounds like: (recordings,)."""
        return self.hearer.predict(vectors)

    def without(self, vectors: np.ndarray, groups) -> np.ndarray:
        """Vectors less the means of their groups, known or heard."""
        return vectors - np.stack([self.means[group] for group in groups])
