"""SpeechBrain's checkpointer, surviving a kill at any moment; and its pretrainer, for weights as safetensors."""

import shutil
from pathlib import Path

from safetensors.torch import load_file
from speechbrain.utils import checkpoints, parameter_transfer
from speechbrain.utils.fetching import FetchSource
from torch import nn


class Checkpointer(checkpoints.Checkpointer):
    """SpeechBrain's ``Checkpointer``, whose checkpoints are whole or are none.

    SpeechBrain writes ``CKPT.yaml``, the file that makes a folder a checkpoint, before the parameters. A process killed
    in between leaves a checkpoint that cannot be loaded, and no later run gets past it. Here that file comes last, and
    what an earlier kill left is removed when the checkpointer is made.

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
        """Save as SpeechBrain does, then make it a checkpoint."""
        checkpoint = super().save_checkpoint(*arguments, **options)
        if checkpoint is not None:
            (checkpoint.path / _UNFINISHED).rename(checkpoint.path / checkpoints.METAFNAME)
        # Deleting old checkpoints follows, for which every process lists them: all must find the same.
        checkpoints.ddp_barrier()
        return checkpoint

    def _save_checkpoint_metafile(self, fpath, *arguments, **options):
        return super()._save_checkpoint_metafile(fpath.with_name(_UNFINISHED), *arguments, **options)


_UNFINISHED = f"{checkpoints.METAFNAME}.part"


class Pretrainer(parameter_transfer.Pretrainer):
    """SpeechBrain's ``Pretrainer``, but modules come from ``<name>.safetensors`` and never from a pickle.

    Other loadables, such as a label encoder, are as SpeechBrain has them. An exported model names it in its YAML.

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
    module.load_state_dict(load_file(path))
