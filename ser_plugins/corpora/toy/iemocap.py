"""A synthetic corpus in IEMOCAP's layout, with the quirks of the real label files."""

from pathlib import Path

import numpy as np

from ser_plugins.corpora.toy.writing import ToyRecording, within, write_corpus

# (side that wore the markers, script); ids of two lengths, as in the real corpus
DIALOGUES = (("F", "impro01"), ("M", "script01_1b"), ("M", "impro05a"), ("F", "script02_2"))
# label -> voice; every actor says each of them in every dialogue, but for the rare ones
VOICES = {
    "neu": "neutral", "ang": "anger", "sad": "sadness", "hap": "happiness", "exc": "happiness", "fru": "disgust",
    "xxx": "boredom", "sur": "fear", "fea": "fear", "oth": "boredom", "dis": "disgust",
}  # fmt: skip
RARE = {"xxx": 5, "sur": 5, "fea": 5, "oth": 3, "dis": 2}  # once in each of so many sessions: no more than in the real
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"


def write_toy_iemocap(folder, sessions=5, dialogues=2, syllables=3, seed=0) -> Path:
    """Write a synthetic corpus in IEMOCAP's layout.

    Arguments
    ---------
    folder : path-like
        Does not exist, is empty, or holds the same synthetic corpus already (then nothing is done).
    sessions : int
        1 to 5, of two actors each.
    dialogues : int
        1 to 4 per session; the first is improvised, the second scripted, and so on. Both actors speak in each.
    syllables, seed : int
        As in :func:`~ser_plugins.corpora.toy.emodb.write_toy_emodb`.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> import tempfile
    >>> folder = write_toy_iemocap(Path(tempfile.mkdtemp()) / "iemocap", sessions=1, dialogues=1, syllables=1)
    >>> sorted(path.name for path in (folder / "Session1/dialog/EmoEvaluation").glob("*.txt"))
    ['._Ses01F_impro01.txt', 'Ses01F_impro01.txt']
    """
    parameters = {
        "layout": "IEMOCAP",
        "sessions": within("sessions", sessions, 5),
        "dialogues": within("dialogues", dialogues, len(DIALOGUES)),
        "syllables": within("syllables", syllables, 100),
        "seed": seed,
    }
    recordings = []
    beside = {}
    for session in range(1, sessions + 1):
        for place, (side, script) in enumerate(DIALOGUES[:dialogues]):
            rare = [label for label, most in RARE.items() if place == 0 and session <= most]
            dialogue, files = _dialogue(session, f"Ses{session:02d}{side}_{script}", rare, seed)
            recordings += dialogue
            beside.update(files)
    return write_corpus(folder, recordings, beside, parameters, syllables=syllables, seed=seed)


def _dialogue(session, name, rare, seed) -> tuple[list[ToyRecording], dict]:
    """List the recordings of one dialogue, and its label and transcript files as ``{path: bytes}``."""
    rng = np.random.default_rng([seed, *name.encode()])
    recordings = []
    lines = [HEADER, ""]
    spoken = []
    time = 6.2901
    labels = [(actor, label) for label in VOICES if label not in RARE for actor in "FM"]
    labels += [("FM"[place % 2], label) for place, label in enumerate(rare)]
    for number, (actor, label) in enumerate(labels):
        id_ = f"{name}_{actor}{number // 2:03d}"
        start = time
        time = time + 2
        wav = f"Session{session}/sentences/wav/{name}/{id_}.wav"
        gender = "female" if actor == "F" else "male"
        recordings.append(
            ToyRecording(wav, wav, f"Ses{session:02d}{actor}", gender, name.split("_", 1)[1], VOICES[label])
        )
        votes = rng.integers(1, 6, (2, 3))
        lines += _rated(id_, start, time, label, votes, blank=number == 0)
        spoken.append(f"{id_} [{start:08.4f}-{time:08.4f}]: {label} {number}, isn't it?")
    spoken.insert(1, f"{name}_{labels[0][0]}XX0 [{7:08.4f}-{8:08.4f}]: [LAUGHTER]")  # not in the evaluations
    spoken.insert(2, "M: Hmm.")  # a line without an id
    dialog = f"Session{session}/dialog"
    return recordings, {
        f"{dialog}/EmoEvaluation/{name}.txt": ("\n".join(lines) + "\n").encode(),
        f"{dialog}/EmoEvaluation/._{name}.txt": b"\0\5\26\7Mac OS X",  # what macOS leaves on foreign disks
        f"{dialog}/EmoEvaluation/Categorical/{name}_e2_cat.txt": b"Ses01F_x_F000 :Neutral; ()\n",
        f"{dialog}/transcriptions/{name}.txt": ("\r\n".join(spoken) + "\r\n").encode(),
        f"{dialog}/transcriptions/._{name}.txt": b"\0\5\26\7Mac OS X",
    }


def _rated(id_, start, end, label, votes, blank) -> list[str]:
    """The header line of an utterance and its vote lines; a blank dominance counts as 0 in the header."""
    if blank:
        votes = votes.copy()
        votes[1, 2] = 0
    means = ", ".join(f"{mean:.4f}" for mean in votes.mean(axis=0))
    rated = [
        f"A-E{rater}:\tval {v}; act {a}; dom  {d or ''};\t()" for rater, (v, a, d) in enumerate(votes.tolist(), start=3)
    ]
    head = f"[{start:.4f} - {end:.4f}]\t{id_}\t{label}\t[{means}]"
    return [
        head,
        "C-E2:\tNeutral;\t()",
        "C-E3:\tNeutral; Other;\t(calm)",
        f"C-{id_.split('_')[-1][0]}1:\t\t()",
        *rated,
        "",
    ]
