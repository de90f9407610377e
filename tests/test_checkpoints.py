"""A checkpoint is whole or is none: what a kill in the middle of saving leaves is never loaded."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from speechbrain.utils import checkpoints as speechbrains

from ser_plugins.checkpoints import Checkpointer


def killed_while_saving(checkpointer, monkeypatch):
    """Save the first recoverable and stop before the second, as a kill would."""

    def stop(obj, path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(checkpointer.custom_save_hooks, "second", stop)
        with pytest.raises(KeyboardInterrupt):
            checkpointer.save_checkpoint()


def recoverables(value):
    layers = {name: torch.nn.Linear(1, 1, bias=False) for name in ("first", "second")}
    for layer in layers.values():
        layer.weight.data.fill_(value)
    return layers


def test_a_checkpoint_cut_short_is_passed_over_and_removed(tmp_path, monkeypatch):
    whole = Checkpointer(tmp_path, recoverables(1.0)).save_checkpoint()
    killed_while_saving(Checkpointer(tmp_path, recoverables(2.0)), monkeypatch)
    assert len(list(tmp_path.iterdir())) == 2
    layers = recoverables(0.0)
    assert Checkpointer(tmp_path, layers).recover_if_possible().path == whole.path
    assert all(layer.weight.item() == 1.0 for layer in layers.values())
    assert list(tmp_path.iterdir()) == [whole.path]


def test_speechbrains_own_is_stopped_by_it(tmp_path, monkeypatch):
    """The reason for ours; when this fails, SpeechBrain has mended it and ours can go."""
    killed_while_saving(speechbrains.Checkpointer(tmp_path, recoverables(2.0)), monkeypatch)
    with pytest.raises(KeyError):
        speechbrains.Checkpointer(tmp_path, recoverables(0.0)).recover_if_possible()


def test_finished_checkpoints_are_speechbrains(tmp_path):
    saved = Checkpointer(tmp_path, recoverables(3.0)).save_and_keep_only(meta={"epoch": 7})
    assert saved is None  # as SpeechBrain's
    layers = recoverables(0.0)
    loaded = speechbrains.Checkpointer(tmp_path, layers).recover_if_possible()
    assert loaded.meta["epoch"] == 7
    assert layers["second"].weight.item() == 3.0


def test_all_processes_delete_the_same(tmp_path):
    """However late the main process makes a checkpoint whole: SpeechBrain waits for all of them at each deletion."""
    torch.multiprocessing.spawn(save_twice, (tmp_path,), nprocs=2)
    (kept,) = (tmp_path / "save").iterdir()
    assert "epoch: 2" in (kept / "CKPT.yaml").read_text()


def save_twice(rank, folder):
    """One of two processes."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))  # by these SpeechBrain knows the main process
    place = f"file://{folder}/meet"
    limit = timedelta(seconds=60)
    torch.distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=2, timeout=limit)
    rename = Path.rename
    Path.rename = lambda *arguments: (time.sleep(0.5), rename(*arguments))
    checkpointer = Checkpointer(folder / "save", recoverables(1.0))
    for epoch in (1, 2):
        checkpointer.save_and_keep_only(meta={"epoch": epoch})
    torch.distributed.destroy_process_group()
