"""A checkpoint is whole or is none: what a kill in the middle of saving leaves is never loaded."""

import os
import time
from datetime import timedelta
from pathlib import Path

import forked
import pytest
import torch
from speechbrain.utils import checkpoints as speechbrains

from ser_plugins.checkpoints import Checkpointer
from ser_plugins.errors import SerError
from ser_plugins.files import sha256_of


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


def test_a_save_reads_as_many_checkpoints_however_many_came_before(tmp_path, monkeypatch):
    """SpeechBrain's own reads more with every save of the process."""
    read = []
    construct = Checkpointer._construct_checkpoint_objects

    def counted(folders):
        read.append(folders)
        return construct(folders)

    monkeypatch.setattr(Checkpointer, "_construct_checkpoint_objects", staticmethod(counted))
    checkpointer, counts = Checkpointer(tmp_path, recoverables(1.0)), []
    for epoch in range(1, 5):
        read.clear()
        checkpointer.save_and_keep_only(meta={"epoch": epoch})
        counts.append(len(read))
    assert len(set(counts)) == 1
    assert len(list(tmp_path.iterdir())) == 1


def saved_thrice(folder, monkeypatch, times=(300.0, 200.0, 100.0)):
    """Three checkpoints while the clock goes backwards; the second is the best, the third as good."""
    layers = recoverables(0.0)
    checkpointer = Checkpointer(folder, layers)
    for epoch, (now, score) in enumerate(zip(times, (0.1, 0.5, 0.5), strict=True), start=1):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        for layer in layers.values():
            layer.weight.data.fill_(epoch)
        checkpointer.save_checkpoint(meta={"epoch": epoch, "score": score})
    return layers, checkpointer


def test_the_clock_does_not_choose_the_checkpoint(tmp_path, monkeypatch):
    layers, checkpointer = saved_thrice(tmp_path, monkeypatch)
    assert [checkpoint.meta["epoch"] for checkpoint in checkpointer.find_checkpoints()] == [3, 2, 1]
    assert checkpointer.recover_if_possible().meta["epoch"] == 3
    assert layers["first"].weight.item() == 3.0
    assert checkpointer.find_checkpoint(max_key="score").meta["epoch"] == 3  # of equals the last, as in SpeechBrain
    assert checkpointer.find_checkpoint(min_key="score").meta["epoch"] == 1
    checkpointer.delete_checkpoints(num_to_keep=1)
    assert [checkpoint.meta["epoch"] for checkpoint in checkpointer.list_checkpoints()] == [3]


def test_speechbrains_own_checkpoints_are_in_the_order_of_their_epochs(tmp_path, monkeypatch):
    for epoch, now in ((1, 200.0), (2, 100.0)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        speechbrains.Checkpointer(tmp_path, recoverables(epoch)).save_checkpoint(meta={"epoch": epoch})
    checkpointer = Checkpointer(tmp_path, recoverables(0.0))
    assert checkpointer.find_checkpoint().meta["epoch"] == 2
    checkpointer.save_checkpoint()  # whatever comes after them is numbered
    assert "epoch" not in checkpointer.find_checkpoint().meta


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty, Path.unlink])
@pytest.mark.parametrize("name", ["second.ckpt", "CKPT.yaml"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path, monkeypatch, caplog, damage, name):
    layers, checkpointer = saved_thrice(tmp_path, monkeypatch)
    newest = checkpointer.find_checkpoint().path
    damage(newest / name)
    layers = recoverables(0.0)
    assert Checkpointer(tmp_path, layers).recover_if_possible().meta["epoch"] == 2
    assert [layer.weight.item() for layer in layers.values()] == [2.0, 2.0]
    assert name == "CKPT.yaml" or f"{newest / name}: missing or damaged" in caplog.text


def test_where_all_are_damaged_training_does_not_go_on_with_parts_of_one(tmp_path, monkeypatch):
    layers, checkpointer = saved_thrice(tmp_path, monkeypatch)
    paths = [checkpoint.path for checkpoint in checkpointer.list_checkpoints()]
    for path, name in zip(paths, ("CKPT.yaml", "first.ckpt", "second.ckpt"), strict=True):
        flip(path / name)
    with pytest.raises(SerError, match="damaged, and no other checkpoint") as stop:
        Checkpointer(tmp_path, layers).recover_if_possible()
    assert all(str(path) in stop.value.got for path in paths)


def test_the_sums_are_those_of_sha256sum(tmp_path):
    folder = Checkpointer(tmp_path, recoverables(1.0)).save_checkpoint().path
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert sorted(line.split("  ")[1] for line in lines) == ["CKPT.yaml", "first.ckpt", "second.ckpt"]
    assert all(sha256_of(folder / name) == digest for digest, name in (line.split("  ") for line in lines))


def test_all_processes_delete_the_same(tmp_path):
    """However late the main process makes a checkpoint whole: SpeechBrain waits for all of them at each deletion."""
    torch.multiprocessing.start_processes(save_twice, (tmp_path,), nprocs=2, start_method=forked.METHOD)
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
