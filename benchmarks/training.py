"""Training bigru_mha leave-one-speaker-out: ours against the stock SpeechBrain pattern, same model, same epochs.

> python benchmarks/training.py --data_folder /path/to/emodb

Ours is ``train.py`` as users type it, two folds in two workers; stock is ``stock.py``, one fold in one Python with
default threads. Both are run for a few epochs, in turns, and **extrapolated** to ten folds of 80 epochs::

    ours  = start + (10 folds / workers) * (overhead + 80 * seconds per epoch, two folds side by side)
    stock =          10 folds            * (overhead + 80 * seconds per epoch)

Seconds per epoch are those of every epoch but the first, in which the heap grows: for ours, calls of one epoch and of
several are compared, for stock its own clock is read. What a first epoch takes longer is part of the overhead, as are
imports, statistics and the test set. Ours imports once (start); that is told apart by running the same two folds in one
worker and in two.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import scaling
from harness import (
    ROOT,
    Report,
    in_fresh_process,
    parser,
    recordings,
    run,
    significant,
    spread,
    table,
    target,
)

from ser_plugins.files import read_json
from ser_plugins.machine import cores
from ser_plugins.training.launch.local import WORKER_ENVIRONMENT

FOLDS, EPOCHS = 10, 80  # what is extrapolated to
RECIPE = ROOT / "recipes" / "EmoDB"
DEFAULT_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"))
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def main():
    """Measure, write ``training.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        corpus = recordings(options, folder)
        protocol, manifests = prepare(corpus.folder, folder / "manifests")
        report = Report("training", "Training", options, f"{protocol['corpus']}, {protocol['utterances']} recordings")
        epochs, rounds = (2, 1) if options.quick else (4, 2)
        folds = protocol["folds"][:2]
        train = manifests / folds[0] / "train.json"

        def ours(workers):
            return train_ours(corpus.folder, folder, folds, workers, epochs)

        def stock(environment):
            return train_stock(manifests / folds[0], corpus.folder, folder, epochs, environment)

        runs = {"ours, 2 workers": [], "stock, default threads": []}
        for _ in range(rounds):
            runs["ours, 2 workers"].append(ours(2))
            runs["stock, default threads"].append(stock(DEFAULT_THREADS))
        runs["ours, 1 worker"] = [ours(1)]
        share_overhead(runs["ours, 2 workers"], runs["ours, 1 worker"])
        runs["stock, one thread"] = [stock(ONE_THREAD)]
        report.tables.append(summary_table(runs, epochs, read_json(train), report.targets))
        report.tables.append(length_table(folder, options.quick))
        report.write()


def prepare(data_folder, manifests):
    """Write the manifests of every fold, as ``train.py`` does."""
    sys.path.insert(0, str(RECIPE))
    from emodb_prepare import prepare_emodb

    return prepare_emodb(data_folder, manifests), manifests


def train_ours(data_folder, folder, folds, workers, epochs) -> dict:
    """Two calls of ``train.py``; seconds per epoch of every fold, and what the longer call took beside its epochs."""
    (_, short), (wall, files) = (call_ours(data_folder, folder, folds, workers, count) for count in (1, epochs))
    pairs = zip(files, short, strict=True)
    seconds = [(long["wall_time_s"] - first["wall_time_s"]) / (epochs - 1) for long, first in pairs]
    return {
        "epoch_s": seconds,
        "beside_s": wall - epochs * sum(seconds) / workers,
        "loss": files[0]["history"][-1]["train_loss"],
        "parameters": files[0]["parameters"],
        "utterances": files[0]["counts"]["train"],
        "side_by_side": workers,
    }


def call_ours(data_folder, folder, folds, workers, epochs) -> tuple:
    """Seconds of one call of ``train.py``, and the results of its folds."""
    results = Path(tempfile.mkdtemp(dir=folder))
    command = [
        *(sys.executable, RECIPE / "train.py", "hparams/bigru_mha.yaml", "--noprogressbar"),
        *("--data_folder", data_folder, "--results_folder", results, "--number_of_epochs", epochs),
        *("--fold", ",".join(folds), "--jobs", workers),
    ]
    start = time.perf_counter()
    run(command, {"CUDA_VISIBLE_DEVICES": ""})
    wall = time.perf_counter() - start
    run_folder = results / "bigru_mha" / "loso" / "seed_1234"
    return wall, [read_json(run_folder / fold / "results.json") for fold in folds]


def share_overhead(two_workers, one_worker) -> None:
    """What a call takes beside its epochs: ``start_s`` once, ``overhead_s`` for every fold that a worker trains."""
    # Two folds: one after the other in one worker, side by side in two.
    beside = spread([one["beside_s"] for one in two_workers])["median"]
    per_fold = max(0.0, one_worker[0]["beside_s"] - beside)
    for one in (*two_workers, *one_worker):
        one.update(overhead_s=per_fold, start_s=max(0.0, beside - per_fold))


