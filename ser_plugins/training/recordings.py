"""What is trained and tested is what was hashed: recordings are compared with their manifest before they are used.

A manifest says which recordings a run is of, and its hashes are what the auditor compares. A file that was replaced
after its manifest was written would be trained under the hash of another.
"""

from pathlib import Path

import torch

from ser_plugins.errors import AudioError, MissingPathError
from ser_plugins.files import sha256_of
from ser_plugins.sound.read import read_wave
from ser_plugins.sound.usable import check_usable

_checked = {}  # path -> (SHA-256, size, time of change) as they were when it was last hashed


def path_of(fields: dict, protocol: dict) -> str:
    """Where an entry of a manifest says that its recording is.

    Example
    -------
    >>> path_of({"wav": "{data_root}/wav/03a01Fa.wav"}, {"data_root": "/data/emodb"})
    '/data/emodb/wav/03a01Fa.wav'
    """
    return fields["wav"].replace("{data_root}", protocol["data_root"])


def check_recordings(entries: dict, protocol: dict) -> None:
    """Check every recording of a manifest, as :func:`check_recording` does; each is hashed once per process."""
    for fields in entries.values():
        if fields["sha256"] is not None:  # None where label files were enough
            check_recording(path_of(fields, protocol), fields["sha256"])


def check_recording(path, sha256: str) -> None:
    """Raise unless a file has this SHA-256; it is hashed anew only when its size or time of change is another one.

    Raises
    ------
    MissingPathError, AudioError
        The file is not there, or is another than the manifest was written of.
    """
    try:
        status = Path(path).stat()
        state = sha256, status.st_size, status.st_mtime_ns
        if _checked.get(path) == state:
            return
        unchanged = sha256_of(path) == sha256
    except OSError as error:
        raise MissingPathError(
            got=f"{path}: {error.strerror}", expected="the recording that was prepared", remedy="copy it back"
        ) from None
    if not unchanged:
        raise AudioError(
            got=f"{path}: another file than the one whose SHA-256 is in the manifest",
            expected="the recording that was prepared and audited",
            remedy="copy it back, or choose another --results_folder to train with it as it is now",
        )
    _checked[path] = state


def load_waveform(path, sample_rate: int) -> torch.Tensor:
    """Read one training recording: (samples,), at exactly ``sample_rate`` Hz (corpora are resampled when prepared).

    What inference would refuse is refused here: see :mod:`ser_plugins.sound.usable`.
    """
    wave, rate = read_wave(path)
    check_usable(wave, rate, str(path))
    if rate != sample_rate:
        raise AudioError(got=f"{path}: {rate} Hz", expected=f"{sample_rate} Hz", remedy="resample the corpus first")
    return torch.from_numpy(wave)
