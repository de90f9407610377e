"""Classifying a 3-s wav: ours against SpeechBrain's ECAPA-TDNN and the architecture of wav2vec2-base, on one core.

> python benchmarks/inference.py

All weights are random (``models.py``): this is about cost, not accuracy. Every call reads the file, computes what the
model takes, and ends with probabilities.

Multiply-accumulates are half of what torch's FlopCounterMode counts in one call on 3 s: matrix products, convolutions,
recurrent layers, and attention (computed by its unfused path while counting); FFTs and element-wise work are not in it.
"""

import sys
import tempfile
from pathlib import Path

from harness import (
    Report,
    compared,
    in_fresh_process,
    one_core,
    parser,
    percentile_95,
    run,
    side_by_side,
    significant,
    spread,
    table,
    target,
)
from models import CLASSES, FRONT_ENDS, OURS, SYSTEMS, build, our_modules, write_model

from ser_plugins.machine import peak_memory

RATE, SECONDS, BATCH = 16000, 3, 8


def main():
    """Measure, write ``inference.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    one_core()
    report = Report("inference", "Inference", options, f"one synthetic wav of {SECONDS} s")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wav, model = write_wav(folder / "speech.wav"), write_model(folder / "model")
        report.tables.append(start_table(model, 1 if options.quick else 4, report.targets))
        systems = {name: build(name) for name in SYSTEMS}
        report.tables.append(latency_table(systems, wav, 2 if options.quick else 40, report.targets))
        report.tables.append(throughput_table(systems, 1 if options.quick else 3))
        report.tables.append(gpu_table(systems))
        report.tables.append(size_table(systems, wav))
    report.write()


def write_wav(path) -> Path:
    """Write ``SECONDS`` of noise."""
    import numpy as np
    import soundfile

    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, RATE * SECONDS), RATE, subtype="PCM_16")
    return path


def start_table(model, rounds, targets) -> dict:
    """Wall time of whole processes that do nothing but import, or import and load."""
    load = "from ser_plugins.inference import EmotionClassifier; EmotionClassifier.from_hparams({!r}, device='cpu')"
    programs = {
        "import torch": "import torch",
        "import speechbrain": "import speechbrain",
        "import EmotionClassifier and load a model": load.format(str(model)),
    }
    commands = {name: [sys.executable, "-c", code] for name, code in programs.items()}
    for command in commands.values():
        run(command)  # from now on the files are in the system's cache
    seconds = side_by_side({name: lambda command=command: run(command) for name, command in commands.items()}, rounds)
    _, host, ours = seconds.values()
    beyond = spread([mine - theirs for mine, theirs in zip(ours, host, strict=True)])
    targets.append(target("Import and load beyond SpeechBrain's own import, one core", 3.0, beyond["median"], "s"))
    rows = [{"process": name, "wall time / s": spread(values)} for name, values in seconds.items()]
    rows.append({"process": "the last beyond `import speechbrain`", "wall time / s": beyond})
    return table("start", "Import and load, each in a fresh process on one core", rows)


def latency_table(systems, wav, rounds, targets) -> dict:
    """One file at a time."""
    calls = {name: lambda system=system: system.of_file(wav) for name, system in systems.items()}
    for call in calls.values():
        call()
    seconds = side_by_side(calls, rounds)
    ratios = compared(seconds, OURS)
    rows = [
        {
            "system": name,
            "latency / ms": spread(values, 1000),
            "95th percentile / ms": significant(1000 * percentile_95(values)),
            "real-time factor": significant(spread(values)["median"] / SECONDS),
            "times ours": ratios[name],
        }
        for name, values in seconds.items()
    ]
    measured = rows[0]["latency / ms"]["median"]
    targets.append(target(f"EmotionClassifier, one {SECONDS}-s wav on one core: median latency", 30, measured, "ms"))
    return table("latency", f"Latency of one {SECONDS}-s wav, reading included, one core", rows)


def throughput_table(systems, rounds) -> dict:
    """Batches of waves that are in memory."""
    import torch

    waves = torch.randn(BATCH, RATE * SECONDS)
    calls = {name: lambda system=system: system.of_waves(waves) for name, system in systems.items()}
    for call in calls.values():
        call()
    seconds = side_by_side(calls, rounds)
    rows = [
        {"system": name, "recordings per second": spread([BATCH / value for value in values])}
        for name, values in seconds.items()
    ]
    return table("throughput", f"Throughput in batches of {BATCH} x {SECONDS} s, one core", rows)


def gpu_table(systems) -> dict:
    """Batches on the first GPU, from waves on the CPU to probabilities on the CPU."""
    import torch

    title, batch = "Throughput on the GPU in batches of 256 x 3 s, from and to the CPU's memory", 256
    if not torch.cuda.is_available():
        return table("throughput_gpu", title, [], "No GPU on this machine: not measured.")
    from ser_plugins.inference import EmotionClassifier

    waves, calls = torch.randn(batch, RATE * SECONDS), {}
    for name in systems:
        if name in FRONT_ENDS:  # ours checks its input on the CPU, and moves it itself
            model = EmotionClassifier(our_modules(FRONT_ENDS[name]), range(CLASSES), device="cuda")
            calls[name] = lambda model=model: model.classify_batch(waves).probabilities.cpu()
        else:
            system = build(name)
            system.modules.cuda()
            calls[name] = lambda system=system: system.of_waves(waves.cuda()).cpu()
        calls[name]()
    seconds = side_by_side(calls, 20)
    rows = [
        {"system": name, "recordings per second": spread([batch / value for value in values])}
        for name, values in seconds.items()
    ]
    return table("throughput_gpu", title, rows)


def size_table(systems, wav) -> dict:
    """Parameters, multiply-accumulates, and peak memory of a process that classifies one file."""
    rows = []
    for name, system in systems.items():
        memory = in_fresh_process(memory_of_one_file, name, str(wav))
        rows.append(
            {
                "system": name,
                "parameters / 1e6": significant(sum(value.numel() for value in system.modules.parameters()) / 1e6),
                "GMAC": significant(gmac(system)),
                "memory when loaded / MiB": significant(memory["loaded"]),
                "peak memory / MiB": significant(memory["peak"]),
            }
        )
    note = (
        "GMAC: billions of multiply-accumulates for 3 s (torch's FlopCounterMode / 2: products, convolutions, "
        "recurrence, attention; without FFTs). Memory: resident, of a fresh process, libraries included."
    )
    return table("size", f"Size and cost of one {SECONDS}-s wav", rows, note)


def gmac(system) -> float:
    """Multiply-accumulates of one call on ``SECONDS`` of audio, in billions."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # The counter does not know the CPU's fused attention kernel; the unfused path has the same products.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        system.of_waves(torch.randn(1, RATE * SECONDS))
    return counter.get_total_flops() / 2e9


def memory_of_one_file(name, wav) -> dict:
    """In a fresh process: peak memory in MiB after loading, and after classifying one file."""
    system = build(name)
    loaded = peak_memory()
    system.of_file(wav)
    return {"loaded": loaded, "peak": peak_memory()}


if __name__ == "__main__":
    main()
