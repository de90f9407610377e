"""Who speaks, or what is felt, from when to when: NIST's RTTM, and the same in CSV, JSON and JSON lines.

RTTM ("rich transcription time marked") is defined in NIST (2009), *The 2009 (RT-09) Rich Transcription Meeting
Recognition Evaluation Plan*, appendix A: one object a line, in fields between blanks: type, file, channel, start,
duration, orthography, subtype, name, confidence and, since 2006, signal look-ahead time. Diarisers write ``SPEAKER``.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ser_plugins.corpora.tables import decoded, read_rows
from ser_plugins.errors import MissingPathError, SerError

# Of NIST's objects, those that say nothing of who speaks when.
_OTHER_TYPES = {"SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH", "FILLER"} | {
    *("EDIT", "IP", "SU", "CB", "A/P", "SPKR-INFO")
}
_REMEDY = "correct the line, or write the file anew"


class Span(NamedTuple):
    """A stretch of a recording with a name: a speaker's turn, or a segment of one emotion.

    Arguments
    ---------
    start, end : float
        In s from the beginning of the recording.
    name : str or None
        The speaker or the emotion; None where there is none.
    file : str
        The recording, without folder and suffix; empty where the file does not say.
    source : str
        File and line, for messages.
    """

    start: float
    end: float
    name: str | None
    file: str = ""
    source: str = "a turn"


def read_spans(path: str | Path, column: str = "speaker") -> list[Span]:
    r"""Read spans of one or many recordings.

    Arguments
    ---------
    path : str or Path
        ``.csv``, ``.json`` (a list of objects) and ``.jsonl`` have ``start`` and ``end`` in s, ``column``, and perhaps
        ``file``; anything else is RTTM.
    column : str
        Where the name stands.

    Raises
    ------
    MissingPathError, SerError
        No such file, or nothing in it; or a line with the wrong number of fields, a time that is not finite, a negative
        start or duration. The error names the line.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "talk.rttm")
    >>> _ = path.write_text("SPEAKER talk 1 0.50 1.25 <NA> <NA> Ann <NA> <NA>\n")
    >>> read_spans(path)[0][:4]
    (0.5, 1.75, 'Ann', 'talk')
    """
    path = Path(path)
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="RTTM, CSV, JSON or JSON lines", remedy="check the path")
    read = _READERS.get(path.suffix.lower(), _rttm)
    spans = list(read(path, column))
    if not spans:
        raise SerError(got=f"{path}: nothing in it", expected="at least one span of time", remedy="write the file anew")
    return spans


def of_recording(spans: Iterable[Span], path: str | Path) -> list[Span]:
    """The spans that belong to a recording, in order of time; those of a file that names no recording all do.

    Raises
    ------
    SerError
        All belong to others; it names the line of the first.

    Example
    -------
    >>> of_recording([Span(1.0, 2.0, "Ann", "talk"), Span(0.0, 1.0, "Ben", "other")], "recordings/talk.wav")[0].name
    'Ann'
    >>> of_recording([Span(0.0, 1.0, "Ben", "other", "a.rttm, line 1")], "talk.wav")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: a.rttm, line 1: of the recording other; expected: turns of talk; remedy: ...
    """
    spans = list(spans)
    names = {"", file_id(path), Path(path).name}
    ours = [span for span in spans if span.file in names]
    if not ours:
        raise SerError(
            got=f"{spans[0].source}: of the recording {spans[0].file}",
            expected=f"turns of {file_id(path)}",
            remedy="give the turns of this recording, or call it by the name that it has there",
        )
    return sorted(ours, key=lambda span: (span.start, span.end))


def read_uem(path: str | Path) -> dict[str, list[tuple[float, float]]]:
    """What is to be scored of each recording, (start, end) in s: NIST's UEM, lines of file, channel, start and end.

    Raises
    ------
    MissingPathError, SerError
        As :func:`read_spans`.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="a UEM file", remedy="check the path")
    regions: dict[str, list[tuple[float, float]]] = {}
    for number, line in enumerate(decoded(path).splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith(";"):
            continue
        source = f"{path}, line {number}"
        if len(fields) != 4:
            raise SerError(got=f"{source}: {len(fields)} fields", expected="file channel start end", remedy=_REMEDY)
        span = _span({"start": fields[2], "end": fields[3], "region": None}, "region", source)
        regions.setdefault(fields[0], []).append((span.start, span.end))
    return regions


def file_id(path: str | Path) -> str:
    """What a recording is called in RTTM: its name without folder and suffix, and without blanks.

    Example
    -------
    >>> file_id("recordings/my talk.v2.wav")
    'my_talk.v2'
    """
    return one_field(Path(path).stem)


def one_field(text: str) -> str:
    """Text as one field of RTTM, which ends at a blank."""
    return re.sub(r"\s+", "_", text) or "<NA>"


def rttm_line(span: Span, confidence: float | None = None) -> str:
    """A line of RTTM without its end; times in ms.

    Example
    -------
    >>> rttm_line(Span(0.5, 1.75, "joy", "talk"), 0.8)
    'SPEAKER talk 1 0.500 1.250 <NA> <NA> joy 0.8000 <NA>'
    """
    start, end = round(span.start, 3), round(span.end, 3)  # so that what touches still does
    sure = "<NA>" if confidence is None else f"{confidence:.4f}"
    file, name = one_field(span.file), one_field(span.name or "")
    return f"SPEAKER {file} 1 {start:.3f} {end - start:.3f} <NA> <NA> {name} {sure} <NA>"


def _rttm(path, column) -> Iterator[Span]:
    for number, line in enumerate(decoded(path).splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith(";") or fields[0] in _OTHER_TYPES:
            continue
        source = f"{path}, line {number}"
        if fields[0] != "SPEAKER" or len(fields) not in (9, 10):
            raise SerError(
                got=f"{source}: {len(fields)} fields, the first of them {fields[0]!r}"[:300],
                expected="SPEAKER file channel start duration <NA> <NA> speaker <NA> <NA>",
                remedy=_REMEDY,
            )
        start = _seconds(fields[3], "start", source)
        duration = _seconds(fields[4], "duration", source)
        yield Span(start, round(start + duration, 6), fields[7], fields[1], source)


def _csv(path, column) -> Iterator[Span]:
    for row in read_rows(path, ["start", "end", column]):
        yield _span(row.cells, column, row.source)


def _json(path, column) -> Iterator[Span]:
    rows = _parsed(decoded(path), str(path))
    if not isinstance(rows, list):
        raise SerError(got=f"{path}: {type(rows).__name__}", expected="a list of objects", remedy=_REMEDY)
    for number, row in enumerate(rows, 1):
        yield _span(row, column, f"{path}, object {number}")


def _jsonl(path, column) -> Iterator[Span]:
    for number, line in enumerate(decoded(path).splitlines(), 1):
        if line.strip():
            source = f"{path}, line {number}"
            yield _span(_parsed(line, source), column, source)


_READERS: dict[str, Callable[[Path, str], Iterator[Span]]] = {".csv": _csv, ".json": _json, ".jsonl": _jsonl}


def _parsed(text, source):
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SerError(got=f"{source}: {error}", expected="valid JSON", remedy=_REMEDY) from None


def _span(cells, column, source) -> Span:
    if not isinstance(cells, dict) or not {"start", "end", column} <= set(cells):
        raise SerError(got=f"{source}: {cells!r}"[:300], expected=f"start, end and {column}", remedy=_REMEDY)
    start, end = (_seconds(cells[name], name, source) for name in ("start", "end"))
    if end < start:
        raise SerError(got=f"{source}: from {start:g} to {end:g} s", expected="an end behind the start", remedy=_REMEDY)
    name, file = (_text(cells.get(key), key, source) for key in (column, "file"))
    return Span(start, end, name, file_id(file) if file else "", source)


def _text(value, name, source) -> str | None:
    """A name in JSON: text or a number; nothing, or null, is None."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SerError(got=f"{source}: {name} {value!r}"[:300], expected="text", remedy=_REMEDY)
    return str(value)


def _seconds(value, name, source) -> float:
    try:
        seconds = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise SerError(got=f"{source}: {name} {value}"[:300], expected="0 s or more, a finite number", remedy=_REMEDY)
    return seconds
