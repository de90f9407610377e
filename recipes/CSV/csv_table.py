"""The lines of a user's CSV: read tolerantly, checked strictly, and all complaints about them at once."""

import csv
import math
import os
import re
import unicodedata
from collections import defaultdict
from pathlib import Path

from ser_plugins.corpora.lists.audformat import LINE
from ser_plugins.corpora.lists.parts import PARTS
from ser_plugins.corpora.names import is_name, same_name, shown
from ser_plugins.corpora.text import read_lines
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError

REQUIRED = ("wav", "label", "speaker")
OPTIONAL = ("session", "sentence", "split")
GROUPS = ("speaker", "session", "sentence")
# Windows makes no folder of these names: they are its devices.
DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


def read_table(path: Path) -> tuple[list[dict], str]:
    """Read a CSV: a dictionary per line, with its number under ``LINE``; and the encoding.

    Separated by commas, semicolons or tabs; names of columns in any order and case, blanks around cells ignored.
    """
    lines, encoding = read_lines(path)
    delimiter = max(",;\t", key=lines[0].count)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    rows = []
    header = None
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if header is None:
                header = check_header(path, [cell.lower() for cell in cells])
            elif any(cells[len(header) :]):
                raise csv.Error(f"{len(cells)} cells, {len(header)} in the header")
            elif any(cells):
                cells += [""] * (len(header) - len(cells))
                rows.append({**dict(zip(header, cells, strict=False)), LINE: reader.line_num})
    except csv.Error as error:
        raise SerError(
            got=f"{path}, line {reader.line_num}: {error}",
            expected="as many cells as the header has",
            remedy=f"put cells that hold {delimiter!r} between quotation marks, and close these",
        ) from None
    return rows, encoding


def check_header(path: Path, header: list[str]) -> list[str]:
    """Return the names of the columns when the required ones are there, each once."""
    missing = [name for name in REQUIRED if name not in header]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if missing or twice:
        raise SerError(
            got=f"{path}, line 1: " + (f"no column {', '.join(missing)}" if missing else f"twice {', '.join(twice)}"),
            expected=f"a header with {', '.join(REQUIRED)}; found {', '.join(filter(None, header)) or 'nothing'}"[:300],
            remedy="name the columns in the first line",
        )
    return header


def check_rows(path: Path, rows: list[dict], task: str) -> None:
    """Complain about everything in the lines at once."""
    complaints = defaultdict(list)
    first_of = {}
    for row in rows:
        wav = os.path.abspath(path.parent / row["wav"].replace("\\", "/"))
        line = row[LINE]
        for name in (*REQUIRED, *OPTIONAL):
            if not row.get(name, "there") or "\n" in row.get(name, ""):
                complaints[f"{name} {'broken off' if row[name] else 'empty'}"].append(line)
            elif name != "wav" and name in row and not is_name(row[name]):
                complaints[f"{name} a missing value"].append(f"{line} ({row[name]})")
        if first_of.setdefault(wav, line) != line:
            complaints["wav again"].append(f"{line} (as {first_of[wav]})")
        if row.get("split", "") and same_name(row["split"]) not in PARTS:
            complaints["split unknown"].append(f"{line} ({row['split']})")
        if task == "regression" and row["label"] and not is_number(row["label"]):
            complaints["label no number"].append(f"{line} ({row['label']})")
    if complaints:
        raise SerError(
            got=f"{path}: "
            + "; ".join(f"{complaint} in line {first_few(lines, 10)}" for complaint, lines in complaints.items()),
            expected="one recording a line, with wav, label and speaker; session, sentence and split in every line or "
            "in none; split one of train, valid, test",
            remedy="correct these lines, or remove them; rename what only looks like a missing value: "
            "a label none may be no_emotion",
        )
    check_spellings(path, rows, GROUPS if task == "regression" else ("label", *GROUPS))


def check_spellings(path: Path, rows: list[dict], columns) -> None:
    """Complain about every name that occurs in two spellings, or that would be one fold with another."""
    lines = defaultdict(dict)
    for row in rows:
        for name in columns:
            if name in row:
                lines[name].setdefault(row[name], row[LINE])
    alike = []
    for name, first_lines in lines.items():
        groups = defaultdict(dict)
        for spelling in first_lines:
            groups[same_name(spelling)][spelling] = None
            if name in ("speaker", "session"):
                groups["fold", same_name(fold_name(spelling))][spelling] = None
        for variants in dict.fromkeys(tuple(group) for group in groups.values() if len(group) > 1):
            alike.append(f"{name}s " + " and ".join(f"{shown(v)} (line {first_lines[v]})" for v in variants))
    if alike:
        raise SerError(
            got=f"{path}: {first_few(alike)}",
            expected="names that differ in more than case, punctuation, leading zeros and invisible characters",
            remedy="write the same one the same way, or rename one of them",
        )


def check_enough(path: Path, rows: list[dict], task: str, protocol: str) -> None:
    """Complain about a corpus that is too small for what is asked, or meant for the other task."""
    labels, speakers = (sorted({row[name] for row in rows}) for name in ("label", "speaker"))
    fractions = [label for label in labels if is_number(label) and float(label) % 1]
    if task == "classification" and fractions:
        raise SerError(
            got=f"{path}: labels such as {fractions[0]}",
            expected="names of classes",
            remedy="for numbers, use hparams/bigru_mha_regression.yaml",
        )
    if len(labels) < 2:
        raise SerError(
            got=f"{path}: the labels {labels}", expected="two or more", remedy="add lines with another label"
        )
    if protocol.startswith("loso") and len(speakers) < 3:
        raise SerError(
            got=f"{path}: {len(speakers)} speakers ({', '.join(speakers)})",
            expected="three or more, to leave one out and to train on several",
            remedy="add speakers; or a column split, and --protocol split",
        )


def is_number(text: str) -> bool:
    """Whether a cell holds a finite number, with a decimal point."""
    written = re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII)
    return written is not None and math.isfinite(float(text))


def clean(name: str) -> str:
    """A name as it may stand in a path and on the command line: letters, digits, ``_`` and ``-``."""
    return re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", name)).strip("_-")


def fold_name(name: str) -> str:
    """A speaker or session as the name of a fold. ``--fold 03`` would be a number, ``--fold yes`` a truth."""
    cleaned = clean(name)
    plain = cleaned[:1].isalpha() and cleaned.lower() not in ("all", "true", "false", "null", "yes", "no", "on", "off")
    device = cleaned.lower() in DEVICES  # Windows makes no folder of such a name
    return cleaned if plain and not device else f"spk{cleaned}"
