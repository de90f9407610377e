"""Training on a GPU: how long ten folds take, whether GPU and CPU agree, what precision and the like cost, fine-tuning.

> python benchmarks/gpu.py --data_folder /path/to/emodb --encoder /path/to/whisper-base --jobs 10 --mps

Runs ``train.py`` as users type it, with N worker processes on the first GPU. A wall time is that of the whole call:
imports, features, all epochs, tests and report. The JSON is written anew after every section, so that what ends the
command early takes the section at hand and no other; sections of an earlier call on the same machine are kept. Without
a GPU it says so, writes an entry that says so, and exits with 0; ``--device cpu --quick`` shows that all of it runs.
"""

import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpu_variants import measure_step, measure_variants
from harness import ROOT, Report, gpu_name, parser, recordings, run, significant, spread, table, target

from ser_plugins.errors import SerError
from ser_plugins.files import read_json
from ser_plugins.machine import cores

TARGETS = {"bigru_mha": 2.0, "bigru_mha_xu2024": 10.0}  # minutes on one H200
TITLE = "Ten folds, 80 epochs, one GPU: minutes of wall time"
SEEDS = (1234, 1, 2, 3, 4)


class Setting:
    """What the sections share: the corpus, where runs go, the device, and whether all of it is only a rehearsal."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = options.results_folder or folder / "results"
        self.corpus = recordings(options, folder)
        self.device, self.quick = options.device, options.quick
        self.epochs = 2 if self.quick else 80
        self.hardware = gpu_name() if self.device != "cpu" else "CPU"
        self.fold = f"spk{self.corpus.wavs[0].name[:2]}"

    def command(self, results, *options, yaml="bigru_mha", device=None, start=(sys.executable,)) -> list:
        """The call of ``train.py`` as users type it."""
        return [
            *(*start, ROOT / "recipes" / "EmoDB" / "train.py", f"hparams/{yaml}.yaml"),
            *("--data_folder", self.corpus.folder, "--results_folder", self.folder / results),
            *("--device", device or self.device, "--noprogressbar", *options),
            *(("--batch_size", 4) if self.quick else ()),  # more than one batch of a small corpus
        ]

    def note(self, epochs=None) -> str:
        """Where it was measured, and how."""
        return f"{self.hardware}, {self.options.jobs} workers" + (f", only {epochs} epochs." if epochs else ".")


def main():
    """Measure the sections asked for, write ``gpu.json``."""
    options = arguments()
    with (
        tempfile.TemporaryDirectory() as temporary,
        multi_process_service(temporary) if options.mps else contextlib.nullcontext(),  # before the card is touched
    ):
        report = Report("gpu", "Training on a GPU", options)
        if options.device != "cpu" and gpu_name() is None:
            print("no GPU on this machine: nothing to measure")
            report.content["skipped"] = "no GPU"
            for system, minutes in TARGETS.items():
                report.targets.append(target(f"{system}: {TITLE}", minutes, None, "min", "No GPU on this machine."))
            report.tables.append(table("gpu", TITLE, [], "No GPU on this machine: not measured."))
            report.write()
            return
        setting = Setting(options, Path(temporary))
        report.content["corpus"] = setting.corpus.name
        keep_earlier(report)
        for name in options.only:
            SECTIONS[name](setting, report)
            report.write()


def arguments():
    """The options of the command line."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--only", type=_sections, default=tuple(SECTIONS), help=f"some of {','.join(SECTIONS)}")
    options.add_argument("--jobs", type=int, default=min(10, cores()), help="worker processes on the card")
    options.add_argument("--device", default="cuda:0", help="cpu: to see that it runs, with --quick")
    options.add_argument("--mps", action="store_true", help="start NVIDIA's multi-process service for the time of it")
    options.add_argument("--encoder", type=Path, help="folder with Whisper base, for the section finetune")
    options.add_argument("--reference", type=Path, help="the same run from a CPU; default: trained here")
    options.add_argument("--seeds", type=int, default=len(SEEDS), help="how many, of agreement and finetune")
    options.add_argument("--results_folder", type=Path, help="where runs are kept; default: nowhere")
    return options.parse_args()


def _sections(text):
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in SECTIONS]:
        raise SerError(got=f"--only {unknown[0]}", expected=", ".join(SECTIONS), remedy="correct the option")
    return names


def keep_earlier(report) -> None:
    """Begin with the sections of an earlier call, where the same machine and the same corpus were measured."""
    earlier = read_json(report.file) if report.file.is_file() else {}
    same = all(
        earlier.get(key) == report.content[key] for key in ("quick", "corpus", "versions")
    ) and earlier["machine"]["gpu"] == report.content["machine"]["gpu"]  # fmt: skip
    if same and "skipped" not in earlier:
        report.targets, report.tables = earlier["targets"], earlier["tables"]
        report.content["command"] = f"{earlier['command']}; {report.content['command']}"
        report.started -= earlier["seconds"]


