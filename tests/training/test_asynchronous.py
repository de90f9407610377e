"""Training without reading losses within an epoch gives what SpeechBrain's loop gives."""

import pytest
import speechbrain as sb
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ser_plugins.training.asynchronous import AsynchronousBrain


class Line(AsynchronousBrain):
    """Fits a line; the third batch of the second epoch can be made infinite."""

    epoch = None

    def compute_forward(self, batch, stage):
        return self.modules.line(batch)

    def compute_objectives(self, predictions, batch, stage):
        loss = (predictions - 2 * batch).square().mean()
        return loss * float("inf") if (self.epoch, self.step) == self.hparams.broken else loss

    def on_stage_start(self, stage, epoch=None):
        self.epoch = epoch

    def on_stage_end(self, stage, stage_loss, epoch=None):
        super().on_stage_end(stage, stage_loss, epoch)
        self.losses.append(float(stage_loss))


class Reads(TorchDispatchMode):
    """Counts what would make the host wait for a GPU."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(options or {}))


def brain(waits, broken=None, patience=3):
    torch.manual_seed(0)
    made = type("Brain", (Line,), {"waits": waits})(
        {"line": torch.nn.Linear(1, 1)},
        lambda parameters: torch.optim.SGD(parameters, lr=0.05),
        {"broken": broken},
        {"device": "cpu", "noprogressbar": True, "nonfinite_patience": patience},
    )
    made.losses = []
    return made


def fitted(made):
    batches = [torch.full((4, 1), float(value)) for value in range(1, 5)]
    made.fit(range(1, 4), batches)
    return made.losses, [parameter.tolist() for parameter in made.modules.parameters()]


def test_losses_and_weights_are_those_of_speechbrains_loop():
    (losses, weights), (plain_losses, plain_weights) = fitted(brain(waits=False)), fitted(brain(waits=True))
    assert losses == pytest.approx(plain_losses, rel=1e-5)
    assert weights == plain_weights


def test_nothing_is_read_within_an_epoch():
    made = brain(waits=False)
    made.on_fit_start()
    made.step, made.nonfinite_count = 1, 0
    with Reads() as reads:
        loss = made.fit_batch(torch.ones(4, 1))
        mean = made.update_average(loss, made.avg_train_loss)
        str(made.update_average(loss, mean))
    assert reads.count == 0
    with Reads() as reads:
        float(mean)
    assert reads.count == 1


@pytest.mark.parametrize("waits", [True, False])
def test_losses_that_are_not_finite_stop_the_training(waits):
    with pytest.raises(ValueError, match="not finite"):
        fitted(brain(waits, broken=(2, 3), patience=0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_step_of_our_model_does_not_wait_for_the_gpu(tmp_path):
    from ser_plugins.classifier import ClassifierHead, UtteranceEncoder

    model = torch.nn.ModuleList([UtteranceEncoder(), ClassifierHead(256, 7)]).cuda()
    frames, counts = torch.randn(4, 60, 400, device="cuda"), torch.tensor([60, 30, 20, 10], device="cuda")

    def step():
        model[1](model[0](frames, counts)).sum().backward()

    step()  # plans and allocates
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_brain_on_a_cpu_waits_as_speechbrain_does():
    assert AsynchronousBrain({"line": torch.nn.Linear(1, 1)}, run_opts={"device": "cpu"}).waits
    assert issubclass(AsynchronousBrain, sb.Brain)
