"""Systems that hear with Whisper's encoder, from wavs to a report: what they cost, and what the usual way would.

> python benchmarks/whisper.py --data_folder /path/to/emodb --encoder /path/to/whisper-base --csv my.csv
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from harness import ROOT, THREADS, Report, in_fresh_process, parser, recordings, run, significant, spread, table, target

NETWORK, EPOCHS = "whisper_bigru_mha", 15
LINEAR = "whisper_linear"
SAMPLES = 16  # recordings that the usual way is timed on


def main():
    """Measure, write ``whisper.json``."""
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--encoder", type=Path, required=True, help="the folder of whisper-base")
    options.add_argument("--csv", type=Path, help="recordings of one's own: wav, label, speaker")
    options = options.parse_args()
    os.environ.update(dict.fromkeys(THREADS, "1"))
    encoder = options.encoder.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = recordings(options, temporary)
        report = Report("whisper", "Systems on Whisper's encoder", options, corpus.name)
        short = ["--number_of_epochs", "1", "--states", "1-2"] if options.quick else []
        data = ["--data_folder", corpus.folder, *short]
        rows = [whole_protocol("EmoDB", NETWORK, data, encoder, f"{temporary}/emodb")]
        if options.csv is not None:
            data = ["--csv", options.csv.resolve(), *short[2:]]
            rows.append(whole_protocol("CSV", LINEAR, data, encoder, f"{temporary}/own"))
        report.tables.append(table("whisper", "From wavs to a report: all folds, one seed", rows))
        usual = usual_table(encoder, corpus, rows[0])
    minutes = rows[0]["processor time / min"]
    report.targets.append(target(f"{NETWORK}, features included: processor time", 8, minutes, "min"))
    wall, note = (rows[1]["wall time / min"], f"{rows[1]['recordings']} of them.") if rows[1:] else (None, "No --csv.")
    report.targets.append(target(f"{LINEAR} on recordings of one's own: wall time", 3, wall, "min", note))
    share = minutes / usual["rows"][0]["processor time / min"]
    report.targets.append(target(f"{NETWORK} over the encoder on the fly: processor time", 1 / 30, share, "x"))
    report.tables.append(usual)
    report.write()


def whole_protocol(recipe, system, data, encoder, results) -> dict:
    """Run a recipe as users do, nothing kept from before: leave-one-speaker-out, with its report."""
    from ser_plugins.evaluation.report.summary import aggregate
    from ser_plugins.evaluation.runs.folds import read_run

    script = ROOT / "recipes" / recipe / "train.py"
    options = ["--source", encoder, "--results_folder", results, "--noprogressbar"]
    before, start = processor_time(), time.perf_counter()
    run([sys.executable, script, f"hparams/{system}.yaml", *data, *options])
    seconds = time.perf_counter() - start
    folds = read_run(Path(results) / system / "loso")
    return {
        "recipe": recipe,
        "system": system,
        "recordings": aggregate(folds).utterances,
        "folds": len(folds),
        "processor time / min": significant((processor_time() - before) / 60),
        "wall time / min": significant(seconds / 60),
    }


def processor_time() -> float:
    """Seconds of the processor that ended children have taken, their own children included."""
    times = os.times()
    return times.children_user + times.children_system


def usual_table(encoder, corpus, ours) -> dict:
    """What the same training would take with transformers' encoder in every step, each recording padded to 30 s."""
    step = max(1, len(corpus.wavs) // SAMPLES)
    seconds = in_fresh_process(seconds_of_transformers, str(encoder), [str(path) for path in corpus.wavs[::step]])
    each = spread(seconds)
    utterances = ours["recordings"]
    passes = EPOCHS * (ours["folds"] - 1) * utterances + utterances  # an utterance is trained on in all folds but one
    row = {
        "way": "transformers' encoder, 30 s each, in every step",
        "one recording / s": each,
        "forward passes": passes,
        "processor time / min": significant(passes * each["median"] / 60),
    }
    return table("whisper_usual", "The usual way, extrapolated from its encoder alone", [row])


def seconds_of_transformers(encoder, wavs) -> list:
    """In a fresh process, one thread: seconds of log-mel and encoder of every recording, as transformers makes them."""
    import soundfile
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    extractor = WhisperFeatureExtractor()
    model = WhisperEncoder(WhisperConfig.from_pretrained(encoder)).eval()  # the time does not depend on the weights
    seconds = []
    for path in [wavs[0], *wavs]:  # the first one warms up
        wave, rate = soundfile.read(path, dtype="float32")
        start = time.process_time()
        with torch.inference_mode():
            features = extractor(wave, sampling_rate=rate, return_tensors="pt").input_features
            model(features, output_hidden_states=True)
        seconds.append(time.process_time() - start)
    return seconds[1:]


if __name__ == "__main__":
    main()
