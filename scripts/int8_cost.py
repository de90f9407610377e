"""What 8-bit weights cost: each fold's held-out recordings through torch, the ONNX file and its --int8 twin.

    python scripts/int8_cost.py /path/to/EmoDB results/EmoDB/bigru/loso/seed_1234/*

Prints a table over all the folds given, as in benchmarks/NOTES.md. A recording is found by the id that it has in the
fold's predictions.csv: <id>.wav, anywhere below the corpus folder.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd

from ser_plugins.evaluation.metrics.classification import classification_metrics
from ser_plugins.export.folder import export_model
from ser_plugins.export.onnx import export_onnx
from ser_plugins.inference import EmotionClassifier
from ser_plugins.sound.read import read_wave


def on_one_thread(path):
    """A function from a wave (samples,) to probabilities (classes,)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda wave: session.run(None, {"waves": wave[None], "lengths": np.array([len(wave)])})[0][0]


def of_fold(fold: Path, recordings: dict, folder: Path):
    """The fold's recordings: labels, the three runtimes' outputs (count, classes), seconds and MiB of each."""
    export_model(fold, folder / "model")
    export_onnx(folder / "model", folder / "model.onnx")
    export_onnx(folder / "model", folder / "int8.onnx", int8=True)
    model = EmotionClassifier.from_hparams(folder / "model", device="cpu")
    run = {
        "torch": lambda wave: model.classify_batch(wave).probabilities[0].numpy(),
        "ONNX": on_one_thread(folder / "model.onnx"),
        "ONNX, --int8": on_one_thread(folder / "int8.onnx"),
    }
    table = pd.read_csv(fold / "predictions.csv")
    waves = [read_wave(recordings[name])[0] for name in table["id"]]
    outputs, seconds = {}, {}
    for name, classify in run.items():
        classify(waves[0])
        start = time.perf_counter()
        outputs[name] = np.stack([classify(wave) for wave in waves])
        seconds[name] = time.perf_counter() - start
    size = {"ONNX": "model.onnx", "ONNX, --int8": "int8.onnx"}
    return (
        table["true"].tolist(),
        model.labels,
        outputs,
        seconds,
        {name: (folder / file).stat().st_size / 2**20 for name, file in size.items()},
    )


def main(corpus, *folds):
    """Pool the folds and print the table."""
    recordings = {path.stem: path for path in Path(corpus).rglob("*.wav")}
    true, outputs, seconds, sizes = [], {}, {}, {}
    for fold in map(Path, folds):
        with tempfile.TemporaryDirectory() as folder:
            labels, classes, found, took, sizes = of_fold(fold, recordings, Path(folder))
        true += labels
        for name in found:
            outputs.setdefault(name, []).append(found[name])
            seconds[name] = seconds.get(name, 0) + took[name]
    outputs = {name: np.concatenate(parts) for name, parts in outputs.items()}
    print(f"{len(folds)} folds, {len(true)} held-out recordings, one at a time, one thread\n")
    print("| | WA | UAR | same label as torch | largest difference | mean difference | ms each | MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for name, probabilities in outputs.items():
        chosen, reference = probabilities.argmax(axis=1), outputs["torch"].argmax(axis=1)
        metrics = classification_metrics(true, [classes[place] for place in chosen], classes)
        difference = np.abs(probabilities - outputs["torch"])
        print(
            f"| {name} | {100 * metrics['WA']:.2f} | {100 * metrics['UAR']:.2f} "
            f"| {(chosen == reference).sum()} of {len(true)} | {difference.max():.1e} | {difference.mean():.1e} "
            f"| {1000 * seconds[name] / len(true):.1f} | {sizes.get(name, float('nan')):.2f} |"
        )


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
