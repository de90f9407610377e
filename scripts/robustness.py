"""What pauses, noise, rooms and telephones cost a system: the folds of a run judge their own test recordings, changed.

> python scripts/robustness.py results/EmoDB/bundled/loso --data_folder /path/to/emodb

The model of every fold is exported and judges the recordings of its own test speaker as a user would have it: each is
changed, written as a wav and classified; a recording in which no speech is heard counts as wrong. Then each test
speaker's recordings are put behind one another with half a second of silence between, and a timeline of them is right
for the share of speech in which it shows the right label. The outcome is written as ``robustness.json`` into the run's
folder, where ``ser export --measured-by`` finds it, and a finished fold is kept.
"""

import argparse
import hashlib
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from rich.progress import track

from ser_plugins.copies import BandLimit, Clipping, Noise, Room
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.evaluation.metrics.classification import classification_metrics
from ser_plugins.export.folder import export_model
from ser_plugins.files import read_json, write_json
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.timeline import timeline
from ser_plugins.training.settings import resolve

RATE = 16000  # Hz
GAP = 0.5  # s
FILE = "robustness.json"
NO_SPEECH = "no speech"


def around(wave: torch.Tensor, seconds: float) -> torch.Tensor:
    """A recording (samples,) with digital silence before and after."""
    return torch.nn.functional.pad(wave, (round(seconds * RATE),) * 2)


def floor(wave: torch.Tensor, level: float, generator: torch.Generator) -> torch.Tensor:
    """White noise of ``level`` dB of full scale under a recording (samples,)."""
    return wave + 10 ** (level / 20) * torch.randn(len(wave), generator=generator)


# Each: a recording (samples,) and a generator -> (samples,).
CONDITIONS = {
    "as recorded": lambda wave, generator: wave,
    "0.5 s of zeros around": lambda wave, generator: around(wave, 0.5),
    "0.5 s of noise at -60 dBFS around and under": lambda wave, generator: floor(around(wave, 0.5), -60, generator),
    "noise at -50 dBFS": lambda wave, generator: floor(wave, -50, generator),
    "noise at 10 dB SNR": lambda wave, generator: Noise(10, 10)(wave, generator),
    "telephone, 300 to 3400 Hz": lambda wave, generator: BandLimit(300, 3400)(wave, generator),
    "room, 0.5 s, direct sound as loud as reverberation": lambda wave, generator: Room(0.5, 0.5, 0, 0)(wave, generator),
    "clipped at a fifth of the peak": lambda wave, generator: Clipping(0.2, 0.2)(wave, generator),
    "30 dB softer": lambda wave, generator: 10 ** (-30 / 20) * wave,
}


def judged_fold(fold: Path, manifest: dict, data_root: Path) -> dict:
    """Pairs of true and predicted label by condition; of the fold's timeline the seconds that are right, and all."""
    with tempfile.TemporaryDirectory() as temporary:
        export_model(fold, Path(temporary) / "model")
        classifier = EmotionClassifier.from_hparams(Path(temporary) / "model", device="cpu")
        waves = {}
        for key, fields in manifest.items():
            wave, rate = soundfile.read(fields["wav"].replace("{data_root}", str(data_root)), dtype="float32")
            if rate != RATE:
                raise SystemExit(f"{key}: {rate} Hz; the corpus is expected at {RATE} Hz")
            waves[key] = torch.from_numpy(wave)
        rows = {}
        for name, change in CONDITIONS.items():
            for key, wave in waves.items():
                seed = hashlib.sha256(f"{manifest[key]['sha256']} {name}".encode()).digest()[:7]
                changed = change(wave, torch.Generator().manual_seed(int.from_bytes(seed, "big")))
                path = Path(temporary) / "changed.wav"
                soundfile.write(path, changed.clamp(-1, 1).numpy(), RATE, subtype="PCM_16")
                label = classifier.predict_file(path).label
                rows.setdefault(name, []).append((manifest[key]["emotion"], label or NO_SPEECH))
        return {"labels": rows, "timeline": timeline_seconds(classifier, waves, manifest, Path(temporary) / "all.wav")}


def timeline_seconds(classifier, waves: dict, manifest: dict, path: Path) -> tuple[float, float]:
    """Seconds of speech with the right label, and all seconds of speech, in all recordings behind one another."""
    gap = np.zeros(round(GAP * RATE), dtype=np.float32)
    soundfile.write(path, np.concatenate([part for wave in waves.values() for part in (wave.numpy(), gap)]), RATE)
    segments = timeline(classifier, path).segments
    start = right = 0.0
    for key, wave in waves.items():
        end = start + len(wave) / RATE
        right += sum(
            max(0.0, min(end, segment.end) - max(start, segment.start))
            for segment in segments
            if segment.label == manifest[key]["emotion"]
        )
        start = end + GAP
    return right, sum(len(wave) for wave in waves.values()) / RATE


def summary(folds: list[dict], classes: list[str]) -> dict:
    """Scores over all folds by condition, fractions in 0..1, and the share of the timelines that is right."""
    conditions = {}
    for name in CONDITIONS:
        true, predicted = zip(*(row for fold in folds for row in fold["labels"][name]), strict=True)
        scores = classification_metrics(true, predicted, [*classes, NO_SPEECH])
        conditions[name] = {
            "WA": scores["WA"],
            "UAR": scores["UAR"],
            "no_speech": predicted.count(NO_SPEECH),
        }
    right, seconds = (sum(fold["timeline"][place] for fold in folds) for place in (0, 1))
    return {"recordings": len(true), "conditions": conditions, "timeline": right / seconds}


def main() -> None:
    """Judge the folds that are not judged yet, and write the summary."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", type=Path, help="a run folder of finished folds, with their checkpoints")
    parser.add_argument("--data_folder", type=Path, required=True, help="the corpus")
    parser.add_argument("--every", type=int, default=1, help="of each fold's recordings, in order, each one of so many")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folds, finished = [], sorted(path.parent for path in options.run.glob("seed_*/*/results.json"))
    classes = read_json(finished[0] / "results.json")["protocol"]["classes"]
    for fold in track(finished, description="folds"):
        if not (fold / FILE).is_file():
            manifest = read_manifest(resolve(fold / "hyperparams.yaml", {})["test_annotation"])
            manifest = dict(list(manifest.items())[:: options.every])
            write_json(fold / FILE, judged_fold(fold, manifest, options.data_folder))
        folds.append(read_json(fold / FILE))
    outcome = summary(folds, classes)
    write_json(options.run / FILE, outcome)
    for name, scores in outcome["conditions"].items():
        print(f"{name}: WA {100 * scores['WA']:.1f} %, UAR {100 * scores['UAR']:.1f} %")
    print(f"timeline: right {100 * outcome['timeline']:.1f} % of the speech")


if __name__ == "__main__":
    main()
