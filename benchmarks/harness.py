"""What every benchmark shares: its options, one core, systems side by side, fresh processes, and the file it writes.

A benchmark writes ``<name>.json``: the circumstances (machine, load, versions, command, date), the ``targets`` and the
``tables``. A table is a list of rows, column name -> value, units in the name; a value is text, a number, or a spread
``{median, low, high, n}``. ``render.py`` knows no more than that.

Nothing heavy is imported at the top, so that a process can be tied to one core before its libraries count the cores.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.files import write_json
from ser_plugins.machine import load_average, memory_size, processor, tie_to_one_core

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
PACKAGES = ("ser-plugins", "torch", "torchaudio", "speechbrain", "numpy", "librosa", "opensmile")


class Recordings(NamedTuple):
    """The corpus that is measured on: its folder, what to call it, and its wavs with their seconds, shortest first."""

    folder: Path
    name: str
    wavs: list
    seconds: list


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    options = argparse.ArgumentParser(description=description, allow_abbrev=False)
    options.add_argument("--quick", action="store_true", help="a minute instead of minutes; figures not to be cited")
    options.add_argument("--data_folder", type=Path, help="EmoDB; without it a synthetic corpus is written and used")
    options.add_argument("--output", type=Path, default=RESULTS, help="folder of the JSON file")
    return options


def recordings(options, temporary) -> Recordings:
    """The wavs of ``--data_folder``, or a synthetic corpus below ``temporary``; few with ``--quick``."""
    import soundfile

    from ser_plugins.corpora.toy.emodb import write_toy_emodb

    folder, name = options.data_folder, "EmoDB"
    if folder is None:
        size = {"speakers": 3, "sentences": 1, "syllables": 2} if options.quick else {}
        folder, name = write_toy_emodb(Path(temporary) / "emodb", **size), "EmoDB (synthetic)"
    elif not any(Path(folder).glob("wav/*.wav")):
        raise MissingPathError(
            got=f"no wav files in {folder}/wav", expected="EmoDB's folder", remedy="check the path, or leave it out"
        )
    if (Path(folder) / "synthetic_corpus.json").is_file():
        name = "EmoDB (synthetic)"
    lengths = {path: soundfile.info(path).duration for path in sorted(Path(folder).glob("wav/*.wav"))}
    wavs = sorted(lengths, key=lengths.get)
    if options.quick:
        wavs = wavs[:: max(1, len(wavs) // 16)]
    seconds = [lengths[path] for path in wavs]
    return Recordings(
        Path(folder).resolve(), f"{name}, {len(wavs)} recordings, {sum(seconds) / 60:.1f} min", wavs, seconds
    )


def one_core() -> None:
    """Tie this process and its children to one core and one thread."""
    assert "torch" not in sys.modules, "libraries count the cores when they are imported"
    os.environ.update(dict.fromkeys(THREADS, "1"))
    tie_to_one_core()


def side_by_side(systems: dict, rounds: int) -> dict:
    """Seconds of every call, in rounds of one call per system: what disturbs the machine disturbs all of them.

    Example
    -------
    >>> {name: len(seconds) for name, seconds in side_by_side({"a": int, "b": str}, rounds=3).items()}
    {'a': 3, 'b': 3}
    """
    seconds = {name: [] for name in systems}
    names = list(systems)
    for turn in range(rounds):
        first = turn % len(names)  # rotate, so that no system always comes after the same other one
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            systems[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def spread(values, scale=1.0) -> dict:
    """Median with the quartiles, or with the extremes of fewer than four values.

    Example
    -------
    >>> spread([1, 2, 3, 4, 5], scale=10)
    {'median': 30.0, 'low': 20.0, 'high': 40.0, 'n': 5}
    """
    values = sorted(value * scale for value in values)
    low, high = values[0], values[-1]
    if len(values) >= 4:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    figures = {"median": statistics.median(values), "low": low, "high": high}
    return {**{name: significant(value) for name, value in figures.items()}, "n": len(values)}


def compared(seconds: dict, reference: str) -> dict:
    """Spread of every system's time over that of ``reference`` in the same round."""
    return {
        name: spread([mine / theirs for mine, theirs in zip(values, seconds[reference], strict=True)])
        for name, values in seconds.items()
    }


def significant(value: float) -> float:
    """Six significant digits: more would be noise in the file."""
    return float(f"{value:.6g}")


def percentile_95(values) -> float:
    """The value that 95 % of the calls stay below."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def in_fresh_process(function, *arguments, environment=None):
    """Call a function of a benchmark in a new Python; arguments and result travel as JSON.

    Arguments
    ---------
    function : callable
        At the top of a file in this folder.
    arguments : list
        What JSON can hold.
    environment : dict, optional
        Variables to set; None unsets one.
    """
    file = Path(sys.modules[function.__module__].__file__).stem  # the script itself is called __main__ here
    code = (
        f"import json, sys; sys.path.insert(0, {str(HERE)!r}); import {file}; "
        f"print(json.dumps({file}.{function.__name__}(*json.loads(sys.argv[1]))))"
    )
    return json.loads(run([sys.executable, "-c", code, json.dumps(arguments)], environment).splitlines()[-1])


def run(command, environment=None) -> str:
    """Run a command to its end and return what it printed; a failure is an error with the end of its output."""
    variables = {**os.environ, **(environment or {})}
    variables = {name: value for name, value in variables.items() if value is not None}
    command = [str(part) for part in command]
    done = subprocess.run(command, env=variables, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        raise SerError(
            got=f"{' '.join(command)[:300]} ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}",
            expected="a benchmark that runs to its end",
            remedy="mend what the last lines say",
        )
    return done.stdout


def target(name: str, limit: float, measured, unit: str, note: str = "") -> dict:
    """One line of the table of targets; ``measured`` is None where it could not be measured, and ``note`` says why."""
    return {
        "name": name,
        "unit": unit,
        "target": limit,
        "measured": None if measured is None else significant(measured),
        "note": note,
    }


def table(key: str, title: str, rows: list, note: str = "") -> dict:
    """One table: rows of column -> value."""
    return {"key": key, "title": title, "note": note, "rows": rows}


def gpu_name():
    """The first GPU, or None."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def machine() -> dict:
    """What was measured on, and how busy it was just then."""
    memory, load = memory_size(), load_average()
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "memory_GB": None if memory is None else round(memory / 2**30),
        "gpu": gpu_name(),
        "load_average": None if load is None else [round(value, 2) for value in load],
    }


def versions() -> dict:
    """Python and the packages that are compared."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


class Report:
    """Collects a benchmark's targets and tables, and writes them with the circumstances in which it was started."""

    def __init__(self, name: str, title: str, options, corpus: str | None = None):
        self.file = options.output / f"{name}.json"
        # Paths of this machine say nothing to readers: of each, the last part.
        words = [f"benchmarks/{name}.py", *sys.argv[1:]]
        self.content = {
            "schema": 1,
            "benchmark": name,
            "title": title,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "command": " ".join(
                ["python", words[0], *(Path(word).name if "/" in word else word for word in words[1:])]
            ),
            "quick": options.quick,
            "corpus": corpus,
            "machine": machine(),
            "versions": versions(),
        }
        self.targets, self.tables = [], []
        self.started = time.perf_counter()

    def write(self) -> Path:
        """Write the file, and say where it is."""
        seconds = round(time.perf_counter() - self.started, 1)
        write_json(self.file, {**self.content, "seconds": seconds, "targets": self.targets, "tables": self.tables})
        print(f"{self.file}: {seconds:.0f} s")
        return self.file
