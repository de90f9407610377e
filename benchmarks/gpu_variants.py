"""For ``gpu.py``: one fold in bfloat16, without kept features, under ``torchrun``, killed and resumed; and one step.

The variants run one after the other, alone on the card, and what is compared are the seconds of their epochs.
"""

import subprocess
import sys
import time
from pathlib import Path

from harness import in_fresh_process, run, significant, spread, table

from ser_plugins.errors import SerError
from ser_plugins.files import read_json

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1")
BATCH, FRAMES = 32, 304  # 3 s
STEPS = 30


def measure_variants(setting):
    """Yield the table, a row longer each time: seconds per epoch and the last training loss of each variant."""
    epochs = 2 if setting.quick else 12
    backend = "gloo" if setting.device == "cpu" else "nccl"
    variants = {
        "as it is": {},
        "once more": {},
        "bfloat16": {"options": ("--precision", "bf16")},
        "features anew in every batch": {"options": ("--cache_features", "False")},
        "killed and resumed": {"killed": True},
        f"DistributedDataParallel ({backend}), one process": {
            "options": ("--distributed_backend", backend),
            "start": TORCHRUN,
        },
    }
    note = f"bigru_mha, fold {setting.fold}, {epochs} epochs, {setting.hardware}, one process alone."
    rows = []
    for number, (name, how) in enumerate(variants.items()):
        fold = variant(setting, f"variant_{number}", epochs, **how)
        rows.append(
            {
                "variant": name,
                "epochs": len(fold["history"]),
                "s per epoch": significant(fold["wall_time_s"] / epochs),
                "last training loss": significant(fold["history"][-1]["train_loss"]),
                "WA of the fold": significant(fold["metrics"]["WA"]),
            }
        )
        yield table("gpu_variants", "One fold, trained in other ways", rows, note)


def variant(setting, results, epochs, options=(), start=(sys.executable,), killed=False) -> dict:
    """Train one fold of ``bigru_mha``; what its ``results.json`` says."""
    options = ("--number_of_epochs", epochs, "--fold", setting.fold, *options)
    command = setting.command(results, *options, start=start)
    fold = setting.folder / results / "bigru_mha" / "loso" / "seed_1234" / setting.fold
    if killed:
        kill_within(command, fold)
    run(command)
    return read_json(fold / "results.json")


def kill_within(command, fold: Path) -> None:
    """Start a training, and kill it as soon as an epoch is finished."""
    with subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while not list(fold.glob("save/CKPT*/CKPT.yaml")):
            if process.poll() is not None:
                raise SerError(
                    got=f"a training that ended with {process.returncode} before it was killed",
                    expected="a checkpoint",
                    remedy="type its command by hand and see",
                )
            time.sleep(0.02)
        process.kill()


def measure_step(setting):
    """Yield the table, a row longer each time: one step of ``bigru_mha`` in single precision and in bfloat16."""
    note = f"Forward, backward and Adam on a batch of {BATCH} x 3 s, {setting.hardware}, kernel by kernel."
    rows = []
    for name, precision in (("as it is", "fp32"), ("bfloat16", "bf16")):
        seconds = in_fresh_process(time_steps, setting.device, precision)
        rows.append({"step": name, "time / ms": spread(seconds, scale=1000)})
        yield table("gpu_step", "One step", rows, note)


def time_steps(device, precision) -> list:
    """Seconds of each step, the device waited for."""
    import torch
    from models import our_modules
    from torch import nn

    modules = our_modules("fast").to(device).train()
    del modules["compute_features"]
    optimizer = torch.optim.Adam(modules.parameters(), lr=1e-4)
    kind = torch.device(device).type
    batch, time_frames = (BATCH, FRAMES) if kind == "cuda" else (2, 32)
    frames = torch.randn(batch, time_frames, 400, device=device)
    counts = torch.full((batch,), time_frames, device=device)
    labels = torch.arange(batch, device=device) % 7

    def step():
        optimizer.zero_grad()
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"):
            normalised = modules["mean_var_norm"](frames, counts)
            outputs = modules["classifier"](modules["embedding_model"](normalised, counts))
        nn.functional.nll_loss(outputs.float().squeeze(1), labels).backward()
        optimizer.step()

    wait = torch.cuda.synchronize if kind == "cuda" else int
    seconds = []
    for _ in range(STEPS if kind == "cuda" else 3):
        wait()
        start = time.perf_counter()
        step()
        wait()
        seconds.append(time.perf_counter() - start)
    return seconds[len(seconds) // 3 :]  # the first ones warm up
