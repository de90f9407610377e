"""Long recordings: time and peak memory from 1 s to 1 h, window by window; and the memory of attention over frames.

> python benchmarks/long_audio.py

Every length is classified in a fresh process on one core, so that its peak memory is its own. Windows do not overlap
here (``hop`` = ``window``); a hop of a third of the window costs three times as much. Weights are random.
"""

import math
import tempfile
import time
from itertools import zip_longest
from pathlib import Path

from harness import Report, in_fresh_process, one_core, parser, significant, spread, table, target

from ser_plugins.machine import peak_memory

RATE, WINDOW = 16000, 3.0
LENGTHS = {"1 s": 1, "10 s": 10, "1 min": 60, "10 min": 600, "1 h": 3600}
WHOLE = ("1 s", "10 s", "1 min", "10 min")  # as one utterance: memory grows with length, an hour would take gigabytes
FRAMES = (1000, 2000, 4000, 8000)
WITH_WEIGHTS = 4000  # frames; twice as many would take six gigabytes


def main():
    """Measure, write ``long_audio.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    one_core()
    report = Report("long_audio", "Long audio", options, "noise")
    lengths = dict(list(LENGTHS.items())[: 3 if options.quick else None])
    with tempfile.TemporaryDirectory() as temporary:
        report.tables.append(length_table(lengths, Path(temporary), 1 if options.quick else 3, report.targets))
    report.tables.append(attention_table(FRAMES[1:3] if options.quick else FRAMES, report.targets))
    report.write()


def length_table(lengths, folder, rounds, targets) -> dict:
    """Time and memory over length: in windows, and as one utterance up to ten minutes."""
    rows, windows = [], {}
    for name, seconds in lengths.items():
        wav = write_noise(folder / "noise.wav", seconds)
        # An hour takes as long as all the others together, and is as steady as they are.
        windows[name] = found = in_fresh_process(classify, str(wav), "windows", 1 if seconds > 600 else rounds)
        whole = in_fresh_process(classify, str(wav), "whole", 1) if name in WHOLE else None
        rows.append(
            {
                "length": name,
                "seconds": seconds,
                "windows: time / s": spread(found["seconds"]) if found else "no such interface",
                "windows: time per second of audio / ms": found and per_second(found, seconds),
                "windows: peak memory / MiB": found and significant(found["peak"]),
                "whole: time / s": significant(whole["seconds"][0]) if whole else "not tried",
                "whole: peak memory / MiB": significant(whole["peak"]) if whole else None,
            }
        )
        wav.unlink()
    shape_targets(lengths, windows, targets)
    note = (
        f"Windows of {WINDOW:g} s without overlap. Memory is of the whole process, libraries and model included. As a "
        "whole, the recording is one utterance to the model, longer than any that it was trained on."
    )
    return table("long_audio", "Time and peak memory over length, one core", rows, note)


def per_second(found, seconds) -> float:
    """Milliseconds of work per second of audio."""
    return significant(1000 * spread(found["seconds"])["median"] / seconds)


def shape_targets(lengths, windows, targets) -> None:
    """Linear in time, bounded in memory: the longest against one minute, or what there is."""
    longest = list(lengths)[-1]
    base = "1 min" if longest == "1 h" else "10 s"
    names = (
        f"Long audio: time per second of audio, {longest} over {base} (linear: 1)",
        f"Long audio: peak memory, {longest} over {base} (bounded: 1)",
    )
    if not windows[longest]:
        note = "EmotionClassifier has no classify_windows here."
        targets += [target(name, limit, None, "x", note) for name, limit in zip(names, (1.2, 1.1), strict=True)]
        return
    one, other = windows[longest], windows[base]
    time_ratio = per_second(one, lengths[longest]) / per_second(other, lengths[base])
    targets.append(target(names[0], 1.2, time_ratio, "x"))
    targets.append(target(names[1], 1.1, one["peak"] / other["peak"], "x", f"{one['peak']:.0f} MiB at {longest}."))


def write_noise(path, seconds) -> Path:
    """Write noise in blocks of at most a minute."""
    import numpy as np
    import soundfile

    minute = np.random.default_rng(0).normal(0, 0.1, RATE * 60).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as stream:
        for start in range(0, seconds, 60):
            stream.write(minute[: RATE * min(60, seconds - start)])
    return path


def classify(wav, how, rounds):
    """In a fresh process: seconds of each classification of a file and the peak memory in MiB; None if it cannot."""
    import torch
    from models import our_modules

    from ser_plugins.inference import EmotionClassifier

    model = EmotionClassifier(our_modules("fast"), [f"class {index}" for index in range(7)])
    if how == "windows" and not hasattr(model, "classify_windows"):
        return None

    model.classify_batch(torch.randn(1, round(RATE * WINDOW)) * 0.1)  # the first call of a process is slower

    def work():
        if how == "whole":
            return model.classify_file(wav)
        return sum(1 for _ in model.classify_windows(wav, window=WINDOW, hop=WINDOW))

    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "peak": peak_memory()}


def attention_table(frames, targets) -> dict:
    """Memory and time of one attention layer over more and more frames, with and without its weights."""
    without = in_fresh_process(attention, list(frames), False)
    with_weights = in_fresh_process(attention, [count for count in frames if count <= WITH_WEIGHTS], True)
    rows = [
        {
            "frames": count,
            "without weights: memory added / MiB": significant(lean["added"]),
            "without weights: time / ms": significant(1000 * lean["seconds"]),
            "with weights: memory added / MiB": significant(full["added"]) if full else "not tried",
            "with weights: time / ms": significant(1000 * full["seconds"]) if full else None,
        }
        for count, lean, full in zip_longest(frames, without, with_weights)
    ]
    growth = without[-1]["added"] / max(without[0]["added"], 1e-9)
    exponent = math.log(max(growth, 1e-9)) / math.log(frames[-1] / frames[0])
    name = "Attention without weights: exponent of memory over frames (linear: 1)"
    targets.append(target(name, 1.2, exponent, "", f"{frames[0]} to {frames[-1]} frames."))
    note = (
        "8 heads, width 256, batch 1, one core. Four frames of the spectrogram are one here: 8000 are 320 s of audio."
    )
    return table("attention", "Attention: memory beyond the process before it", rows, note)


def attention(frames, return_weights) -> list:
    """In a fresh process: added peak memory in MiB and seconds, for ever more frames."""
    import torch

    from ser_plugins.attention import MultiHeadSelfAttention

    layer = MultiHeadSelfAttention(256, heads=8).eval()
    rows = []
    with torch.inference_mode():
        layer(torch.randn(1, 100, 256), return_weights=return_weights)
        before = peak_memory()
        for count in frames:
            start = time.perf_counter()
            layer(torch.randn(1, count, 256), return_weights=return_weights)
            rows.append({"seconds": time.perf_counter() - start, "added": peak_memory() - before})
    return rows


if __name__ == "__main__":
    main()
