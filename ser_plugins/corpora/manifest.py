"""Utterances, and SpeechBrain JSON manifests made of them.

A manifest is ``{id: {"wav": "{data_root}/...", "duration": seconds, <fields of the corpus>, "sha256": ...,
"audio_sha256": ...}}``. ``data_root`` stays a placeholder: neither a manifest nor its hash depends on the machine.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ser_plugins.errors import SerError
from ser_plugins.files import read_json, sha256_of
from ser_plugins.sound.samples import hash_samples


@dataclass(frozen=True)
class Utterance:
    """What a corpus says about one utterance; what the file says (duration, hashes) is measured, not told.

    Arguments
    ---------
    id : str
        Unique in the corpus.
    wav : str
        Path below the folder of the wavs, with ``/``; or an absolute path.
    fields : dict
        Speaker, emotion and whatever else the corpus knows, in the order it shall be written.
    source : str
        Where the label stands (file and line), for messages.
    skip : str
        Why it is left out: for a recording that is known to be unusable in every copy. Skips are counted and listed.

    Example
    -------
    >>> Utterance("03a01Fa", "03a01Fa.wav", {"speaker": "spk03", "emotion": "happiness"}).fields["speaker"]
    'spk03'
    """

    id: str
    wav: str
    fields: dict
    source: str = ""
    skip: str = ""


@dataclass(frozen=True)
class Sound:
    """What a file holds. The four fields after ``size`` are None when the file cannot be decoded."""

    sha256: str | None  # None only in NO_SOUND
    size: int  # bytes
    sample_rate: int | None = None  # Hz
    channels: int | None = None
    duration: float | None = None  # seconds
    audio_sha256: str | None = None
    problem: str | None = None  # why it cannot be used, where that was asked


NO_SOUND = Sound(None, 0)  # of an utterance that has a label and a transcript only


def measure(path) -> Sound:
    """Hash and decode one audio file.

    ``audio_sha256`` is :func:`ser_plugins.sound.samples.hash_samples`: equal for two files that differ only in their
    header, container, lossless compression or kind of number.
    """
    path = Path(path)
    sha256 = sha256_of(path)
    size = path.stat().st_size
    try:
        samples = hash_samples(path)
    except SerError:
        return Sound(sha256, size)
    duration = samples.frames / samples.sample_rate
    return Sound(sha256, size, samples.sample_rate, samples.channels, duration, samples.sha256)


def entry(utterance: Utterance, sound: Sound, wav_folder: str) -> dict:
    """What a manifest says about an utterance whose wav lies in ``wav_folder`` below the corpus folder ("": in it).

    Example
    -------
    >>> entry(Utterance("u1", "u1.wav", {"speaker": "spk03"}), Sound("ab", 44, 16000, 1, 1.5, "cd"), "wav")["wav"]
    '{data_root}/wav/u1.wav'
    """
    return {
        "wav": str(PurePosixPath("{data_root}", wav_folder, utterance.wav)),  # an absolute path stays as it is
        "duration": sound.duration,
        **utterance.fields,
        "sha256": sound.sha256,
        "audio_sha256": sound.audio_sha256,
    }


def read_manifest(path) -> dict:
    """Read a JSON manifest, ours or anyone's.

    Raises
    ------
    MissingPathError, SerError
        No such file, not JSON, or not ``{id: {field: value}}``.
    """
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not all(isinstance(fields, dict) for fields in manifest.values()):
        raise SerError(
            got=f"{path}: JSON of another shape",
            expected='a SpeechBrain manifest, {"id": {"wav": ..., "speaker": ..., ...}, ...}',
            remedy="name the train, valid and test manifests of one experiment",
        )
    return manifest


def digest(value) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys.

    Example
    -------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value) -> str:
    """JSON in one form only: keys sorted, no blanks."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
