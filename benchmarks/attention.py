"""Attention over 100 to 8000 frames: time and memory of full attention and of LSH attention, with and without training.

> python benchmarks/attention.py

One layer (8 heads, width 256, batch 1) on one core. Times are taken in one process, in turns; the peak memory of each
layer is that of a fresh process, length after length, less what it took before.
"""

from harness import (
    Report,
    in_fresh_process,
    one_core,
    parser,
    side_by_side,
    significant,
    spread,
    table,
    target,
)

from ser_plugins.machine import peak_memory

FRAMES = (100, 250, 500, 1000, 2000, 4000, 8000)
LAYERS = {
    "full": {},
    "LSH, 1 round": {"rounds": 1},
    "LSH, 2 rounds": {"rounds": 2},
    "LSH, 4 rounds": {"rounds": 4},
}
PASSES = {"forward": (False, 0.2), "forward + backward": (True, 0.0), "forward + backward, dropout": (True, 0.2)}
# On a CPU full attention with dropout makes its weights: 8 heads x 4000 x 4000 are 488 MiB, several times over.
MOST = {("full", "forward + backward, dropout"): 2000}


def main():
    """Measure, write ``attention.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    one_core()
    report = Report("attention", "Attention", options, "random frames")
    frames, rounds = (FRAMES[:3], 2) if options.quick else (FRAMES, 5)
    for key, (name, _) in zip(("forward", "training", "dropout"), PASSES.items(), strict=True):
        added = {layer: in_fresh_process(memory, layer, name, possible(layer, name, frames)) for layer in LAYERS}
        rows = [row for count in frames for row in measure(name, count, rounds, added)]
        report.tables.append(table(f"attention_{key}", f"{name.capitalize()}, one core", rows, NOTE))
        report.targets += targets(name, rows, frames[-1])
    report.write()


NOTE = (
    "8 heads, width 256, batch 1; buckets of 64 frames. Memory is the peak beyond the process after one call of 50 "
    "frames. Four frames of the spectrogram are one here: 8000 are 320 s of audio. Without dropout, full attention is "
    "torch's fused kernel; with dropout, on a CPU, its weights are made."
)


def possible(layer, name, frames) -> list:
    """The lengths that a layer is measured at."""
    return [count for count in frames if count <= MOST.get((layer, name), count)]


def measure(name, count, rounds, added) -> list:
    """A row for each layer: time and memory of one pass over ``count`` frames."""
    layers = [layer for layer in LAYERS if possible(layer, name, [count])]
    works = {layer: work(layer, name, count) for layer in layers}
    for each in works.values():
        each()  # the first call is slower
    seconds = side_by_side(works, rounds)
    return [
        {
            "frames": count,
            "system": layer,
            "time / ms": spread(seconds[layer], 1000) if layer in layers else "not tried",
            "memory / MiB": significant(added[layer][str(count)]) if layer in layers else None,
        }
        for layer in LAYERS
    ]


def targets(name, rows, longest) -> list:
    """LSH attention is meant to be cheaper than full attention on the longest input."""
    at = {row["system"]: row for row in rows if row["frames"] == longest}
    if not isinstance(at["full"]["time / ms"], dict):
        return []
    ratio = at["LSH, 2 rounds"]["time / ms"]["median"] / at["full"]["time / ms"]["median"]
    return [target(f"LSH attention, 2 rounds, over full attention at {longest} frames, {name}: time", 1, ratio, "x")]


def work(layer, name, count):
    """A function that makes one pass."""
    import torch

    from ser_plugins.attention import MultiHeadSelfAttention
    from ser_plugins.lsh_attention import LSHSelfAttention

    trains, dropout = PASSES[name]
    kind = MultiHeadSelfAttention if layer == "full" else LSHSelfAttention
    module = kind(256, heads=8, dropout=dropout, **LAYERS[layer]).train(trains)
    frames = torch.randn(1, count, 256, requires_grad=trains)

    def run():
        with torch.set_grad_enabled(trains):
            mixed = module(frames)
        if trains:
            mixed.sum().backward()

    return run


def memory(layer, name, frames) -> dict:
    """In a fresh process: MiB of peak memory that passes add, after one over few frames, by ever more frames."""
    work(layer, name, 50)()
    before, added = peak_memory(), {}
    for count in frames:
        work(layer, name, count)()
        added[str(count)] = peak_memory() - before
    return added


if __name__ == "__main__":
    main()
