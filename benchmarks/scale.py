"""Large corpora: what it costs to prepare one, and the memory of training on one that is larger than the memory.

> python benchmarks/scale.py

A CSV of made-up recordings (noise, each another) is prepared by ``recipes/CSV`` with leave-one-speaker-out, and the
manifests of one fold are written, as for a training with ``--fold``: first when nothing is known of the recordings, and
again when they have not changed. CPU seconds are those of all threads and of child processes: they depend little on how
busy the machine is. Every row is measured in a fresh process.

For the second part the features of every utterance are a file, as those of pretrained encoders are, and a pass over all
of them is made in batches, with training steps now and then. Of the files, each is one of a few under another name.
"""

import csv
import os
import sys
import tempfile
import time
from pathlib import Path

from harness import ROOT, Report, in_fresh_process, parser, significant, table, target
from scaling import BATCH, our_brain

from ser_plugins.machine import cores, peak_memory, tie_to_one_core

RATE = 16000
LABELS = ("anger", "fear", "joy", "sadness")
LARGEST = (100_000, 1000, 0.25)  # utterances, speakers, s
CURVES = ((1000, 10, 0.25), (10_000, 10, 0.25), (10_000, 100, 0.25), (10_000, 1000, 0.25), (1000, 10, 4.0), LARGEST)
QUICK = ((40, 4, 0.25), (40, 8, 0.5))
SIDE_BY_SIDE, QUICK_SIDE_BY_SIDE = (1000, 10, 4.0), (40, 4, 0.25)  # what is prepared on one core, and on all
HOURS, QUICK_HOURS = (2, 20, 200), (0.05,)
UTTERANCE = 3  # s, of those that are trained on
NAMES = 1000  # of one file
STEPS = 20


def main():
    """Measure, write ``scale.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    report = Report("scale", "Scale", options, "made-up recordings")
    sizes = QUICK if options.quick else CURVES
    rows = [row for size in sizes for row in measured(*size)]
    first = rows[-2]
    utterances, speakers, _ = sizes[-1]
    corpus = f"{utterances:,} utterances of {speakers:,} speakers, prepared for the first time"
    report.targets.append(target(f"{corpus}: CPU time", 60, first["CPU time / s"], "s"))
    report.targets.append(target(f"{corpus}: peak memory", 500, first["peak memory / MiB"], "MiB"))
    note = "One fold per speaker; of one of them the manifests are written. Memory: resident, libraries included."
    report.tables.append(table("scale_prepare", "Preparation of `recipes/CSV`, leave-one-speaker-out", rows, note))
    report.tables.append(cores_table(*(QUICK_SIDE_BY_SIDE if options.quick else SIDE_BY_SIDE)))
    report.tables.append(training_table(QUICK_HOURS if options.quick else HOURS))
    report.write()


def measured(utterances, speakers, seconds) -> list[dict]:
    """A row for the first preparation of a corpus, and one for the next."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = write_corpus(Path(folder), utterances, speakers, seconds)
        for turn in ("first", "again"):
            cost = measured_once(path, f"{folder}/manifests")
            sizes = {"utterances": utterances, "speakers": speakers, "length / s": seconds, "preparation": turn}
            rows.append(sizes | cost)
    return rows


def measured_once(path: Path, folder: str, one_core: bool = False) -> dict:
    """What one preparation costs."""
    cost = in_fresh_process(prepare, str(path), folder, one_core, environment={"OMP_NUM_THREADS": "1"})
    return {name: significant(value) for name, value in cost.items()}


