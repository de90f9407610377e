"""Where the audio of an utterance is: found under several names, and brought to 16 kHz mono where it is not."""

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

import soundfile

from ser_plugins.corpora.audio_cache import cache_audio
from ser_plugins.corpora.manifest import Utterance
from ser_plugins.sound.convert import SAMPLE_RATE
from ser_plugins.sound.ffmpeg import format_of
from ser_plugins.sound.opening import system_name
from ser_plugins.sound.quiet import quiet_mp3
from ser_plugins.sound.read import is_plain
from ser_plugins.sound.suffixes import FFMPEG, MEDIA


def find_source(folder, stems: Iterable[str]) -> str:
    """Return the path below ``folder`` of a recording or, where there is none, of a video.

    Arguments
    ---------
    folder : path-like
        The corpus.
    stems : iterable of str
        Where it may lie, without the suffix; the first one that is there counts.

    Returns
    -------
    str
        With ``/``; the first stem as wav when nothing is there, to be reported as missing.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("1.mp4", "1.wav", "2.mp4"):
    ...     (folder / name).touch()
    >>> [find_source(folder, [stem]) for stem in "123"]
    ['1.wav', '2.mp4', '3.wav']
    """
    stems = list(stems)
    names = (f"{stem}{suffix}" for suffix in MEDIA for stem in stems)
    return next((name for name in names if os.path.isfile(os.path.join(folder, name))), f"{stems[0]}.wav")


def playable(utterances: Iterable[Utterance], folder, cache) -> list[Utterance]:
    """Return the utterances with ``wav`` naming 16 kHz mono audio: the file itself, or an absolute path in the cache.

    What is missing or cannot be decoded as it is stays named as it was; measuring it says what is wrong.

    Raises
    ------
    SerError
        Some sources could not be converted: all of them in one message, after all others are done.
    """
    utterances = list(utterances)
    folder = Path(folder)
    cache = Path(cache).absolute()
    places = {u.wav: _place(folder / u.wav, folder) for u in utterances if _is_other(folder / u.wav)}
    cache_audio({place: folder / wav for wav, place in places.items()}, cache).require_all()
    return [dataclasses.replace(u, wav=str(cache / places[u.wav])) if u.wav in places else u for u in utterances]


def _is_other(path: Path) -> bool:
    """Is this there, and not 16 kHz mono that libsndfile reads, all of it and as it is?"""
    if not os.path.isfile(path):  # False, where Path raises, for a name that is too long
        return False
    if not is_plain(path):
        return True
    try:
        with quiet_mp3(path):
            info = soundfile.info(system_name(path))
    except (soundfile.LibsndfileError, RuntimeError):
        if path.suffix.lower() in FFMPEG:  # a video that is none fails with the others that cannot be converted
            return True
        with open(path, "rb") as file:
            return format_of(file) is not None
    return (info.samplerate, info.channels) != (SAMPLE_RATE, 1)


def _place(path: Path, folder: Path) -> str:
    """A name below the cache that no other source has."""
    path = path.resolve()
    below = path.relative_to(folder.resolve() if path.is_relative_to(folder.resolve()) else path.anchor)
    return below.as_posix() if path.suffix == ".wav" else f"{below.as_posix()}.wav"
