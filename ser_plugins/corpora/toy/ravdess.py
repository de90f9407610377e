"""A synthetic corpus in RAVDESS' layout, with the defect of the real one."""

from pathlib import Path

from ser_plugins.corpora.toy.writing import ToyRecording, within, write_corpus

ACTORS = (7, 8, *range(1, 7), *range(9, 25))  # the one with the defect first
# Calm is spoken as neutral, and surprise as fear: the talking machine has no styles for them.
VOICES = ("neutral", "neutral", "happiness", "sadness", "anger", "fear", "disgust", "fear")
SAME_AUDIO = {"03-01-03-01-02-02-07": "03-01-03-01-02-01-07"}


def write_toy_ravdess(folder, speakers=4, sentences=2, syllables=3, seed=0) -> Path:
    """Write a synthetic corpus in RAVDESS' layout: speech, at 16 kHz.

    Arguments
    ---------
    folder : path-like
        As for :func:`~ser_plugins.corpora.toy.emodb.write_toy_emodb`.
    speakers : int
        1 to 24 actors.
    sentences : int
        1 or 2 statements, each in eight emotions, at two intensities (neutral: one), twice: 30 recordings.
    syllables, seed : int
        As for EmoDB's.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> import tempfile
    >>> folder = write_toy_ravdess(Path(tempfile.mkdtemp()) / "ravdess", speakers=1, sentences=1, syllables=1)
    >>> sorted(path.name for path in (folder / "Actor_07").iterdir())[:2]
    ['03-01-01-01-01-01-07.wav', '03-01-01-01-01-02-07.wav']
    """
    parameters = {
        "layout": "RAVDESS",
        "speakers": within("speakers", speakers, len(ACTORS)),
        "sentences": within("sentences", sentences, 2),
        "syllables": within("syllables", syllables, 100),
        "seed": seed,
    }
    recordings = [
        _recording(f"03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}")
        for actor in ACTORS[:speakers]
        for emotion in range(1, len(VOICES) + 1)
        for intensity in (1, 2)[: 1 if emotion == 1 else 2]
        for statement in range(1, sentences + 1)
        for repetition in (1, 2)
    ]
    return write_corpus(folder, recordings, {}, parameters, syllables=syllables, seed=seed)


def _recording(id_) -> ToyRecording:
    _, _, emotion, _, statement, _, actor = id_.split("-")
    path = f"Actor_{actor}/{id_}.wav"
    gender = "male" if int(actor) % 2 else "female"
    return ToyRecording(path, path, actor, gender, statement, VOICES[int(emotion) - 1], SAME_AUDIO.get(id_, id_))
