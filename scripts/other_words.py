"""What a fused system makes of the words: each fold's test recordings with their own transcript, none, and another one.

> python scripts/other_words.py results/EmoDB/whisper_bigru_mha_fusion/loso --data_folder /path/to/emodb

Another transcript is the next one, in alphabetical order, of those in the fold's test set. Where own and other words
give the same scores, words are not used; where no text scores as well, the sound alone carries the label. Prints WA and
UAR, and the milliseconds that an utterance takes behind the front end.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from rich.progress import track

from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.evaluation.metrics.classification import classification_metrics
from ser_plugins.export.folder import export_model
from ser_plugins.files import read_json
from ser_plugins.inference import EmotionClassifier
from ser_plugins.training.settings import resolve
from ser_plugins.training.transcripts import transcripts_of

WORDS = ("own words", "no words", "other words")


def judged_fold(fold: Path, data_folder: Path) -> tuple[dict, list[float]]:
    """Pairs of true and predicted label by kind of words, and the seconds that each utterance took with its own."""
    hparams = resolve(fold / "hyperparams.yaml", {})
    manifest = read_manifest(hparams["test_annotation"])
    target = read_json(fold / "results.json")["protocol"]["target"]
    own = transcripts_of(manifest, hparams["transcript"], hparams.get("sentences"), fold)
    different = sorted(set(own.values()))
    following = dict(zip(different, different[1:] + different[:1], strict=True))
    pairs = {words: [] for words in WORDS}
    seconds = []
    with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
        export_model(fold, Path(temporary) / "model")
        model = EmotionClassifier.from_hparams(Path(temporary) / "model", device="cpu")
        for id_, fields in manifest.items():
            wave = model.read(fields["wav"].replace("{data_root}", str(data_folder))).wave[None]
            whole = torch.ones(1, dtype=torch.float64)
            frames = model.frames(wave, whole)
            for words, text in zip(WORDS, (own[id_], None, following[own[id_]]), strict=True):
                started = time.perf_counter()
                label = model.labels[int(model.outputs(frames, whole, [text])[0, 0].argmax())]
                seconds += [time.perf_counter() - started] * (words == WORDS[0])
                pairs[words].append((fields[target], label))
    return pairs, seconds


def main() -> None:
    """Judge every finished fold, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", type=Path, help="a run folder of finished folds, with their checkpoints")
    parser.add_argument("--data_folder", type=Path, required=True, help="the corpus")
    options = parser.parse_args()
    torch.set_num_threads(1)
    finished = sorted(path.parent for path in options.run.glob("seed_*/*/results.json"))
    classes = read_json(finished[0] / "results.json")["protocol"]["classes"]
    folds = [judged_fold(fold, options.data_folder) for fold in track(finished, description="folds")]
    for words in WORDS:
        rows = [row for pairs, _ in folds for row in pairs[words]]
        scores = classification_metrics(*zip(*rows, strict=True), classes)
        print(f"{words}: WA {100 * scores['WA']:.2f} %, UAR {100 * scores['UAR']:.2f} % of {len(rows)}")
    times = sorted(1000 * one for _, seconds in folds for one in seconds)
    print(f"behind the front end: {times[len(times) // 2]:.1f} ms an utterance (median, one thread)")


if __name__ == "__main__":
    main()
