"""SpeechBrain's checkpointer, surviving kills, clocks and damaged files; its pretrainer, for weights as safetensors."""

import contextlib
import logging
import shutil
from pathlib import Path

from safetensors.torch import load_file
from speechbrain.utils import checkpoints, parameter_transfer
from speechbrain.utils.fetching import FetchSource
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.files import sha256_of
from ser_plugins.quantization import dequantized

SUMS = "SHA256SUMS"  # of the files of a checkpoint, as `sha256sum --check` reads them
_UNFINISHED = f"{checkpoints.METAFNAME}.part"
_logger = logging.getLogger(__name__)


class Checkpointer(checkpoints.Checkpointer):
    """SpeechBrain's ``Checkpointer``, whose checkpoints are whole or are none, in the order in which they were made.

    SpeechBrain writes ``CKPT.yaml``, the file that makes a folder a checkpoint, before the parameters. A process killed
    in between leaves a checkpoint that cannot be loaded, and no later run gets past it. Here that file comes last, and
    what an earlier kill left is removed when the checkpointer is made.

    SpeechBrain takes the checkpoint with the largest ``unixtime`` for the latest, so that a clock set back loads an
    older epoch. Here checkpoints are numbered. Their files are hashed: a damaged one is passed over, with a warning.

    Arguments
    ---------
    checkpoints_dir : str or Path
        Where checkpoints go; one process at a time.
    *arguments, **options
        As for SpeechBrain's.

    Example
    -------
    >>> import tempfile, torch
    >>> folder = tempfile.mkdtemp()
    >>> layer = torch.nn.Linear(2, 2)
    >>> saved = Checkpointer(folder, {"layer": layer}).save_checkpoint()
    >>> Checkpointer(folder, {"layer": layer}).recover_if_possible().path == saved.path
    True
    """

    def __init__(self, checkpoints_dir, *arguments, **options):
        super().__init__(checkpoints_dir, *arguments, **options)
        if checkpoints.if_main_process():
            for folder in Path(checkpoints_dir).glob(f"{checkpoints.CKPT_PREFIX}*"):
                if not (folder / checkpoints.METAFNAME).exists():
                    shutil.rmtree(folder)

    def save_checkpoint(self, *arguments, **options):
        """Save as SpeechBrain does, hash the files, then make it a checkpoint."""
        checkpoint = super().save_checkpoint(*arguments, **options)
        if checkpoint is not None:
            sums = {path.name: sha256_of(path) for path in sorted(checkpoint.path.iterdir())}
            sums[checkpoints.METAFNAME] = sums.pop(_UNFINISHED)
            lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
            (checkpoint.path / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
            (checkpoint.path / _UNFINISHED).rename(checkpoint.path / checkpoints.METAFNAME)
        # Deleting old checkpoints follows, for which every process lists them: all must find the same.
        checkpoints.ddp_barrier()
        return checkpoint

    def save_and_keep_only(self, *arguments, importance_keys=(), **options):
        """Save, then delete, as SpeechBrain does, but with a list of keys of its own.

        To its default list SpeechBrain appends with every call, and for every key in it all checkpoints are read twice:
        the four hundredth save of a process takes a second.
        """
        return super().save_and_keep_only(*arguments, importance_keys=[*importance_keys], **options)

    def find_checkpoints(
        self, importance_key=None, max_key=None, min_key=None, ckpt_predicate=None, max_num_checkpoints=None
    ):
        """Find as SpeechBrain does; what is equal otherwise is ordered by :func:`progress`, and not by the clock."""
        if importance_key is checkpoints.ckpt_recency or not (importance_key or max_key or min_key):
            importance_key = progress
        elif not importance_key:
            if max_key and min_key:
                raise ValueError("Must specify only one of 'max_key' and 'min_key'.")
            wanted, key, sign = ckpt_predicate, max_key or min_key, 1 if max_key else -1

            def ckpt_predicate(checkpoint):
                return key in checkpoint.meta and (wanted is None or wanted(checkpoint))

            def importance_key(checkpoint):
                return sign * checkpoint.meta[key], progress(checkpoint)

        return super().find_checkpoints(
            importance_key, ckpt_predicate=ckpt_predicate, max_num_checkpoints=max_num_checkpoints
        )

    def recover_if_possible(self, importance_key=None, max_key=None, min_key=None, ckpt_predicate=None):
        """Load the first checkpoint in the order asked for that is not damaged, and return it; None when there is none.

        Raises
        ------
        SerError
            When there are checkpoints, and all of them are damaged: modules may then hold parts of one.
        """
        damaged = sorted({*self._list_checkpoint_dirs()} - {checkpoint.path for checkpoint in self.list_checkpoints()})
        for checkpoint in self.find_checkpoints(importance_key, max_key, min_key, ckpt_predicate):
            try:
                self.load_checkpoint(checkpoint)
                break
            except Exception as error:  # whatever an unreadable file makes torch or YAML say
                _logger.warning("passed over: %s", error)
                damaged.append(checkpoint.path)
        else:
            checkpoint = None
        if damaged and checkpoint is None:
            raise SerError(
                got=f"{', '.join(map(str, damaged))}: damaged, and no other checkpoint",
                expected="one that can be read",
                remedy=f"copy it back, or remove {self.checkpoints_dir} to begin anew",
            )
        return checkpoint

    def load_checkpoint(self, checkpoint):
        """Load as SpeechBrain does, after a look at the hashes: nothing is loaded of a checkpoint that is not whole."""
        for name, digest in _sums(checkpoint.path).items():
            _check(checkpoint.path / name, digest)
        super().load_checkpoint(checkpoint)

    @staticmethod
    def _construct_checkpoint_objects(checkpoint_dirs):
        """As SpeechBrain does, without those whose ``CKPT.yaml`` cannot be read or was changed."""
        readable = []
        for folder in checkpoint_dirs:
            with contextlib.suppress(Exception):
                (checkpoint,) = checkpoints.Checkpointer._construct_checkpoint_objects([folder])
                progress(checkpoint)
                if digest := _sums(folder).get(checkpoints.METAFNAME):
                    _check(folder / checkpoints.METAFNAME, digest)
                readable.append(checkpoint)
        return readable

    def _save_checkpoint_metafile(self, fpath, meta_to_include={}, end_of_epoch=True):  # noqa: B006 (SpeechBrain's)
        numbers = [checkpoint.meta.get("number", 0) for checkpoint in self.list_checkpoints()]
        meta = {**meta_to_include, "number": 1 + max(numbers, default=0)}
        return super()._save_checkpoint_metafile(fpath.with_name(_UNFINISHED), meta, end_of_epoch)


def progress(checkpoint) -> tuple:
    """How far training had come when a checkpoint was made: its number; the epoch of those made before there were any.

    Only between SpeechBrain's own, which may have neither, the clock decides.
    """
    meta = checkpoint.meta
    return meta.get("number", 0), meta.get("epoch", 0), meta["unixtime"]


def _sums(folder) -> dict:
    """SHA-256 of the files of a checkpoint, by name; none of SpeechBrain's own."""
    if not (folder / SUMS).is_file():
        return {}
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _check(path, digest):
    if not path.is_file() or sha256_of(path) != digest:
        raise SerError(
            got=f"{path}: missing or damaged",
            expected=f"the file whose SHA-256 is in {SUMS}",
            remedy="copy it back, or remove that checkpoint",
        )


class Pretrainer(parameter_transfer.Pretrainer):
    """SpeechBrain's ``Pretrainer``, but modules come from ``<name>.safetensors`` and never from a pickle.

    Weights in 8 bits become floating point: see :mod:`ser_plugins.quantization`. Other loadables, such as a label
    encoder, are as SpeechBrain has them. An exported model names it in its YAML.

    Arguments
    ---------
    *arguments, **options
        As for SpeechBrain's.

    Example
    -------
    >>> import tempfile, torch
    >>> from safetensors.torch import save_file
    >>> folder = tempfile.mkdtemp()
    >>> save_file({"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, f"{folder}/layer.safetensors")
    >>> layer = torch.nn.Linear(2, 1)
    >>> pretrainer = Pretrainer(loadables={"layer": layer})
    >>> _ = pretrainer.collect_files(default_source=folder)
    >>> pretrainer.load_collected()
    >>> layer.weight.tolist()
    [[1.0, 1.0]]
    """

    def collect_files(self, default_source=None, *arguments, **options):
        """Collect as SpeechBrain does, which by itself asks for ``<name>.ckpt``."""
        names = [name for name, loadable in self.loadables.items() if isinstance(loadable, nn.Module)]
        self.add_custom_hooks(dict.fromkeys(names, _load_safetensors))
        if default_source is not None:
            self.add_paths({name: _inside(default_source, f"{name}.safetensors") for name in names})
        return super().collect_files(default_source, *arguments, **options)


def _inside(source, name: str):
    if isinstance(source, FetchSource):
        kind, path = source
        return FetchSource(kind, f"{path}/{name}")
    return f"{source}/{name}"


def _load_safetensors(module: nn.Module, path) -> None:
    module.load_state_dict(dequantized(load_file(path)))
