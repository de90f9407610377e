"""The models in the package side by side, in one run: commands on all cores; on one core start, latency, memory.

> python benchmarks/bundled.py --data_folder /path/to/emodb

Beside their latency is that of two usual ways: wav2vec2-base (its architecture with random weights, ``models.py``), and
a support vector machine on openSMILE's eGeMAPS, where openSMILE is installed (``pip install -e .[bench]``; its licence
allows research and private use only).
"""

import sys
import tempfile
from pathlib import Path

from features import EGEMAPS
from harness import (
    Report,
    compared,
    in_fresh_process,
    one_core,
    parser,
    percentile_95,
    recordings,
    run,
    side_by_side,
    significant,
    spread,
    table,
    target,
)
from inference import SECONDS, write_wav
from models import CLASSES, WAV2VEC2, build

from ser_plugins.machine import peak_memory

NAMES = ("standard", "fast", "small")
FAST = "fast"
SVM = f"{EGEMAPS}, SVM"
SHARES = {WAV2VEC2: 1 / 25, SVM: 1 / 3}  # of the time of a peer


def main():
    """Measure, write ``bundled.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = recordings(options, temporary)
        wav = write_wav(Path(temporary) / "speech.wav")
        commands, targets = command_table(corpus, wav, 1 if options.quick else 4)
        title = f"one synthetic wav of {SECONDS} s; a folder: {corpus.name}"
        one_core()
        from ser_plugins.inference.loading import BUNDLED

        report = Report("bundled", "The models in the package", options, title)
        report.targets += targets
        report.tables.append(commands)
        report.tables.append(start_table(BUNDLED, 1 if options.quick else 4, report.targets))
        report.tables.append(latency_table(BUNDLED, wav, 2 if options.quick else 40, report.targets))
        report.tables.append(size_table(BUNDLED, wav, report.targets))
    report.write()


def command_table(corpus, wav, rounds) -> tuple[dict, list]:
    """``ser classify`` as it is typed, on all cores: one file from a cold start, and all files of the corpus."""
    command = [
        sys.executable,
        "-c",
        "from ser_plugins.cli import main; main()",
        "classify",
        "--quiet",
        "--format",
        "csv",
    ]
    rows, targets = [], []
    for name in NAMES:
        one = [*command, "--model", name, wav]
        run(one)  # from now on the files are in the system's cache
        start = spread(side_by_side({name: lambda one=one: run(one)}, rounds)[name])
        whole = [*command, "--model", name, *corpus.wavs]
        (seconds,) = side_by_side({name: lambda whole=whole: run(whole)}, 1)[name]
        factor = significant((seconds - start["median"]) / sum(corpus.seconds))
        rows.append({"model": name, "one file / s": start, "many: time per second of sound / s": factor})
        if name == NAMES[0]:
            targets.append(target("`ser classify` of one file, from a cold start", 3, start["median"], "s"))
            targets.append(target("`ser classify` of many files: time per second of sound", 1 / 200, factor, "s / s"))
    note = f"Many: {len(corpus.wavs)} recordings, without the start."
    return table("bundled_command", "`ser classify` as it is typed, all cores", rows, note), targets


def start_table(names, rounds, targets) -> dict:
    """Wall time of whole processes that import torch, or import what a model needs and load it."""
    load = "from ser_plugins.inference import EmotionClassifier; EmotionClassifier.from_hparams({!r}, device='cpu')"
    programs = {"import torch": "import torch", **{f"load {name}": load.format(name) for name in names}}
    commands = {name: [sys.executable, "-c", code] for name, code in programs.items()}
    for command in commands.values():
        run(command)  # from now on the files are in the system's cache
    seconds = side_by_side({name: lambda command=command: run(command) for name, command in commands.items()}, rounds)
    host = seconds["import torch"]
    rows = [{"process": name, "wall time / s": spread(values)} for name, values in seconds.items()]
    for name in names:
        beyond = spread([mine - theirs for mine, theirs in zip(seconds[f"load {name}"], host, strict=True)])
        rows.append({"process": f"{name}, beyond `import torch`", "wall time / s": beyond})
        if name == FAST:
            targets.append(target(f"Load {name} beyond torch's import, one core", 1.0, beyond["median"], "s"))
    return table("bundled_start", "Import and load, each in a fresh process on one core", rows)


def latency_table(names, wav, rounds, targets) -> dict:
    """One file at a time, through ``EmotionClassifier``: read, checked, judged; and by the peers."""
    from ser_plugins.inference import EmotionClassifier

    models = {name: EmotionClassifier.from_hparams(name, device="cpu") for name in names}
    calls = {name: lambda model=model: model.predict_file(wav) for name, model in models.items()}
    calls |= {name: lambda judge=judge: judge(wav) for name, judge in peers().items()}
    for call in calls.values():
        call()
    seconds = side_by_side(calls, rounds)
    rows = [
        {
            "system": name,
            "latency / ms": spread(values, 1000),
            "95th percentile / ms": significant(1000 * percentile_95(values)),
        }
        for name, values in seconds.items()
    ]
    measured = spread(seconds[FAST], 1000)["median"]
    targets.append(target(f"{FAST}, one {SECONDS}-s wav on one core: median latency", 30, measured, "ms"))
    for peer, share in SHARES.items():
        shares = compared(seconds, peer) if peer in seconds else {}
        for name in names:
            measured = shares[name]["median"] if shares else None
            note = "" if shares else "openSMILE is not installed"
            targets.append(target(f"{name}: its latency over that of {peer}", share, measured, "", note))
    return table("bundled_latency", f"Latency of one {SECONDS}-s wav, reading included, one core", rows)


def peers() -> dict:
    """Functions of a path, by name; openSMILE's only where it is installed."""
    systems = {WAV2VEC2: build(WAV2VEC2).of_file}
    try:
        import opensmile
    except ImportError:
        return systems
    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    rows = np.random.default_rng(0).normal(size=(500, len(smile.feature_names)))  # as many as a small corpus has
    svm = make_pipeline(StandardScaler(), SVC()).fit(rows, np.arange(len(rows)) % CLASSES)
    systems[SVM] = lambda path: svm.predict(smile.process_file(str(path)).to_numpy())
    return systems


def size_table(folders, wav, targets) -> dict:
    """Bytes on the disk, and peak memory of a process that classifies one file."""
    rows = []
    for name, folder in folders.items():
        megabytes = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        memory = in_fresh_process(memory_of_one_file, name, str(wav))
        rows.append({"model": name, "size / MB": significant(megabytes), "peak memory / MiB": significant(memory)})
        if name == FAST:
            targets.append(target(f"{name} on the disk", 20, significant(megabytes), "MB"))
            targets.append(target(f"{name}: peak memory of a process", 700, significant(memory), "MiB"))
    return table("bundled_size", "Size, and memory of a fresh process, libraries included", rows)


def memory_of_one_file(name, wav) -> float:
    """In a fresh process: peak memory in MiB after classifying one file."""
    from ser_plugins.inference import EmotionClassifier

    EmotionClassifier.from_hparams(name, device="cpu").predict_file(wav)
    return peak_memory()


if __name__ == "__main__":
    main()
