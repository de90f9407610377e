"""A synthetic corpus in nEMO's layout, with the blanks of the real table."""

from pathlib import Path

from ser_plugins.corpora.toy.writing import ToyRecording, within, write_corpus

SPEAKERS = {
    "EB0": ("female", 27), "WR0": ("male", 23), "IC0": ("female", 28), "KS0": ("male", 23), "KD0": ("female", 28),
    "MP0": ("male", 24), "MK0": ("female", 23), "SM0": ("male", 24), "TP0": ("male", 26),
}  # fmt: skip
# Surprise is spoken as fear: the talking machine has no style for it.
VOICES = {
    "anger": "anger", "fear": "fear", "happiness": "happiness", "neutral": "neutral", "sadness": "sadness",
    "surprised": "fear",
}  # fmt: skip


def write_toy_nemo(folder, speakers=4, sentences=4, syllables=3, seed=0) -> Path:
    """Write a synthetic corpus in nEMO's layout, at 16 kHz.

    Arguments
    ---------
    folder : path-like
        As for :func:`~ser_plugins.corpora.toy.emodb.write_toy_emodb`.
    speakers : int
        1 to 9.
    sentences : int
        1 to 90, each in six emotions; as in the real one, somebody lacks some: the first speaker's first surprise.
    syllables, seed : int
        As for EmoDB's.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> import tempfile
    >>> folder = write_toy_nemo(Path(tempfile.mkdtemp()) / "nemo", speakers=1, sentences=1, syllables=1)
    >>> sorted(path.name for path in (folder / "samples").iterdir())[:2]
    ['EB0_anger_1.wav', 'EB0_fear_1.wav']
    """
    parameters = {
        "layout": "nEMO",
        "speakers": within("speakers", speakers, len(SPEAKERS)),
        "sentences": within("sentences", sentences, 90),
        "syllables": within("syllables", syllables, 100),
        "seed": seed,
    }
    recordings = []
    lines = ["file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage"]
    for number in range(1, sentences + 1):
        for speaker, (gender, age) in list(SPEAKERS.items())[:speakers]:
            for emotion, voice in VOICES.items():
                if (number, speaker, emotion) == (1, "EB0", "surprised"):
                    continue
                name = f"{speaker}_{emotion}_{number}.wav"
                recordings.append(ToyRecording(f"samples/{name}", name, speaker, gender, str(number), voice))
                text = f"„Żółw” nr {number}"
                lines.append(f"{name}\t{emotion}\t{text}.\t{text.lower()}\t        {speaker}\t{gender}\t{age}")
    table = ("\n".join(lines) + "\n").encode()
    return write_corpus(folder, recordings, {"data.tsv": table}, parameters, syllables=syllables, seed=seed)