def train_stock(manifests, data_folder, folder, epochs, environment) -> dict:
    """One call of ``stock.py``."""
    output = Path(tempfile.mkdtemp(dir=folder)) / "stock.json"
    script = Path(__file__).with_name("stock.py")
    annotations = [manifests / f"{part}.json" for part in ("train", "test")]
    start = time.perf_counter()
    run([sys.executable, script, *annotations, data_folder, output, "--epochs", epochs], environment)
    wall = time.perf_counter() - start
    result = read_json(output)
    seconds = [row["seconds"] for row in result["history"]]
    return {
        "epoch_s": seconds[1:],
        "overhead_s": wall - epochs * sum(seconds[1:]) / (epochs - 1),
        "start_s": 0.0,
        "loss": result["history"][-1]["loss"],
        "parameters": result["parameters"],
        "utterances": result["utterances"],
        "side_by_side": 1,
    }


def summary_table(runs, epochs, entries, targets) -> dict:
    """Seconds per epoch, throughput, the extrapolated whole, and two checks that it is the same model."""
    whole = {name: [extrapolated(one) for one in results] for name, results in runs.items()}
    reference = spread(whole["stock, default threads"])["median"]
    padding = {"ours": padding_share(entries, by_length=True), "stock": padding_share(entries, by_length=False)}
    rows = []
    for name, results in runs.items():
        seconds = [value for one in results for value in one["epoch_s"]]
        beside = results[0]["side_by_side"]
        rows.append(
            {
                "system": name,
                "folds side by side": beside,
                "s per epoch": spread(seconds),
                "utterances per second": spread([beside * results[0]["utterances"] / value for value in seconds]),
                "start / s": significant(results[0]["start_s"]),
                "overhead per fold / s": spread([one["overhead_s"] for one in results]),
                f"{FOLDS} folds x {EPOCHS} epochs / min, extrapolated": spread(whole[name], 1 / 60),
                "of stock": significant(spread(whole[name])["median"] / reference),
                "padding / %": significant(100 * padding[name.split(",")[0]]),
                f"train loss after epoch {epochs}": significant(results[0]["loss"]),
                "parameters": results[0]["parameters"],
            }
        )
    # Of runs that followed one another, so that a change of the machine's mood is in both.
    pairs = zip(whole["ours, 2 workers"], whole["stock, default threads"], strict=True)
    measured = spread([ours / stock for ours, stock in pairs])["median"]
    one_thread = spread(whole["ours, 2 workers"])["median"] / spread(whole["stock, one thread"])["median"]
    note = f"Extrapolated from {epochs} epochs. Over stock with one thread: {one_thread:.2g}."
    if cores() != 2:
        note += f" Measured on {cores()} cores."
    name = "EmoDB leave-one-speaker-out on two CPU cores: wall time, ours over stock"
    targets.append(target(name, 0.11, measured, "x", note))
    losses = [runs[name][0]["loss"] for name in ("ours, 2 workers", "stock, default threads")]
    note = "Accuracy at the end takes 80 epochs of stock and is not measured; `stock.py` does it, fold by fold."
    name = f"Train loss after the same epochs ({epochs}), ours over stock: within 5 %"
    targets.append(target(name, 1.05, losses[0] / losses[1], "x", note))
    note = f"Epochs that were run: {epochs}; the rest is extrapolated."
    return table("training", "Ours and the stock pattern", rows, note)


def extrapolated(one) -> float:
    """Seconds for all folds and epochs."""
    rounds = -(-FOLDS // one["side_by_side"])
    return one["start_s"] + rounds * (one["overhead_s"] + EPOCHS * sum(one["epoch_s"]) / len(one["epoch_s"]))


def padding_share(entries, by_length, batch=32) -> float:
    """Share of padding in the batches of an epoch: ours, or batches in random order."""
    seconds = [entry["duration"] for entry in entries.values()]
    if by_length:
        from ser_plugins.training.data import LengthSortedBatches

        batches = list(LengthSortedBatches(seconds, batch))
    else:
        order = random.Random(0).sample(range(len(seconds)), len(seconds))
        batches = [order[start : start + batch] for start in range(0, len(order), batch)]
    padded = sum(len(indices) * max(seconds[index] for index in indices) for indices in batches)
    return 1 - sum(seconds) / padded


def length_table(folder, quick) -> dict:
    """Throughput of single steps over the length of utterances."""
    lengths, steps = ((1, 2), 1) if quick else ((1, 2, 4, 8), 2)
    ours = in_fresh_process(
        scaling.ours_over_length, lengths, steps, str(folder), environment={**WORKER_ENVIRONMENT, **ONE_THREAD}
    )
    stock = in_fresh_process(scaling.stock_over_length, lengths, steps, str(folder), environment=DEFAULT_THREADS)
    rows = [
        {
            "utterance / s": length,
            "ours, one worker, one thread: s per step": spread(mine),
            "stock, default threads: s per step": spread(theirs),
            "ours: utterances per second": significant(scaling.BATCH / spread(mine)["median"]),
            "stock: utterances per second": significant(scaling.BATCH / spread(theirs)["median"]),
        }
        for length, mine, theirs in zip(lengths, ours, stock, strict=True)
    ]
    return table("utterance_length", f"Over the length of utterances, batches of {scaling.BATCH}", rows)


if __name__ == "__main__":
    main()
