r"""Rows -> text that other programs read: CSV, JSON, JSON lines, audformat's CSV, RTTM; Praat's TextGrid.

A row is a dictionary with ``file``, possibly ``start`` and ``end`` in s, and what was found. ``probabilities`` become
columns ``p_<class>``, as in the ``predictions.csv`` of a training, ``durations`` and ``shares`` likewise. Text comes as
the rows come, so that a long work that is broken off leaves what it had done. It is always valid Unicode: a byte of a
file name that is not UTF-8 is written as ``\udc80`` to ``\udcff``, which a reader of JSON turns into the name that
``os.fsencode`` takes.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from ser_plugins.corpora.rttm import Span, file_id, rttm_line
from ser_plugins.plain import csv_cell


def as_json(rows: Iterable[dict], columns: Sequence[str] = ()) -> Iterator[str]:
    """One JSON array; ``columns`` are for the formats that have a header.

    Example
    -------
    >>> json.loads("".join(as_json([{"file": "a.wav", "label": "joy"}, {"file": "b.wav"}])))
    [{'file': 'a.wav', 'label': 'joy'}, {'file': 'b.wav'}]
    """
    before = "[\n"
    for row in rows:
        text = _unicode(json.dumps([row], indent=2, ensure_ascii=False))
        yield before + text[2:-2]  # without the brackets
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def as_jsonl(rows: Iterable[dict], columns: Sequence[str] = ()) -> Iterator[str]:
    r"""One JSON object per line.

    Example
    -------
    >>> print(*as_jsonl([{"file": "a.wav"}, {"file": "b\udce4.wav"}]), sep="", end="")
    {"file": "a.wav"}
    {"file": "b\udce4.wav"}
    """
    for row in rows:
        yield _unicode(json.dumps(row, ensure_ascii=False)) + "\n"


def as_csv(rows: Iterable[dict], columns: Sequence[str]) -> Iterator[str]:
    """A header and one line per row, quoted as in RFC 4180; what a row does not have is left empty.

    Example
    -------
    >>> rows = [{"file": "a.wav", "probabilities": {"joy": 0.5}}, {"file": "b, c.wav", "error": "silent"}]
    >>> print(*as_csv(rows, ["file", "p_joy", "error"]), sep="", end="")
    file,p_joy,error
    a.wav,0.5,
    "b, c.wav",,silent
    """
    yield from _csv(rows, columns, csv_cell)  # a name such as "=1+1.wav" is no formula of a spreadsheet


def as_audformat(rows: Iterable[dict], columns: Sequence[str]) -> Iterator[str]:
    """The CSV of an audformat table: index ``file``, or ``file``, ``start``, ``end`` of segments as time deltas.

    ``audformat.utils.read_csv`` reads it into an index and columns. Files that could not be judged are left out.

    Example
    -------
    >>> row = {"file": "a.wav", "start": 0.5, "end": 2.0, "label": "joy"}
    >>> print(*as_audformat([row], list(row)), sep="", end="")
    file,start,end,label
    a.wav,0 days 00:00:00.500000,0 days 00:00:02,joy
    """
    import pandas as pd

    def timed():
        for row in rows:
            if "error" not in row:
                yield row | {name: pd.Timedelta(row[name], unit="s") for name in ("start", "end") if name in row}

    yield from _csv(timed(), [column for column in columns if column not in ("warnings", "error")], str)


def as_rttm(rows: Iterable[dict], columns: Sequence[str] = ()) -> Iterator[str]:
    """NIST's RTTM, with the emotion where a diariser writes the speaker; what has no label is left out.

    Example
    -------
    >>> row = {"file": "talks/a.wav", "start": 0.5, "end": 2.0, "label": "joy", "probability": 0.75}
    >>> print(*as_rttm([row, row | {"label": None}]), sep="", end="")
    SPEAKER a 1 0.500 1.500 <NA> <NA> joy 0.7500 <NA>
    """
    for row in rows:
        label = row.get("label", row.get("polarity"))
        if label is not None:
            span = Span(row["start"], row["end"], label, file_id(row["file"]))
            yield _unicode(rttm_line(span, row.get("probability"))) + "\n"


def as_textgrid(segments: Iterable, name: str = "emotion") -> str:
    """A Praat TextGrid, in the long text format of Praat's manual ("TextGrid file formats"), of intervals that tile.

    Arguments
    ---------
    segments : iterable of Segment or SentimentSegment
        As of :func:`ser_plugins.inference.timeline.timeline`.
    name : str
        Of the tier with the labels; a second tier, with the numbers, is called by the segments' field.

    Example
    -------
    >>> from ser_plugins.inference.timeline import Segment
    >>> for line in as_textgrid([Segment(0.0, 1.5, "joy", 0.9, {})]).splitlines()[-3:]:
    ...     print(line.strip())
    xmin = 0.0
    xmax = 1.5
    text = "0.900"
    """
    segments = list(segments)
    fields = {name: 2, segments[0]._fields[3]: 3}
    return _textgrid({title: [(one.start, one.end, one[field]) for one in segments] for title, field in fields.items()})


def turns_textgrid(turns: Iterable, seconds: float) -> str:
    """The same of turns: a tier per speaker, empty between them; where one has two turns at once, the later is cut.

    Arguments
    ---------
    turns : iterable of TurnPrediction or SentimentTurn
        As of :func:`ser_plugins.inference.turns.predict_turns`.
    seconds : float
        Length of the recording.

    Example
    -------
    >>> from ser_plugins.inference.turns import TurnPrediction
    >>> turn = TurnPrediction(1.0, 2.0, "Ann", "joy", 0.9, {}, 0.0, "", [])
    >>> turns_textgrid([turn], 3.0).count("intervals [")
    3
    """
    tiers: dict[str, list] = {}
    for turn in sorted(turns, key=lambda turn: turn.start):
        tier = tiers.setdefault(turn.speaker, [])
        end = tier[-1][1] if tier else 0.0
        if turn.start > end:
            tier.append((end, turn.start, None))
        if turn.end > max(turn.start, end):
            tier.append((max(turn.start, end), turn.end, _name_of(turn) or turn.remark))
    for tier in tiers.values():
        end = tier[-1][1] if tier else 0.0
        if end < seconds:
            tier.append((end, seconds, None))
    return _textgrid(tiers)


def _name_of(turn):
    return turn.label if hasattr(turn, "label") else turn.polarity


def _textgrid(tiers: dict[str, list]) -> str:
    """Tiers by name, each a list of (start, end, content) that tile the same time."""
    first = next(iter(tiers.values()))
    whole = f"xmin = {first[0][0]}", f"xmax = {first[-1][1]}"
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        *whole,
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (title, intervals) in enumerate(tiers.items(), 1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(title)}"]
        lines += [f"        {line}" for line in (*whole, f"intervals: size = {len(intervals)}")]
        for place, (start, end, content) in enumerate(intervals, 1):
            lines.append(f"        intervals [{place}]:")
            lines += [f"            xmin = {start}", f"            xmax = {end}"]
            lines.append(f"            text = {_quoted(content)}")
    return "\n".join(lines) + "\n"


def _quoted(value):
    """Praat doubles quotes inside of text."""
    text = "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"'


def _csv(rows, columns, shown) -> Iterator[str]:
    yield _csv_line(columns)
    for row in rows:
        flat = _flat(row)
        cells = [flat.get(column) for column in columns]
        yield _csv_line([shown(cell) if isinstance(cell, str) else cell for cell in cells])


def _csv_line(cells) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # by which csv knows that both have to be quoted
    return _unicode(line.getvalue().removesuffix("\r\n")) + "\n"


def _unicode(text: str) -> str:
    """Lone surrogates, which stand for bytes that are not UTF-8, as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


PREFIXES = {"probabilities": "p", "durations": "s", "shares": "share"}  # of the columns of a dictionary


def columns_of(row: dict, labels: Sequence[str]) -> list[str]:
    """The columns of a table of rows like ``row``, in which every label has its own.

    Example
    -------
    >>> columns_of({"file": "a.wav", "label": None, "probabilities": None}, ["joy", "fear"])
    ['file', 'label', 'p_joy', 'p_fear']
    """
    return [
        column
        for name in row
        for column in ([f"{PREFIXES[name]}_{label}" for label in labels] if name in PREFIXES else [name])
    ]


def _flat(row):
    flat = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{PREFIXES[name]}_{label}": number for label, number in value.items()}
        else:
            flat[name] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return flat


FORMATS = {"csv": as_csv, "json": as_json, "jsonl": as_jsonl, "audformat": as_audformat, "rttm": as_rttm}
