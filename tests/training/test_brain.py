"""What the Brain asks of its modules."""

import torch
from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch
from torch import nn

from ser_plugins.spectrogram import LogPowerSpectrogram
from ser_plugins.training.brain import EmotionBrain


class Wrapped(nn.Module):
    """As DistributedDataParallel wraps a module: called through, but without its other methods."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *arguments):
        return self.module(*arguments)


class Passed(nn.Module):
    """Gives on what it is given."""

    def forward(self, frames, counts):
        return frames


class Counted(nn.Module):
    """Keeps the counts of frames that it is given."""

    def forward(self, frames, counts):
        self.counts = counts.tolist()
        return frames.mean(dim=1, keepdim=True)


def test_a_trained_front_end_that_is_wrapped_tells_its_frames_all_the_same():
    batch = PaddedBatch([{"wave": torch.randn(size)} for size in (16000, 8000)])
    counts = []
    for front_end in (LogPowerSpectrogram(), Wrapped(LogPowerSpectrogram())):
        counted = Counted()
        modules = {"compute_features": front_end, "mean_var_norm": counted}
        modules |= {"embedding_model": Passed(), "classifier": nn.Identity()}
        brain = EmotionBrain(modules, hparams={"tasks": {}}, run_opts={"device": "cpu"})
        brain.compute_forward(batch, Stage.TRAIN)
        counts.append(counted.counts)
    assert counts[0] == counts[1]
    assert counts[0][0] > counts[0][1] > 0
