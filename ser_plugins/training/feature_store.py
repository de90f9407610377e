"""Features of recordings, computed once: kept in memory by each process, and on disk for all of them.

Frames, or functionals, of a recording do not depend on fold, seed, system or neighbours. What is cheap, such as a
spectrogram, is kept in memory only. What is dear, such as the hidden states of a pretrained model, is a file too, under
the SHA-256 of the recording and of all that the features depend on; its checksum is that of the zip that numpy writes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ser_plugins.copies import copied
from ser_plugins.files import atomic_path
from ser_plugins.training.recordings import check_recording, load_waveform, path_of
from ser_plugins.training.settings import sha256


class MemoryStore:
    """Features kept in memory, up to a bound; the rest is computed, or read, anew each time.

    Arguments
    ---------
    max_gigabytes : float
        Bound on what is kept; 0 keeps nothing.

    Example
    -------
    >>> store = MemoryStore(max_gigabytes=1)
    >>> store.get("a", lambda: torch.ones(2)).sum(), store.get("a", lambda: torch.zeros(2)).sum()
    (tensor(2.), tensor(2.))
    """

    def __init__(self, max_gigabytes=2.0):
        self.room = max_gigabytes * 2**30
        self.kept = {}

    def get(self, key, compute):
        """Return what is kept under ``key``, or compute it, and keep it if there is room."""
        if key in self.kept:
            return self.kept[key]
        features = compute()
        size = features.numel() * features.element_size()
        if size <= self.room:
            self.room -= size
            self.kept[key] = features
        return features


MEMORY = MemoryStore()


class FeatureStore:
    """What a front end, or functionals, make of recordings and of their copies for training.

    Arguments
    ---------
    compute : nn.Module
        Waveforms (1, samples) -> features (1, ...), with ``sample_rate`` and ``settings``; used on the CPU.
    protocol : dict
        As ``*_prepare.py`` returned it, with ``data_root``.
    folder : Path, optional
        Where features are kept beyond this process; None: nowhere.
    """

    def __init__(self, compute: nn.Module, protocol: dict, folder: Path | None = None) -> None:
        self.compute: Any = compute
        self.protocol = protocol
        self.folder = folder

    def wave(self, fields: dict, copy=None) -> torch.Tensor:
        """The recording of an entry of a manifest, or a copy of it: (samples,); silence where there is none."""
        if fields["sha256"] is None:
            return torch.zeros(self.compute.sample_rate)
        path = path_of(fields, self.protocol)
        check_recording(path, fields["sha256"])  # it may have been replaced since the last epoch
        wave = load_waveform(path, self.compute.sample_rate)
        return wave if copy is None else copied(wave, copy, fields["sha256"])

    def features(self, fields: dict, copy=None) -> torch.Tensor:
        """What is made of it: from memory, else from disk, else computed and kept."""
        return MEMORY.get((fields["sha256"], self._settings(copy)), lambda: self.kept_features(fields, copy))

    def kept_features(self, fields: dict, copy=None) -> torch.Tensor:
        """As :meth:`features`, past the memory: from disk, else computed and left there."""
        if self.folder is None:
            return self._computed(fields, copy)
        path = self.path(fields, copy)
        try:
            return _read(path)
        except Exception:  # none yet; or a damaged one, of which zip, zlib and numpy say what they like
            features = self._computed(fields, copy)
        with atomic_path(path) as temporary:
            np.savez(temporary, features=features.numpy())
        return features

    def path(self, fields: dict, copy=None) -> Path:
        """The file of these features, there or not; there is a folder for each of what they depend on."""
        assert self.folder is not None  # whoever calls has asked
        return self.folder / sha256(self._settings(copy))[:16] / f"{fields['sha256']}.npz"

    def _settings(self, copy):
        return (self.compute.settings,) if copy is None else (self.compute.settings, copy.settings)

    @torch.no_grad()
    def _computed(self, fields, copy):
        return self.compute(self.wave(fields, copy)[None])[0]


def _read(path) -> torch.Tensor:
    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return torch.from_numpy(archive["features"])


def store_of(hparams: dict, protocol: dict) -> FeatureStore:
    """The store of a training: of ``compute_functionals`` where there are any, else of ``compute_features``.

    On disk are functionals and what a pretrained model gives, in the YAML's ``features_folder``, or else beside the
    manifests; frames of a front end that is trained are not kept at all.
    """
    compute = hparams.get("compute_functionals") or hparams["compute_features"]
    on_disk = "compute_functionals" in hparams or getattr(compute, "pretrained", None)
    folder = hparams.get("features_folder") or Path(hparams["manifest_folder"]).parent / "features"
    return FeatureStore(compute, protocol, Path(folder) if on_disk and not is_trained(compute) else None)


def is_trained(compute: nn.Module) -> bool:
    """Whether a front end changes in training, so that none of its features may be kept."""
    return any(value.requires_grad for value in compute.parameters())


def training_items(entries: dict, copies) -> dict:
    """Items of a training set, by id: pairs of an entry of its manifest and of a copy, None for the recording itself.

    Example
    -------
    >>> from ser_plugins.copies import Speed
    >>> [(name, copy) for name, (_, copy) in training_items({"03a01Fa": {}}, [Speed(0.9)]).items()]
    [('03a01Fa', None), ('03a01Fa#speed0.9', Speed(factor=0.9))]
    """
    items = {key: (fields, None) for key, fields in entries.items()}
    items |= {f"{key}#{copy.name}": (fields, copy) for copy in copies for key, fields in entries.items()}
    return items
