"""Many recordings through one model: a bad one is reported and does not stop the others."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ser_plugins.errors import SerError
from ser_plugins.inference.quality import Check, check_read, check_recording
from ser_plugins.inference.recording import Recording
from ser_plugins.inference.windows import batched
from ser_plugins.threads import in_threads

AHEAD = 4  # batches that wait for each core: a slow one holds up the rows behind it, and not the work


def judge(model, files: dict[str, Path], text: str | None = None, batch_size: int = 1) -> Iterator[dict]:
    """Judge recordings, and check each by the rules of :func:`.check.check_recording`; on a CPU one on every core.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        An ``EmotionClassifier`` or a ``SentimentRegressor``.
    files : dict
        Paths by name, as of :func:`ser_plugins.cli.inputs.recordings`.
    text : str, optional
        What is said in them, for a model that reads.
    batch_size : int
        Recordings that are judged at once; the outcome is that of each alone.

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
    rows = partial(_rows, model, text)
    batches = batched(files.items(), batch_size)
    if model.device.type == "cpu" and len(files) > batch_size:
        yield from _on_every_core(rows, batches)
    else:
        for batch in batches:
            yield from rows(batch)


def _on_every_core(rows: Callable, batches: Iterable) -> Iterator[dict]:
    """The rows of batches in their order; each batch in a thread of its own, in which torch has one."""
    threads = torch.get_num_threads()
    results = in_threads(rows, batches, AHEAD, initializer=torch.set_num_threads, initargs=(1,))
    try:
        with closing(results):
            for result in results:
                yield from result
    finally:
        torch.set_num_threads(threads)


def _rows(model, text, batch) -> list[dict]:
    read = {name: _attempt(name, model.read, path) for name, path in batch}
    recordings = {name: recording for name, (recording, error) in read.items() if error is None}
    predicted = _predicted(model, recordings, text)
    return [
        {"file": name, **({"error": error} if error else _row(name, model, recording, *predicted[name]))}
        for name, (recording, error) in read.items()
    ]


def _predicted(model, recordings: dict[str, Recording], text) -> dict:
    """What :func:`_attempt` gives for each recording: all together, and each alone where that fails."""
    if not recordings:
        return {}
    name = next(iter(recordings))
    pairs, error = _attempt(name, model.predict_recordings, list(recordings.values()), len(recordings) * [text])
    if error is None:
        return {name: (pair, None) for name, pair in zip(recordings, pairs, strict=True)}
    if len(recordings) == 1:
        return {name: (None, error)}
    alone = [_predicted(model, {name: recording}, text) for name, recording in recordings.items()]
    return {name: attempt for each in alone for name, attempt in each.items()}


def _row(name, model, recording, pair, error) -> dict:
    if error is None:
        outcome, heard = pair
        check, error = _attempt(name, check_read, recording, model, heard)
    if error is not None:
        return {"error": error}
    return outcome._asdict() | {"warnings": [str(finding) for finding in check.findings]}


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

    for name, path in files.items():
        row, error = _attempt(name, checked, path)
        yield {"file": name, **({"error": error} if error else row)}


def _attempt(name: str, work: Callable, *arguments) -> tuple[Any, str | None]:
    """What ``work`` gives and None; or None and what was wrong, as text."""
    try:
        return work(*arguments), None
    except SerError as error:
        return None, str(error)
    except Exception as error:  # whatever a file does to a decoder, it does not cost the others their results
        return None, f"{name}: {type(error).__name__}: {error}"


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
