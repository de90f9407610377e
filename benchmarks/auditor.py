"""Time and memory of `ser audit` on made-up lists without recordings, one process each; prints a table in Markdown.

> python benchmarks/auditor.py [ROWS]

CPU seconds, and VmHWM (Linux) as peak memory: how busy the machine is changes neither much.
"""

import csv
import random
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = ("the", "a", "of", "to", "and", "in", "is", "you", "that", "it", "he", "was", "for", "on", "are", "as", "with")
COLUMNS = ["utt_id", "path", "speaker", "emotion", "duration", "transcript"]
AUDIT = """
import re, resource, sys
from pathlib import Path
from ser_plugins.cli import main
try:
    main()
except SystemExit as end:
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
    print(f"| {used.ru_utime + used.ru_stime:.1f} | {peak:.0f} | {end.code or 0} |")
"""


def made_up(count: int) -> list[list]:
    """Rows of 500 speakers (or as many as make 10 rows each), four emotions, transcripts of 12 words."""
    draw = random.Random(0)
    speakers = max(5, min(500, count // 10))
    return [
        [
            f"u{i:06d}",
            f"corpus/{i % speakers:03d}/{i}.wav",
            f"spk{i % speakers}",
            draw.choice(["joy", "fear", "anger", "sadness"]),
            round(draw.gammavariate(4, 1), 2),
            " ".join(draw.choices(WORDS, k=12)),
        ]
        for i in range(count)
    ]


def write(path: Path, header, rows) -> Path:
    """Write a CSV."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def lists(folder: Path, rows) -> dict[str, Path]:
    """The same corpus as one split, as a column of five folds, and as ten files; nobody is on two sides."""

    def group(row):
        return int(row[2][3:]) % 5

    for fold in range(5):
        for part in ("train", "test"):
            chosen = [row for row in rows if (group(row) == fold) == (part == "test")]
            write(folder / "folds" / f"fold_{fold + 1}_{part}.csv", COLUMNS, chosen)
    parts = ["test", "dev", "train", "train", "train"]
    return {
        "one split": write(folder / "split.csv", [*COLUMNS, "split"], [[*row, parts[group(row)]] for row in rows]),
        "five folds, a column": write(folder / "column.csv", [*COLUMNS, "fold"], [[*row, group(row)] for row in rows]),
        "five folds, ten files": folder / "folds",
    }


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print("| lists | rows | CPU s | peak MiB | exit code |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for size in (count // 5, count):
            (Path(folder) / str(size)).mkdir()
            for name, path in lists(Path(folder) / str(size), made_up(size)).items():
                command = [sys.executable, "-c", AUDIT, "audit", str(path), "--no-audio", "--line"]
                done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
                print(f"| {name} | {size:,} {done.stdout.splitlines()[-1]}", flush=True)