def cores_table(utterances, speakers, seconds) -> dict:
    """A row for one core, and one for all."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = write_corpus(Path(folder), utterances, speakers, seconds)
        for number in dict.fromkeys((1, cores())):
            rows.append({"cores": number} | measured_once(path, f"{folder}/manifests{number}", one_core=number == 1))
    size = f"{utterances:,} utterances of {seconds:g} s"
    return table("scale_cores", f"First preparation of {size} over the cores", rows, "")


def write_corpus(folder: Path, utterances: int, speakers: int, seconds: float) -> Path:
    """Write recordings and the CSV that lists them."""
    import numpy as np

    from ser_plugins.sound.convert import write_wav

    generator = np.random.default_rng(0)
    rows = []
    for number in range(utterances):
        speaker = f"speaker{number % speakers}"
        wav = f"{speaker}/{number}.wav"
        (folder / speaker).mkdir(exist_ok=True)
        write_wav(folder / wav, generator.uniform(-0.1, 0.1, round(RATE * seconds)))
        rows.append([wav, LABELS[number // speakers % len(LABELS)], speaker])
    path = folder / "corpus.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["wav", "label", "speaker"], *rows])
    return path


def prepare(path, folder, one_core) -> dict:
    """In a fresh process: what a preparation costs, and how many files it leaves."""
    sys.path.insert(0, str(ROOT / "recipes" / "CSV"))
    from csv_prepare import prepare_csv

    if one_core:
        tie_to_one_core()
    before = sum(os.times()[:4])
    start = time.perf_counter()
    prepare_csv(path, folder, fold="speaker1", cache_folder=f"{folder}/audio")
    return {
        "CPU time / s": sum(os.times()[:4]) - before,
        "time / s": time.perf_counter() - start,
        "peak memory / MiB": peak_memory(),
        "files": sum(len(files) for _, _, files in os.walk(folder)),
    }


def training_table(hours) -> dict:
    """A row for every number of hours."""
    from ser_plugins.training.feature_store import MemoryStore

    rows = []
    for number in hours:
        with tempfile.TemporaryDirectory() as folder:
            cost = in_fresh_process(train, number, folder, environment={"OMP_NUM_THREADS": "1"})
        rows.append({"hours": number} | {name: significant(value) for name, value in cost.items()})
    note = (
        f"One pass in batches of {BATCH}, {STEPS} training steps spread over it. A process keeps "
        f"{MemoryStore().room / 2**30:g} GiB of features in memory and reads the others from their files each time."
    )
    return table("scale_train", "Training of `bigru_mha` from features on the disk", rows, note)


def train(hours, folder) -> dict:
    """In a fresh process: one pass over the features of so many hours."""
    import torch

    from ser_plugins.training.data import collate
    from ser_plugins.training.feature_store import FeatureStore

    brain = our_brain(folder)
    compute = brain.modules.compute_features
    store = FeatureStore(compute, {}, Path(folder) / "features")
    entries = [{"sha256": f"{number:064x}"} for number in range(round(hours * 3600 / UTTERANCE))]
    frames = compute(0.1 * torch.randn(1, RATE * UTTERANCE))[0]
    brain.modules.mean_var_norm.fit([(frames[None], None)])
    write_features(store, entries, frames)
    batches = [entries[first : first + BATCH] for first in range(0, len(entries), BATCH)]
    trained = {round(step * (len(batches) - 1) / (STEPS - 1)) for step in range(STEPS)}
    before = sum(os.times()[:4])
    for number, batch in enumerate(batches):
        examples = [{"id": fields["sha256"], "label": 0, "frames": store.features(fields)} for fields in batch]
        padded = collate(examples)
        if number in trained:
            brain.fit_batch(padded)
    return {
        "features / GiB": len(entries) * frames.numel() * frames.element_size() / 2**30,
        "peak memory / MiB": peak_memory(),
        "CPU time / s": sum(os.times()[:4]) - before,
    }


def write_features(store, entries, frames) -> None:
    """The files in which the store will find the features of these entries."""
    import numpy as np

    paths = [store.path(fields) for fields in entries]
    paths[0].parent.mkdir(parents=True)
    for first in range(0, len(paths), NAMES):
        np.savez(paths[first], features=frames.numpy())
        for path in paths[first + 1 : first + NAMES]:
            path.hardlink_to(paths[first])


if __name__ == "__main__":
    main()
