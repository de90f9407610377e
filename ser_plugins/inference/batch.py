"""Many recordings through one model: a bad one is reported and does not stop the others."""

from collections.abc import Callable, Iterator
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.inference.quality import Check, check_read, check_recording


def judge(model, files: dict[str, Path], text: str | None = None) -> Iterator[dict]:
    """Judge recordings one after the other, and check each by the rules of :func:`.check.check_recording`.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        An ``EmotionClassifier`` or a ``SentimentRegressor``.
    files : dict
        Paths by name, as of :func:`ser_plugins.cli.inputs.recordings`.
    text : str, optional
        What is said in them, for a model that reads.

    Yields
    ------
    dict
        ``file``, what ``predict_file`` gives, and ``warnings``, a list of text; or ``file`` and ``error``.

    Example
    -------
    >>> from ser_plugins.inference import open_model
    >>> [row] = judge(open_model(device="cpu"), {"a.wav": Path("no/such/a.wav")})
    >>> sorted(row)
    ['error', 'file']
    """

    def judged(path):
        recording = model.read(path)
        outcome, heard = model.predict_recording(recording, text)
        findings = check_read(recording, model, heard).findings
        return outcome._asdict() | {"warnings": [str(finding) for finding in findings]}

    yield from _each(files, judged)


def inspect(files: dict[str, Path], model=None) -> Iterator[dict]:
    """Check recordings one after the other, with or without a model.

    Yields
    ------
    dict
        ``file``, the measurements of :class:`.check.Check`, and ``warnings``, its findings as text; or ``file`` and
        ``error``.

    Example
    -------
    >>> list(inspect({"a.wav": Path("no/a.wav")}))
    [{'file': 'a.wav', 'error': 'got: no file no/a.wav; expected: an audio file; remedy: check the path'}]
    """

    def checked(path):
        check = check_recording(path, model)
        measurements = {name: value for name, value in check._asdict().items() if name != "findings"}
        return measurements | {"warnings": [str(finding) for finding in check.findings]}

    yield from _each(files, checked)


def _each(files: dict[str, Path], work: Callable[[Path], dict]) -> Iterator[dict]:
    for name, path in files.items():
        try:
            outcome = work(path)
        except SerError as error:
            outcome = {"error": str(error)}
        except Exception as error:  # whatever a file does to a decoder, it does not cost the others their results
            outcome = {"error": f"{name}: {type(error).__name__}: {error}"}
        yield {"file": name, **outcome}


def prediction_columns(model) -> list[str]:
    """Columns of a table of what :func:`judge` yields.

    Example
    -------
    >>> from ser_plugins.inference import open_model
    >>> prediction_columns(open_model(device="cpu"))[:4]
    ['file', 'label', 'probability', 'p_anger']
    """
    if hasattr(model, "labels"):
        outcome = ["label", "probability", *(f"p_{label}" for label in model.labels)]
    else:
        outcome = ["score", "polarity"]
    return ["file", *outcome, "warnings", "error"]


CHECK_COLUMNS = ["file", *Check._fields[:-1], "warnings", "error"]  # of what :func:`inspect` yields
