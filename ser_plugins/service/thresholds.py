"""From which probability on a class is named; below, a recording is judged but not named."""

from typing import Any, NamedTuple

from ser_plugins.errors import SerError


class Thresholds(NamedTuple):
    """What a client asks for.

    Arguments
    ---------
    every : float
        For all classes, 0 to 1.
    classes : dict
        For some, by name.

    Example
    -------
    >>> from ser_plugins.inference.windows import Window
    >>> window = Window(0.0, 3.0, "fear", 0.6, {"fear": 0.6, "joy": 0.4})
    >>> Thresholds(0.5, {"fear": 0.7}).applied(window)
    Window(start=0.0, end=3.0, label=None, probability=0.6, probabilities={'fear': 0.6, 'joy': 0.4})
    """

    every: float = 0.0
    classes: dict[str, float] = {}  # noqa: RUF012 -- of a tuple, never changed

    def applied(self, outcome: Any) -> Any:
        """An outcome, whose label is None where its probability is too low."""
        label = getattr(outcome, "label", None)
        if label is None or outcome.probability >= self.classes.get(label, self.every):
            return outcome
        return outcome._replace(label=None)


def read_thresholds(model, every: float, classes: list[str]) -> Thresholds:
    """The thresholds for a model, of which ``classes`` are given as ``CLASS:PROBABILITY``.

    Raises
    ------
    SerError
        For a class that the model does not know, no probability, or a model of sentiment, which names no classes.
    """
    labels: list[str] = getattr(model, "labels", [])
    if not labels and (every or classes):
        raise SerError(
            got="abstain_below or threshold for a model of sentiment",
            expected="a model that gives probabilities",
            remedy="leave it out",
        )
    found = {}
    for text in classes:
        name, _, number = text.rpartition(":")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if name not in labels or name in found or not 0 <= value <= 1:
            raise SerError(
                got=f"threshold={text}",
                expected=f"CLASS:PROBABILITY, each class once: {', '.join(labels)}; 0 to 1",
                remedy=f"for example threshold={labels[0]}:0.6",
            )
        found[name] = value
    return Thresholds(every, found)
