"""A SpeechBrain checkpointer that survives being killed at any moment."""

import shutil
from pathlib import Path

from speechbrain.utils import checkpoints


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
        return checkpoint

    def _save_checkpoint_metafile(self, fpath, *arguments, **options):
        return super()._save_checkpoint_metafile(fpath.with_name(_UNFINISHED), *arguments, **options)


_UNFINISHED = f"{checkpoints.METAFNAME}.part"
