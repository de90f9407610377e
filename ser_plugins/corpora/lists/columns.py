"""What people call a column, and what it is here: guessed where nobody says it, and then said."""

from collections.abc import Iterable, Mapping

from ser_plugins.errors import SerError

# Without case; the first that is there counts.
ALIASES = {
    "id": ("id", "utt_id", "utterance_id", "utterance", "utt", "key"),
    "wav": ("wav", "path", "file", "filename", "file_name", "filepath", "file_path", "audio", "audio_path", "wav_path"),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "spkid", "speakerid", "actor", "subject"),
    "session": ("session", "session_id"),
    "video": ("video", "video_id"),
    "recording": ("recording", "recording_id"),
    "sentence": ("sentence", "sentence_id", "statement"),
    "transcript": ("transcript", "transcription", "text", "txt", "words", "wrd"),
    "label": ("emotion", "label", "emo", "emotion_label", "emotion_class", "affect", "category", "class", "target"),
    "split": ("split", "subset", "partition", "set", "usage"),
    "fold": ("fold", "fold_id", "cv_fold"),
    "duration": ("duration", "dur", "length", "seconds"),
    "sample_rate": ("sample_rate", "sampling_rate", "samplerate", "sr"),
}


def our_name(column: str) -> str:
    """What a column is called here.

    Example
    -------
    >>> our_name("Spk_ID"), our_name("age")
    ('speaker', 'age')
    """
    plain = column.strip().lower()
    return next((name for name, aliases in ALIASES.items() if plain in aliases), plain)


def find_columns(header: Iterable[str], chosen: Mapping[str, str], source) -> dict[str, str]:
    """Our name of every column of a header.

    Arguments
    ---------
    header : iterable of str
        As the file has them.
    chosen : mapping
        ``{our name: column}``, which no guess overrides.
    source : str or Path
        The file, for the message.

    Raises
    ------
    SerError
        A chosen column that is not there.

    Example
    -------
    >>> find_columns(["Path", "SPK_ID", "emo", "age"], {}, "train.csv")
    {'Path': 'wav', 'SPK_ID': 'speaker', 'emo': 'label', 'age': 'age'}
    >>> find_columns(["id", "who", "speaker"], {"speaker": "who"}, "train.csv")
    {'id': 'id', 'who': 'speaker', 'speaker': 'column speaker'}
    """
    columns = {str(name).strip().lower(): str(name) for name in header}
    found = {}
    for name, column in chosen.items():
        if column.lower() not in columns:
            raise SerError(
                got=f"{source}: no column {column} for {name}",
                expected="one of " + ", ".join(columns.values()),
                remedy=f"correct --columns {name}={column}",
            )
        found[columns[column.lower()]] = name
    for name, aliases in ALIASES.items():
        if name not in chosen and (first := next((a for a in aliases if a in columns), None)):
            found.setdefault(columns[first], name)
    for plain, column in columns.items():
        if column not in found:
            found[column] = f"column {plain}" if plain in found.values() else plain
    return {str(name): found[str(name)] for name in header}


def said(columns: Mapping[str, str]) -> str:
    """What was guessed of a header, in words; empty where every name is ours already.

    Example
    -------
    >>> said({"Path": "wav", "SPK_ID": "speaker", "age": "age"})
    'Path is wav, SPK_ID is speaker'
    """
    return ", ".join(f"{theirs} is {ours}" for theirs, ours in columns.items() if ours in ALIASES and ours != theirs)
