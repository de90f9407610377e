"""Features of a whole corpus: our spectrogram against librosa, torchaudio and openSMILE, reading included, on one core.

> python benchmarks/features.py --data_folder /path/to/emodb

librosa and torchaudio are asked for the same spectrogram, and the largest difference from ours is reported.
openSMILE's eGeMAPS is another thing, 88 functionals of an utterance; it is here for its cost. openSMILE's licence
allows research and private use only. It and librosa come with ``pip install "ser-plugins[bench]"``; one that is missing
is reported so.
"""

import tempfile

from harness import Report, compared, one_core, parser, recordings, side_by_side, significant, spread, table, target

OURS = "ours"
EGEMAPS = "openSMILE eGeMAPS (research-only licence)"
BATCH = 32
EVERY = 10  # openSMILE takes every tenth recording: it is tens of times slower


def main():
    """Measure, write ``features.json``."""
    options = parser(__doc__.splitlines()[0]).parse_args()
    one_core()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = recordings(options, temporary)
        report = Report("features", "Features", options, corpus.name)
        rounds = 2 if options.quick else 5
        single, missing = single_file_systems()
        report.tables.append(single_file_table(single, missing, corpus, rounds, report.targets))
        report.tables.append(batch_table(batch_systems(), corpus, rounds))
        report.tables.append(gpu_table())
        report.write()


def spectrogram_functions() -> tuple[dict, list]:
    """Name -> function of waves (batch, samples) that gives frames (batch, time, bins); and names of missing peers."""
    import numpy as np
    import torch
    import torchaudio

    from ser_plugins.spectrogram import LogPowerSpectrogram

    ours = LogPowerSpectrogram()
    size = {"n_fft": ours.n_fft, "hop_length": ours.hop, "win_length": ours.window_samples, "pad_mode": "constant"}
    peer = torchaudio.transforms.Spectrogram(**size, window_fn=torch.hamming_window, power=2.0)

    def with_torchaudio(waves):
        return peer(waves)[:, : ours.bins].clamp(min=ours.floor).log().transpose(1, 2).contiguous()

    found, missing = {OURS: ours, "torchaudio.transforms.Spectrogram": with_torchaudio}, []
    try:
        import librosa
    except ImportError:
        missing.append("librosa")
    else:

        def with_librosa(waves):
            spectrum = librosa.stft(np.asarray(waves), window="hamming", **size)[..., : ours.bins, :]
            power = spectrum.real**2 + spectrum.imag**2
            return np.ascontiguousarray(np.log(np.maximum(power, ours.floor)).swapaxes(-1, -2))

        found["librosa"] = with_librosa
    return found, missing


def single_file_systems() -> tuple[dict, list]:
    """Name -> function of a path that reads and transforms one recording; and names of missing peers."""
    import torch

    from ser_plugins.sound.read import read_wave

    functions, missing = spectrogram_functions()

    def reading(function):
        return lambda path: function(torch.from_numpy(read_wave(path)[0])[None])

    systems = {name: reading(function) for name, function in functions.items()}
    if "librosa" in functions:
        import librosa

        systems["librosa"] = lambda path: functions["librosa"](librosa.load(path, sr=None)[0][None])
    try:
        import opensmile
    except ImportError:
        missing.append(EGEMAPS)
    else:
        smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
        systems[EGEMAPS] = lambda path: smile.process_file(str(path))
    return systems, missing


def single_file_table(systems, missing, corpus, rounds, targets) -> dict:
    """Real-time factors of one file after the other."""
    chosen = {name: slice(None, None, EVERY if name == EGEMAPS else 1) for name in systems}
    audio = {name: sum(corpus.seconds[chosen[name]]) for name in systems}

    def over_corpus(name):
        def work():
            for path in corpus.wavs[chosen[name]]:
                systems[name](path)

        return work

    differences = {}
    for name, system in systems.items():  # the first call of each compiles and plans; it is not timed
        frames = system(corpus.wavs[0])
        if name != EGEMAPS:
            differences[name] = largest_difference(systems[OURS](corpus.wavs[0]), frames)
    seconds = side_by_side({name: over_corpus(name) for name in systems}, rounds)
    factors = {name: [value / audio[name] for value in values] for name, values in seconds.items()}
    ratios = compared(factors, OURS)
    rows = [
        {
            "system": name,
            "real-time factor": spread(factors[name]),
            "times ours": ratios[name],
            "largest difference from ours": differences.get(name, "another feature"),
        }
        for name in systems
    ]
    rows += [{"system": name, "real-time factor": "not installed"} for name in missing]
    targets.append(
        target(
            "Spectrogram of the whole corpus, one core, reading included: real-time factor",
            0.002,
            rows[0]["real-time factor"]["median"],
            "s / s",
        )
    )
    return table(
        "features_single",
        "File by file, reading included, one core",
        rows,
        f"Real-time factor: seconds of work per second of audio. openSMILE takes every {EVERY}th recording. "
        "Differences are of the natural logarithm of power.",
    )


def batch_systems() -> dict:
    """Name -> function of paths that reads, pads and transforms them together."""
    import torch

    from ser_plugins.sound.read import read_wave

    def padded(function):
        def work(paths):
            waves = [torch.from_numpy(read_wave(path)[0]) for path in paths]
            return function(torch.nn.utils.rnn.pad_sequence(waves, batch_first=True))

        return work

    return {name: padded(function) for name, function in spectrogram_functions()[0].items()}


def batch_table(systems, corpus, rounds) -> dict:
    """Real-time factors in batches of recordings of similar length."""
    batches = [corpus.wavs[start : start + BATCH] for start in range(0, len(corpus.wavs), BATCH)]

    def over_corpus(system):
        return lambda: [system(batch) for batch in batches] and None

    seconds = side_by_side({name: over_corpus(system) for name, system in systems.items()}, rounds)
    ratios = compared(seconds, OURS)
    audio = sum(corpus.seconds)
    rows = [
        {"system": name, "real-time factor": spread(seconds[name], 1 / audio), "times ours": ratios[name]}
        for name in systems
    ]
    return table(
        "features_batch", f"Batches of {BATCH}, sorted by length, reading and padding included, one core", rows
    )


def gpu_table() -> dict:
    """Throughput on the first GPU, waves there already."""
    import torch

    title = "On the GPU: waves (256, 48000) in its memory"
    if not torch.cuda.is_available():
        return table("features_gpu", title, [], "No GPU on this machine: not measured.")
    from ser_plugins.spectrogram import LogPowerSpectrogram

    ours, waves = LogPowerSpectrogram().cuda(), torch.randn(256, 48000, device="cuda")

    def work():
        ours(waves)
        torch.cuda.synchronize()

    work()
    seconds = side_by_side({OURS: work}, 20)[OURS]
    audio = waves.numel() / ours.sample_rate
    hours_per_second = spread([audio / 3600 / value for value in seconds])
    return table("features_gpu", title, [{"system": OURS, "hours of audio per second": hours_per_second}])


def largest_difference(one, other) -> float:
    """Of two arrays or tensors of the same shape."""
    import numpy as np

    one, other = np.asarray(one), np.asarray(other)
    assert one.shape == other.shape, (one.shape, other.shape)
    return significant(float(np.abs(one - other).max()))


if __name__ == "__main__":
    main()
