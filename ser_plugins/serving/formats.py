"""Rows -> text that other programs read: CSV, JSON, JSON lines, audformat's CSV, Praat's TextGrid.

A row is a dictionary with ``file``, possibly ``start`` and ``end`` in s, and what was found. ``probabilities`` become
columns ``p_<class>``, as in the ``predictions.csv`` of a training.
"""

import csv
import io
import json
from collections.abc import Iterable


def as_json(rows: Iterable[dict]) -> str:
    """One JSON array.

    Example
    -------
    >>> json.loads(as_json([{"file": "a.wav", "label": "joy"}]))
    [{'file': 'a.wav', 'label': 'joy'}]
    """
    return json.dumps(list(rows), indent=2, ensure_ascii=False) + "\n"


def as_jsonl(rows: Iterable[dict]) -> str:
    """One JSON object per line.

    Example
    -------
    >>> print(as_jsonl([{"file": "a.wav"}, {"file": "b.wav"}]), end="")
    {"file": "a.wav"}
    {"file": "b.wav"}
    """
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_csv(rows: Iterable[dict]) -> str:
    """A header and one line per row; what a row does not have is left empty.

    Example
    -------
    >>> rows = [{"file": "a.wav", "probabilities": {"joy": 0.5}}, {"file": "b, c.wav", "error": "silent"}]
    >>> print(as_csv(rows), end="")
    file,p_joy,error
    a.wav,0.5,
    "b, c.wav",,silent
    """
    flat = [_flat(row) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, dict.fromkeys(name for row in flat for name in row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def as_audformat(rows: Iterable[dict]) -> str:
    """The CSV of an audformat table: index ``file``, or ``file``, ``start``, ``end`` of segments as time deltas.

    ``audformat.utils.read_csv`` reads it into an index and columns. Files that could not be judged are left out.

    Example
    -------
    >>> print(as_audformat([{"file": "a.wav", "start": 0.5, "end": 2.0, "label": "joy"}]), end="")
    file,start,end,label
    a.wav,0 days 00:00:00.500000,0 days 00:00:02,joy
    """
    import pandas as pd

    table = pd.DataFrame([_flat(row) for row in rows if "error" not in row] or {"file": []})
    table = table.drop(columns="warnings", errors="ignore")
    for column in table.columns.intersection(["start", "end"]):
        table[column] = pd.to_timedelta(table[column], unit="s")
    return table.to_csv(index=False, lineterminator="\n")


def as_textgrid(segments: Iterable, name: str = "emotion") -> str:
    """A Praat TextGrid, in the long text format of Praat's manual ("TextGrid file formats"), of intervals that tile.

    Arguments
    ---------
    segments : iterable of Segment or SentimentSegment
        As of :func:`ser_plugins.serving.timeline.timeline`.
    name : str
        Of the tier with the labels; a second tier, with the numbers, is called by the segments' field.

    Example
    -------
    >>> from ser_plugins.serving.timeline import Segment
    >>> for line in as_textgrid([Segment(0.0, 1.5, "joy", 0.9)]).splitlines()[-3:]:
    ...     print(line.strip())
    xmin = 0.0
    xmax = 1.5
    text = "0.900"
    """
    segments = list(segments)
    whole = f"xmin = {segments[0].start}", f"xmax = {segments[-1].end}"
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *whole,
        "tiers? <exists>",
        "size = 2",
        "item []:",
    ]
    for tier, (field, title) in enumerate(((2, name), (3, segments[0]._fields[3])), 1):
        lines += [f"    item [{tier}]:", '        class = "IntervalTier"', f"        name = {_quoted(title)}"]
        lines += [f"        {line}" for line in (*whole, f"intervals: size = {len(segments)}")]
        for number, segment in enumerate(segments, 1):
            lines.append(f"        intervals [{number}]:")
            lines += [f"            xmin = {segment.start}", f"            xmax = {segment.end}"]
            lines.append(f"            text = {_quoted(segment[field])}")
    return "\n".join(lines) + "\n"


def _quoted(value):
    """Praat doubles quotes inside of text."""
    text = "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"'


def _flat(row):
    flat = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {f"p_{label}": number for label, number in value.items()}
        else:
            flat[name] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return flat


FORMATS = {"csv": as_csv, "json": as_json, "jsonl": as_jsonl, "audformat": as_audformat}
