"""What the warnings of `ser check` cost and find: false alarms on corpora of good speech, hits on made cases.

    python scripts/warnings_cost.py --emodb DATA --cremad DATA --indowave DATA > table.md

The corpora are folders of recordings, searched to any depth.
"""

import argparse
import io
from collections import Counter
from pathlib import Path

import soundfile
from made_sounds import OTHER_SOUNDS, RATE, SPOILT, other_sound

from ser_plugins.inference import open_model
from ser_plugins.inference.quality import check_recording

WARNINGS = ("speech", "rate", "length", "level", "clipping", "silence", "bandwidth", "distance")
SPOILT_FROM = 25  # of so many recordings, one is spoilt
UNSEEN = (0, 4)  # of every six recordings of CREMA-D, those that nobody looked at when thresholds were chosen
SEEDS = range(1000, 1050)  # of sounds; smaller ones were looked at when thresholds were chosen


def findings(model, wave_or_path) -> set[str]:
    """Names of the warnings about a file, or about (samples,) at 16 kHz as a 16-bit wav."""
    if not isinstance(wave_or_path, Path):
        file = io.BytesIO()
        soundfile.write(file, wave_or_path, RATE, format="WAV", subtype="PCM_16")
        wave_or_path = file
    return {finding.what for finding in check_recording(wave_or_path, model).findings}


def false_alarms(model, parts: dict[str, list[Path]]) -> None:
    """A table: percent of each part's recordings that get each warning."""
    print("| warning | " + " | ".join(f"{name} ({len(paths)})" for name, paths in parts.items()) + " |")
    print("|---|" + "---:|" * len(parts))
    counts = {name: Counter(what for path in paths for what in findings(model, path)) for name, paths in parts.items()}
    for what in WARNINGS:
        cells = (f"{count[what] / len(parts[name]):.1%}" for name, count in counts.items())
        print(f"| `{what}` | " + " | ".join(cells) + " |", flush=True)


def hits(model, parts: dict[str, list[Path]]) -> None:
    """Two tables: percent of spoilt speech, and of other sounds, that get the warning they ought to get."""
    print("\n| spoilt speech | warning | " + " | ".join(parts) + " |\n|---|---|" + "---:|" * len(parts))
    for name, (what, spoil) in SPOILT.items():
        cells = []
        for paths in parts.values():
            found = [what in findings(model, spoil(soundfile.read(path)[0])) for path in paths[::SPOILT_FROM]]
            cells.append(f"{sum(found) / len(found):.0%}")
        print(f"| {name} | `{what}` | " + " | ".join(cells) + " |", flush=True)
    print(f"\n| other sound ({len(SEEDS)} of each) | `speech` |\n|---|---:|")
    for kind in OTHER_SOUNDS:
        found = ["speech" in findings(model, other_sound(kind, seed)) for seed in SEEDS]
        print(f"| {kind} | {sum(found) / len(found):.0%} |", flush=True)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for corpus in ("emodb", "cremad", "indowave"):
        parser.add_argument(f"--{corpus}", type=Path, required=True, help="folder with its recordings")
    parser.add_argument("--every", type=int, default=1, help="check only every so-manyth recording of each part")
    options = parser.parse_args()
    found = {
        name: sorted([*folder.rglob("*.wav"), *folder.rglob("*.flac")])
        for name, folder in (("EmoDB", options.emodb), ("CREMA-D", options.cremad), ("IndoWave", options.indowave))
    }
    parts = {
        "EmoDB": found["EmoDB"],
        "CREMA-D, looked at": [path for place, path in enumerate(found["CREMA-D"]) if place % 6 not in UNSEEN],
        "CREMA-D, the rest": [path for place, path in enumerate(found["CREMA-D"]) if place % 6 in UNSEEN],
        "IndoWave": found["IndoWave"],
    }
    model = open_model("small", device="cpu")
    false_alarms(model, {name: paths[:: options.every] for name, paths in parts.items()})
    hits(model, {name: parts[name] for name in ("EmoDB", "CREMA-D, the rest")})


if __name__ == "__main__":
    main()