def add(report, content, targets=()) -> None:
    """Put a table and its targets into the report, in the place of older ones."""
    names = [line["name"] for line in targets]
    report.targets = [line for line in report.targets if line["name"] not in names] + list(targets)
    report.tables = [other for other in report.tables if other["key"] != content["key"]] + [content]


def row_by_row(report, tables) -> None:
    """Write the file for every row of a table that grows."""
    for content in tables:
        add(report, content)
        report.write()


@contextlib.contextmanager
def multi_process_service(folder):
    """NVIDIA's MPS: kernels of several processes run at once; without it a card turns from one process to the next."""
    pipe = Path(folder) / "mps"
    pipe.mkdir()
    os.environ.update(CUDA_MPS_PIPE_DIRECTORY=str(pipe), CUDA_MPS_LOG_DIRECTORY=str(pipe))
    try:
        subprocess.run(["nvidia-cuda-mps-control", "-d"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SerError(
            got=f"--mps: {error}", expected="NVIDIA's nvidia-cuda-mps-control", remedy="drop --mps"
        ) from None
    try:
        yield
    finally:
        end_service(pipe)
        del os.environ["CUDA_MPS_PIPE_DIRECTORY"], os.environ["CUDA_MPS_LOG_DIRECTORY"]


def end_service(pipe: Path, seconds: float = 20) -> None:
    """Ask the service of ``pipe`` to quit; where it does not answer, as one on an H200 did not, kill its processes."""
    try:
        quitting = {"input": "quit\n", "encoding": "utf-8", "timeout": seconds}
        subprocess.run(["nvidia-cuda-mps-control"], check=False, **quitting)
    except subprocess.TimeoutExpired:
        for file in pipe.glob("*.pid"):  # the service writes its number there, and is alone with this folder
            subprocess.run(["kill", "-KILL", file.read_text(encoding="utf-8").strip()], check=False)
        print(f"the multi-process service did not end within {seconds} s and was killed")


def measure_ten_folds(system, setting, report) -> None:
    """Ten folds of one system, one seed, in a folder that was empty."""
    if (setting.folder / system / system).exists():
        raise SerError(got=f"runs in {setting.folder / system}", expected="none yet", remedy="empty --results_folder")
    epochs, jobs = setting.epochs, setting.options.jobs
    start = time.perf_counter()
    run(setting.command(system, "--system", system, "--number_of_epochs", epochs, "--jobs", jobs))
    wall = (time.perf_counter() - start) / 60
    folder = setting.folder / system / system / "loso"
    results = read_json(folder / "results.json")
    row = {
        "system": system,
        "workers": jobs,
        "multi-process service": "yes" if setting.options.mps else "no",
        "epochs": epochs,
        "wall time / min": significant(wall),
        "s per epoch of a fold": spread(record["wall_time_s"] / epochs for record in fold_records(folder)),
        "UAR": significant(results["metrics"]["UAR"]),
        "WA": significant(results["metrics"]["WA"]),
    }
    others = next((other["rows"] for other in report.tables if other["key"] == "gpu"), [])
    rows = [other for other in others if other["system"] != system] + [row]
    # Fewer epochs, or no GPU, say nothing about the target.
    full = epochs == 80 and setting.device != "cpu"
    line = target(f"{system}: {TITLE}", TARGETS[system], wall if full else None, "min", setting.note())
    add(report, table("gpu", TITLE, rows, f"{setting.hardware}. The workers share the card."), [line])


def fold_records(run_folder) -> list:
    """What ``results.json`` says of every trained fold of a run."""
    return [read_json(path) for path in sorted(run_folder.glob("seed_*/*/results.json"))]


def measure_agreement(setting, report) -> None:
    """Several seeds on the GPU, one on the CPU: how far do predictions differ, by device and by seed?"""
    from ser_plugins.evaluation.runs.folds import read_run

    system = "bigru_mha"
    seeds = SEEDS[: setting.options.seeds]
    options = ("--system", system, "--number_of_epochs", setting.epochs, "--jobs", setting.options.jobs)
    run(setting.command(system, *options, "--seeds", ",".join(map(str, seeds))))
    reference = setting.options.reference
    if reference is None:
        reference = setting.folder / "cpu" / system / "loso"
        run(setting.command("cpu", *options, "--seeds", SEEDS[0], device="cpu"))
    runs = [predictions(read_run(folder)) for folder in (setting.folder / system / system / "loso", reference)]
    for content in agreement(setting.hardware, *runs, f"{system}, {setting.epochs} epochs, all folds: scores"):
        add(report, content)


def agreement(hardware, on_gpu, on_cpu, title) -> list:
    """The tables of two runs of a system, each predictions by seed: what differs, and the scores of every seed."""
    devices = {f"on the {hardware}": on_gpu, "on a CPU": on_cpu}
    both = f"on the {hardware}, and on a CPU"
    pairs = {
        f"{device}, with two seeds": list(itertools.combinations(by_seed.values(), 2))
        for device, by_seed in devices.items()
    }
    pairs[f"{both}, with two seeds"] = [(on_gpu[one], on_cpu[two]) for one in on_gpu for two in on_cpu if one != two]
    pairs[f"{both}, with the same seed"] = [(on_gpu[seed], on_cpu[seed]) for seed in on_gpu if seed in on_cpu]
    rows = [{"trained": name, **differences(found)} for name, found in pairs.items() if found]
    note = "Dropout draws other numbers on a GPU, so that the same seed is another draw there."
    each = [
        {"trained": f"{device}, seed {seed}", **scores(found)}
        for device, by_seed in devices.items()
        for seed, found in by_seed.items()
    ]
    return [
        table("gpu_agreement", "The CPU and the GPU: do their models predict the same?", rows, note),
        table("gpu_seeds", title, each),
    ]


def predictions(folds) -> dict:
    """Predictions of a run by seed: tables with an utterance per row, in one order."""
    import pandas as pd

    tables = {}
    for record, by_target in folds:
        tables.setdefault(record.seed, []).append(next(iter(by_target.values())).set_index("id"))
    return {seed: pd.concat(parts).sort_index() for seed, parts in tables.items()}


def scores(found) -> dict:
    """Accuracy and mean recall of a table of predictions."""
    right = found["predicted"] == found["true"]
    return {"UAR": significant(right.groupby(found["true"]).mean().mean()), "WA": significant(right.mean())}


def differences(pairs) -> dict:
    """Over pairs of tables of predictions: share of equal labels, and how far probabilities are from each other."""
    labels, means = [], []
    for one, other in pairs:
        columns = [name for name in one if name.startswith("p_")]
        labels.append(100 * float((one["predicted"] == other["predicted"]).mean()))
        means.append(float((one[columns] - other[columns]).abs().to_numpy().mean()))
    return {"pairs": len(pairs), "same label / %": spread(labels), "mean difference of a probability": spread(means)}


def measure_finetuning(setting, report) -> None:
    """Ten folds of the system whose encoder is trained too, and of the same with it frozen, seed by seed."""
    from ser_plugins.evaluation.runs.folds import read_run

    title, rows = "Whisper's encoder fine-tuned, ten folds", []
    if setting.options.encoder is None:
        add(report, table("gpu_finetuning", title, rows, "No --encoder: not measured."))
        return
    trained, frozen = ("whisper_finetuned", ()), ("whisper_not_finetuned", ("--trained_from", 0))
    fixed = ("--source", setting.options.encoder, "--jobs", setting.options.jobs)
    fixed += ("--number_of_epochs", 1, "--states", "1-2") if setting.quick else ()
    for seed in SEEDS[: setting.options.seeds]:
        for system, options in (trained, frozen):
            command = setting.command(
                "finetune", "--system", system, "--seeds", seed, *fixed, *options, yaml="whisper_finetuned"
            )
            start = time.perf_counter()
            run(command)
            wall = (time.perf_counter() - start) / 60
            folder = setting.folder / "finetune" / system / "loso"
            records = [record for record in fold_records(folder) if record["seed"] == seed]
            rows.append(
                {
                    "encoder": "frozen" if options else "trained",
                    "seed": str(seed),
                    "epochs": records[0]["epochs"],
                    "wall time / min": significant(wall),
                    "s per epoch of a fold": spread(record["wall_time_s"] / record["epochs"] for record in records),
                    **scores(predictions(read_run(folder))[seed]),
                }
            )
            add(report, table("gpu_finetuning", title, rows, setting.note()))
            report.write()


SECTIONS = {
    "bigru_mha": lambda setting, report: measure_ten_folds("bigru_mha", setting, report),
    "step": lambda setting, report: row_by_row(report, measure_step(setting)),
    "variants": lambda setting, report: row_by_row(report, measure_variants(setting)),
    "agreement": measure_agreement,
    "finetune": measure_finetuning,
    "xu2024": lambda setting, report: measure_ten_folds("bigru_mha_xu2024", setting, report),
}

if __name__ == "__main__":
    main()
