"""Label files without their recordings, made ready for systems that read alone: synthetic voices stand in.

> python scripts/voices_for_labels.py MOSI /path/to/labels data/MOSI-words
> python recipes/MOSI/train.py hparams/bigru_mha_text.yaml --data_folder data/MOSI-words --results_folder results/words

or CHSIMS. The folder of labels holds ``label.csv``, or ``OpinionLevelSentiment.csv`` with ``Transcript/Segmented``. All
voices are neutral, and every table says that the corpus is synthetic, for so is all that could be heard of it.
"""

import sys
from importlib import import_module
from pathlib import Path

from ser_plugins.corpora.toy.writing import ToyRecording, write_corpus
from ser_plugins.errors import MissingPathError, SerError

ROOT = Path(__file__).resolve().parents[1]
LAYOUTS = {"MOSI": "MOSI", "CHSIMS": "CH-SIMS"}  # recipes, and the names of their layouts
LABELS = (".csv", ".annotprocessed")  # endings of what says labels and transcripts


def write_voices(recipe: str, labels: Path, folder: Path) -> Path:
    """Write a corpus of those label files and a short neutral voice for each of their utterances.

    Raises
    ------
    MissingPathError, SerError
        Another recipe; no label file; a line of one that cannot be read.
    """
    if recipe not in LAYOUTS:
        raise SerError(got=f"recipe {recipe}", expected=f"one of {', '.join(LAYOUTS)}", remedy="correct the argument")
    if not labels.is_dir():
        raise MissingPathError(got=f"no folder {labels}", expected="that of the label files", remedy="check the path")
    sys.path.insert(0, str(ROOT / "recipes" / recipe))
    utterances = import_module(f"{recipe.lower()}_prepare").utterances
    recordings = []
    for utterance in utterances(labels):
        wav = Path(utterance.wav).with_suffix(".wav").as_posix()
        gender = "female" if sum(utterance.fields["video"].encode()) % 2 else "male"
        emotion = "" if utterance.skip else "neutral"
        recordings.append(ToyRecording(wav, wav, utterance.fields["video"], gender, wav, emotion))
    files = sorted(path for path in labels.rglob("*") if path.suffix in LABELS and path.is_file())
    beside = {path.relative_to(labels).as_posix(): path.read_bytes() for path in files}
    parameters = {"layout": LAYOUTS[recipe], "labels": len(recordings)}
    return write_corpus(folder, recordings, beside, parameters, syllables=2, seed=0)


if __name__ == "__main__":
    recipe, labels, folder = sys.argv[1:]
    print(write_voices(recipe, Path(labels), Path(folder)))
