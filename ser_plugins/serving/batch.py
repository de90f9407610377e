"""Many recordings through one model: a bad one is reported and does not stop the others."""

from collections.abc import Iterator
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.serving.check import check_recording


def judge(model, files: dict[str, Path]) -> Iterator[dict]:
    """Judge recordings one after the other, and check each by the rules of :func:`.check.check_recording`.

    Arguments
    ---------
    model : ser_plugins.serving.recordings.RecordingModel
        An ``EmotionClassifier`` or a ``SentimentRegressor``.
    files : dict
        Paths by name, as of :func:`ser_plugins.serving.inputs.recordings`.

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
    for name, path in files.items():
        try:
            row = {"file": name, **model.predict_file(path)._asdict()}
            yield row | {"warnings": [str(finding) for finding in check_recording(path, model).findings]}
        except SerError as error:
            yield {"file": name, "error": str(error)}


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
    for name, path in files.items():
        try:
            row = {"file": name, **check_recording(path, model)._asdict()}
            yield row | {"warnings": [str(finding) for finding in row.pop("findings")]}
        except SerError as error:
            yield {"file": name, "error": str(error)}
